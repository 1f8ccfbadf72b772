"""What a recipe names: the models and files it takes, and which of them are not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.adapt._variants import Variant
from harness.errors import UserError
from harness.recipes import ModelUse, Recipe, SynthRecipe, TrainRecipe, TuneRecipe

SERVED = ("openai", "constant", "majority")
"""Engines whose model is no checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the loop asks of synthesis and training without importing them: `harness.cli` does."""

    check_preset: Callable[[TrainRecipe, str], object]
    """Raises UserError where a preset is made for another `model_type`."""
    tune_section: Callable[[TuneRecipe, Path, Path], TrainRecipe]
    """The `train:` section that tunes a synthesizer; raises UserError for wrong settings."""
    open_pairs: Callable[[SynthRecipe], Any]
    """Opens the pairs (`synth.pairs.Pairs`); raises UserError where there are none."""
    plan_synth: Callable[[Recipe, Path], Sequence[Any]]
    """The stages of a recipe's synthesis as they stand (`synth.estimating.Planned`)."""
    plan_train: Callable[[Recipe, Path, Path | None, int | None], Any]
    """Training as it stands, on a finished mixture's folder or on so many rows to come
    (`harness.cli._adapt_tools.TrainPlan`)."""


def base_of(recipe: Recipe) -> str | None:
    """The checkpoint to adapt."""
    return (recipe.train.base_model if recipe.train else None) or recipe.base_model


def reference_of(recipe: Recipe) -> str | None:
    """What the candidate is compared with: a model's reference or a run's folder; None: nothing."""
    against = recipe.eval.compare_with if recipe.eval else None
    return base_of(recipe) if against == "base" else against


def is_run(reference: str) -> bool:
    """Whether this names the folder of a run, not a model."""
    return os.path.isfile(os.path.join(reference, "run.json"))  # noqa: PTH113, PTH118


def refused(name: str, variant: Variant, check: Callable[[], object]) -> Iterator[str]:
    """The message of a check that refuses a setting, with the setting's line."""
    try:
        check()
    except UserError as error:
        last = name.rsplit(".", maxsplit=1)[-1]
        told = error.message.removeprefix(f"{name}: ").removeprefix(f"{last}: ")
        yield f"{variant.where(name)}: {told}" + (f" ({error.hint})" if error.hint else "")


def uses_of(synth: SynthRecipe) -> Iterator[tuple[str, ModelUse]]:
    """The models that synthesis asks, by their names in a recipe; a tuned one is not among them."""
    if synth.content == "captions":
        return
    names = ("filter",) if synth.generator == "rules" else (synth.generator, "filter")
    for name in names:
        use = getattr(synth, name)
        if use is not None:
            yield f"synth.{name}", use


def missing_inputs(variant: Variant, tools: Tools) -> Iterator[str]:
    """Inputs that are not there, and a place that cannot be written, a line each."""
    recipe = variant.recipe
    if recipe.synth is not None:
        yield from _missing_of_synth(variant, recipe.synth, tools)
    for name, model in _models(recipe):
        if model is not None and not _may_exist(model):
            yield f"{variant.where(name)}: no such folder: {model}"
    train = recipe.train
    for name in ("data", "captions", "also", "held_out"):
        path = getattr(train, name, None)
        if isinstance(path, str) and not Path(path).expanduser().exists() and not _is_hub(path):
            yield f"{variant.where(f'train.{name}')}: no such file: {path}"
    for name in ("images", "also_images"):
        path = getattr(train, name, None)
        if path is not None and not path.expanduser().is_dir():
            yield f"{variant.where(f'train.{name}')}: no such folder: {path}"
    for name in ("data", "retention_data"):
        yield from _no_rows(variant, f"eval.{name}", getattr(recipe.eval, name, None))
    if recipe.eval is not None and (wrong := _unwritable(recipe.eval.out)):
        yield f"{variant.where('eval.out')}: {wrong}"


def _missing_of_synth(variant: Variant, synth: SynthRecipe, tools: Tools) -> Iterator[str]:
    yield from refused("synth.pairs", variant, lambda: tools.open_pairs(synth))
    yield from _no_rows(variant, "synth.audit_data", synth.audit_data)
    if synth.tune is None:
        return
    for name in ("data", "images", "captions"):
        path = getattr(synth.tune.seed_data, name)
        if path is not None and not path.expanduser().exists():
            where = variant.where(f"synth.tune.seed_data.{name}")
            yield f"{where}: no such file or folder: {path}"


def _no_rows(variant: Variant, name: str, data: str | None) -> Iterator[str]:
    if data not in (None, "sample") and not Path(str(data)).is_dir():
        yield f"{variant.where(name)}: no such folder: {data}"


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there; found before the hours that lead to it."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written"


def _models(recipe: Recipe) -> Iterator[tuple[str, str | None]]:
    evaluating = recipe.eval is not None and recipe.eval.engine not in SERVED
    yield "base_model", base_of(recipe)
    if evaluating and (reference := reference_of(recipe)) != base_of(recipe):
        yield "eval.compare_with", reference
    synth = recipe.synth
    if synth is None:
        return
    if synth.tune is not None and synth.generator == "synthesizer" and synth.content != "captions":
        yield "synth.tune.base_model", synth.tune.base_model
    for name, use in uses_of(synth):
        if use.engine not in SERVED:
            yield name, use.model


def _may_exist(model: str) -> bool:
    """Whether it is a folder here, or might be on the hub."""
    return Path(model).expanduser().is_dir() or _is_hub(model)


def _is_hub(name: str) -> bool:
    organisation, slash, rest = name.partition("/")
    known = bool(organisation and slash and rest) and "/" not in rest.split("@")[0]
    return known and not name.startswith((".", "~")) and not Path(organisation).is_dir()
