"""What is refused before any work starts, and what is only still missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.adapt._variants import Variant
from harness.engines import check_engine
from harness.errors import UserError
from harness.recipes import EvalRecipe, ModelUse, Recipe, SynthRecipe, TrainRecipe
from harness.runs import RunFolder
from tasks import resolve

SERVED = ("openai", "constant", "majority")
"""Engines whose model is no checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the loop asks of synthesis and training without importing them: `harness.cli` does."""

    check_preset: Callable[[TrainRecipe, str], object]
    """Raises UserError where a preset is made for another `model_type`."""
    open_pairs: Callable[[SynthRecipe], Any]
    """Opens the pairs (`synth.pairs.Pairs`); raises UserError where there are none."""
    plan_synth: Callable[[Recipe, Path], Sequence[Any]]
    """The stages of a recipe's synthesis as they stand (`synth.estimating.Planned`)."""
    plan_train: Callable[[Recipe, Path, Path | None, int | None], Any]
    """Training as it stands, on a finished mixture's folder or on so many rows to come
    (`harness.cli._adapt_tools.TrainPlan`)."""


def check_variants(variants: Sequence[Variant], tools: Tools) -> list[str]:
    """Refuse recipes that cannot be followed.

    Args:
        variants: Of the sweep.
        tools: Checks that belong to other packages.

    Returns:
        What they need and what is not there, a line each.

    Raises:
        UserError: Every fault in every variant, each with its line.
    """
    faults: dict[str, None] = {}
    missing: dict[str, None] = {}
    for variant in variants:
        prefix = f"sweep.{variant.name}: " if variant.overrides else ""
        faults.update(dict.fromkeys(prefix + fault for fault in _faults(variant, tools)))
        missing.update(dict.fromkeys(_missing(variant, tools)))
    if faults:
        raise UserError("\n  ".join(faults))
    return list(missing)


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


def _faults(variant: Variant, tools: Tools) -> Iterator[str]:
    recipe, where = variant.recipe, variant.where
    for name in ("train", "eval"):
        if getattr(recipe, name) is None:
            yield f"{where(name)} is missing: adapt trains a candidate and evaluates it"
    if recipe.train is None or recipe.eval is None:
        return
    if base_of(recipe) is None:
        yield f"{where('base_model')} is missing: name the checkpoint to adapt"
    yield from _data_faults(variant, recipe.train)
    yield from _eval_faults(variant, recipe.eval)
    if recipe.synth is not None:
        yield from _refused("synth.audit", variant, lambda: _resolve(recipe.synth))
    yield from _preset_faults(variant, recipe.train, tools)


def _data_faults(variant: Variant, train: TrainRecipe) -> Iterator[str]:
    synth, where = variant.recipe.synth, variant.where
    if synth is None and train.data is None:
        yield f"{where('synth')} is missing: what is trained on? (or name `train.data`)"
    if train.also is not None and train.stages != "single":
        yield f"{where('train.also')}: goes with stages: single alone"
    if synth is None:
        return
    if train.data is not None:
        yield f"{where('train.data')}: synth makes the training data; leave one of them out"
    if train.stages != "single" and train.captions is None and synth.content != "all":
        yield (
            f"{where('train.stages')}: {train.stages} needs captions and tasks, but synth.content "
            f"is {synth.content}"
        )


def _eval_faults(variant: Variant, recipe: EvalRecipe) -> Iterator[str]:
    yield from _refused("eval.engine", variant, lambda: check_engine(recipe.engine))
    for name, tasks in (("tasks", recipe.tasks), ("retention", recipe.retention)):
        if any("," in task for task in tasks):
            yield f"{variant.where(f'eval.{name}')}: a task's name holds a comma"
        elif tasks or name == "tasks":
            yield from _refused(f"eval.{name}", variant, partial(resolve, tasks))
    against = recipe.compare_with
    if against is not None and is_run(against):
        yield from _refused("eval.compare_with", variant, RunFolder(Path(against)).results)
    if recipe.engine == "openai":
        yield (
            f"{variant.where('eval.engine')}: openai asks a server, which does not have the "
            "candidate; take transformers or vllm"
        )


def _refused(name: str, variant: Variant, check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except UserError as error:
        last = name.rsplit(".", maxsplit=1)[-1]
        told = error.message.removeprefix(f"{name}: ").removeprefix(f"{last}: ")
        yield f"{variant.where(name)}: {told}" + (f" ({error.hint})" if error.hint else "")


def _resolve(synth: SynthRecipe | None) -> object:
    return resolve(synth.audit) if synth is not None and synth.audit else None


def _preset_faults(variant: Variant, train: TrainRecipe, tools: Tools) -> Iterator[str]:
    """Where the base is on this machine; a hub's is looked at when it has been fetched."""
    from harness.models import read_config

    base = base_of(variant.recipe)
    if base is None or not Path(base).expanduser().is_dir():
        return
    try:
        model_type = str(read_config(Path(base).expanduser()).get("model_type"))
    except UserError:
        return  # `_missing` names it
    yield from _refused("train.preset", variant, lambda: tools.check_preset(train, model_type))


def _missing(variant: Variant, tools: Tools) -> Iterator[str]:
    """Inputs that are not there."""
    recipe = variant.recipe
    if recipe.synth is not None:
        yield from _refused("synth.pairs", variant, lambda: tools.open_pairs(_pairs(recipe)))
        if recipe.synth.tune is not None:
            seed = recipe.synth.tune.seed_data
            for name in ("data", "images", "captions"):
                path = getattr(seed, name)
                if path is not None and not path.expanduser().exists():
                    where = variant.where(f"synth.tune.seed_data.{name}")
                    yield f"{where}: no such file or folder: {path}"
    for name, model in _models(recipe):
        if model is not None and not _may_exist(model):
            yield f"{variant.where(name)}: no such folder: {model}"
    train = recipe.train
    for name in ("data", "captions", "also"):
        path = getattr(train, name, None)
        if path is not None and not Path(path).expanduser().exists() and not _is_hub(path):
            yield f"{variant.where(f'train.{name}')}: no such file: {path}"
    for name in ("data", "retention_data"):
        data = getattr(recipe.eval, name, None)
        if data not in (None, "sample") and not Path(data).is_dir():
            yield f"{variant.where(f'eval.{name}')}: no such folder: {data}"


def _pairs(recipe: Recipe) -> SynthRecipe:
    if recipe.synth is None:
        raise ValueError("it has no synth section")
    return recipe.synth


def _models(recipe: Recipe) -> Iterator[tuple[str, str | None]]:
    evaluating = recipe.eval is not None and recipe.eval.engine not in SERVED
    yield "base_model", base_of(recipe)
    if evaluating and (reference := reference_of(recipe)) != base_of(recipe):
        yield "eval.compare_with", reference
    synth = recipe.synth
    if synth is None or synth.content == "captions":
        return
    if synth.tune is not None and synth.generator == "synthesizer":
        yield "synth.tune.base_model", synth.tune.base_model
    elif synth.generator != "rules":
        yield f"synth.{synth.generator}", _checkpoint(getattr(synth, synth.generator))
    yield "synth.filter", _checkpoint(synth.filter)


def _checkpoint(use: ModelUse | None) -> str | None:
    return None if use is None or use.engine in SERVED else use.model


def _may_exist(model: str) -> bool:
    """Whether it is a folder here, or might be on the hub."""
    return Path(model).expanduser().is_dir() or _is_hub(model)


def _is_hub(name: str) -> bool:
    organisation, slash, rest = name.partition("/")
    known = bool(organisation and slash and rest) and "/" not in rest.split("@")[0]
    return known and not name.startswith((".", "~")) and not Path(organisation).is_dir()
