"""What is refused before any work starts, and what is only still missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.adapt._inputs import (
    Tools,
    base_of,
    is_run,
    missing_inputs,
    refused,
    uses_of,
)
from harness.adapt._variants import Variant
from harness.engines import check_settings
from harness.errors import UserError
from harness.recipes import EvalRecipe, SynthRecipe, TrainRecipe
from harness.runs import RunFolder
from tasks import resolve


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
        missing.update(dict.fromkeys(missing_inputs(variant, tools)))
    if faults:
        raise UserError("\n  ".join(faults))
    return list(missing)


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
        yield from _synth_faults(variant, recipe.synth, tools)
    yield from _preset_faults(variant, recipe.train, base_of(recipe), tools)


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


def _synth_faults(variant: Variant, synth: SynthRecipe, tools: Tools) -> Iterator[str]:
    if synth.audit:
        yield from refused("synth.audit", variant, lambda: resolve(synth.audit))
    for name, use in uses_of(synth):
        check = partial(check_settings, use.engine, use.engine_args)
        yield from refused(f"{name}.engine", variant, check)
    if (tune := synth.tune) is None:
        return
    check = partial(check_settings, tune.engine, tune.engine_args)
    yield from refused("synth.tune.engine", variant, check)
    try:
        section = tools.tune_section(tune, Path(), Path())
    except UserError as error:
        told = error.message.replace("synth.tune.train: ", "synth.tune.train.")
        yield f"{variant.source.where(('synth', 'tune', 'train'))}: {told}"
        return
    name = "synth.tune.base_model"
    yield from _preset_faults(variant, section, tune.base_model, tools, name)


def _eval_faults(variant: Variant, recipe: EvalRecipe) -> Iterator[str]:
    check = partial(check_settings, recipe.engine, recipe.engine_args)
    yield from refused("eval.engine", variant, check)
    for name, tasks in (("tasks", recipe.tasks), ("retention", recipe.retention)):
        if any("," in task for task in tasks):
            yield f"{variant.where(f'eval.{name}')}: a task's name holds a comma"
        elif tasks or name == "tasks":
            yield from refused(f"eval.{name}", variant, partial(resolve, tasks))
    if recipe.engine == "openai":
        yield (
            f"{variant.where('eval.engine')}: openai asks a server, which does not have the "
            "candidate; take transformers or vllm"
        )
    against = recipe.compare_with
    if against is not None and is_run(against):
        check = partial(_check_reference, RunFolder(Path(against)), recipe)
        yield from refused("eval.compare_with", variant, check)


def _check_reference(run: RunFolder, recipe: EvalRecipe) -> None:
    """A run that cannot be compared is found now, not when a candidate has been trained.

    Raises:
        UserError: It is not finished, or measured other tasks or rows.
    """
    run.results()
    settings = run.read()["settings"]
    for name, wanted in (("limit", recipe.limit), ("images", recipe.images)):
        if settings.get(name) != wanted:
            raise UserError(
                f"{run.path} was made with {name}: {settings.get(name)}, and eval.{name} is "
                f"{wanted}"
            )
    try:
        tasks = resolve(recipe.tasks)
    except UserError:
        return  # told of above
    known = settings.get("tasks")
    common = [task for task in tasks if isinstance(known, Mapping) and task.id in known]
    if not common:
        names = ", ".join(known) if isinstance(known, Mapping) else "none"
        raise UserError(f"{run.path} holds none of eval.tasks (it holds {names})")
    for task in common:
        if known[task.id].get("version") != task.version:
            raise UserError(f"{run.path} was made with another version of {task.id}")


def _preset_faults(
    variant: Variant, train: TrainRecipe, base: str | None, tools: Tools, name: str = "train.preset"
) -> Iterator[str]:
    """Where the base is on this machine; a hub's is looked at when it has been fetched."""
    from harness.models import read_config

    if base is None or not Path(base).expanduser().is_dir():
        return
    try:
        model_type = str(read_config(Path(base).expanduser()).get("model_type"))
    except UserError:
        return  # `missing_inputs` names it
    yield from refused(name, variant, lambda: tools.check_preset(train, model_type))
