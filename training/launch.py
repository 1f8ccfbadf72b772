"""From a recipe's `train:` section to a checkpoint: planned, looked at, trained in children."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.engines._chat import default_system
from harness.engines._pixels import pixel_bounds
from harness.errors import UserError
from harness.models import Checkpoint, open_checkpoint
from harness.progress import note
from harness.recipes import TrainRecipe
from harness.stages import Counts, Stage
from training.checks import check_machine, check_software, gpus_here
from training.job import CHECKPOINT, HELD_OUT, RECORD, Job, batches_of, split_of, steps_of
from training.masks import EncoderSource
from training.memory import Space, check_space, space_of
from training.parts import check_parts, sizes_of, tensors_on_disk
from training.presets import Part, Settings, resolve, without_effect
from training.rows import TOGETHER, TrainingRows, open_rows
from training.states import check_ranks, newest
from training.survey import Survey, SurveySettings, survey

FIRST = "stage1"
"""Folder of the first of two stages; its checkpoint can be evaluated as any other."""
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


class Prepared(UserError):
    """Everything is ready to be started on several machines."""


@dataclass(frozen=True)
class Run:
    """One run of the trainer."""

    name: Literal["stage1", "train"]
    data: str
    rows: TrainingRows
    settings: Settings
    held_out: TrainingRows | None
    """Of a file of their own."""


@dataclass(frozen=True)
class Plan:
    """What a recipe asks for, checked; nothing is made yet."""

    recipe: TrainRecipe
    base: Checkpoint
    images: Path | None
    runs: tuple[Run, ...]

    @cached_property
    def sizes(self) -> dict[Part, int]:
        """Weights of each part."""
        return sizes_of(tensors_on_disk(self.base.folder))

    @property
    def settings(self) -> Settings:
        """Of the last run."""
        return self.runs[-1].settings

    @property
    def warnings(self) -> list[str]:
        """What the recipe says that changes nothing, or perhaps not what was meant."""
        found = without_effect(self.recipe, self.settings)
        if self.settings.nodes > 1 and not self.settings.on_gpu and self.recipe.device == "auto":
            found.append(
                "train.device: planned for CPUs, for this machine has no GPU; set `device: gpu` "
                "if the others have"
            )
        return found

    def source(self, checkpoint: Path) -> EncoderSource:
        """What makes tokens: a prompt as evaluation asks it."""
        return EncoderSource(
            str(checkpoint),
            self.settings.loss,
            default_system(self.base.config.get("model_type")),
            pixel_bounds(self.base, None, None),
        )

    def stage(self, root: Path, name: str = "train") -> Stage:
        """The stage that this plan makes, under `work/<recipe>`."""
        source = {**self.source(Path()).identity, "checkpoint": None}
        config = {
            "stages": self.recipe.stages,
            "runs": [run.settings.determining() for run in self.runs],
            "source": source,
        }
        inputs = {"base_model": self.base.fingerprint}
        inputs.update({f"data/{run.name}": run.rows.fingerprint() for run in self.runs})
        if (held_out := self.runs[-1].held_out) is not None:
            inputs["held_out"] = held_out.fingerprint()
        return Stage(root, name, config, inputs)


def plan_training(
    recipe: TrainRecipe,
    *,
    base_model: str | None = None,
    data: Path | str | None = None,
    images: Path | None = None,
    captions: Path | str | None = None,
) -> Plan:
    """Check what can be checked without looking at rows.

    Args:
        recipe: The `train:` section.
        base_model: Instead of the section's.
        data: Instead of the section's: conversations.
        images: Instead of the section's: folder that pictures' paths start from.
        captions: Instead of the section's: the first of two stages' conversations.

    Raises:
        UserError: Something is missing or does not fit; begins with the setting's name.
    """
    base = _open_base(recipe.base_model or base_model)
    model_type = str(base.config.get("model_type"))
    given = data or recipe.data
    if given is None:
        raise UserError("train.data is missing", "Name a file of conversations.")
    if recipe.also is not None and not str(given).endswith(TOGETHER):
        raise UserError(
            "train.also: is for `harness adapt`, which puts it beside what synth made",
            f"List both in a file *{TOGETHER} and name it as `train.data`.",
        )
    images = images or recipe.images
    found = _files(recipe, str(given), str(captions) if captions else recipe.captions)
    gpus = gpus_here()
    held_out = _open_held_out(recipe.held_out, images)
    runs = tuple(
        Run(
            name,
            file,
            open_rows(file, images),
            resolve(recipe, model_type, gpus_here=gpus, first_stage=name == FIRST),
            held_out,
        )
        for name, file in found
    )
    plan = Plan(recipe, base, images, runs)
    for run in runs:
        check_parts(plan.sizes, run.settings)
    check_software(plan.settings, base.folder)
    return plan


def _open_held_out(given: float | str | None, images: Path | None) -> TrainingRows | None:
    if not isinstance(given, str):
        return None
    try:
        return open_rows(given, images)
    except UserError as error:
        message = error.message.removeprefix("data: ")
        raise UserError(f"train.held_out: {message}", error.hint) from error


def _open_base(ref: str | None) -> Checkpoint:
    if ref is None:
        raise UserError(
            "base_model is missing", "Name it in the recipe: `base_model: FOLDER or org/name`."
        )
    try:
        return open_checkpoint(ref)
    except UserError as error:
        hint = error.hint
        if hint and ("--allow-pickle" in hint or "--trust-remote-code" in hint):
            hint = "Training takes safetensors without code of their own: load and save it once."
        message = error.message.removeprefix("--model ")
        raise UserError(f"base_model: {message}", hint) from error


def _files(recipe: TrainRecipe, data: str, captions: str | None) -> list[tuple[Any, str]]:
    """Name and data of each run."""
    if recipe.stages == "single":
        return [("train", data)]
    path = Path(data).expanduser()
    if captions is None and path.name == "train.jsonl":
        second = "tasks" if recipe.stages == "two" else "tasks_and_captions"
        beside = [path.with_name(f"{name}.jsonl") for name in ("captions", second)]
        if all(file.is_file() for file in beside):
            return [(FIRST, str(beside[0])), ("train", str(beside[1]))]
    if captions is None:
        raise UserError(
            f"train.captions is missing: with stages: {recipe.stages} the first stage learns "
            "captions alone",
            "Name their file, or give as `data` the train.jsonl that `harness synth` wrote.",
        )
    return [(FIRST, captions), ("train", data)]


def train(
    recipe: TrainRecipe,
    folder: Path,
    *,
    base_model: str | None = None,
    data: Path | str | None = None,
    images: Path | None = None,
    captions: Path | str | None = None,
) -> Path:
    """Train in child processes, so that all memory is given back; go on where it stopped.

    Args:
        recipe: The `train:` section.
        folder: Where everything goes; the caller holds it (`Stage.locked`).
        base_model: Instead of the section's.
        data: Instead of the section's.
        images: Instead of the section's.
        captions: Instead of the section's.

    Returns:
        `folder/checkpoint`, which loads in transformers, vLLM and `harness eval` as it is.

    Raises:
        UserError: The request is wrong.
        Failed: Training began, and ended without a checkpoint.
    """
    plan = plan_training(recipe, base_model=base_model, data=data, images=images, captions=captions)
    return carry_out(plan, folder)


def carry_out(plan: Plan, folder: Path, *, fresh: bool = False) -> Path:
    """Carry out a plan in a folder; gives the checkpoint's folder.

    Args:
        plan: The plan.
        folder: Where everything goes.
        fresh: What an earlier try left there goes first.

    Raises:
        UserError: The data are wrong, or the disk is too small.
        Failed: Training began, and ended without a checkpoint.
        Prepared: It has to be started on several machines by hand.
    """
    from training.commands import printed_commands
    from training.finish import is_merging
    from training.processes import merge_in_process, run_processes

    folder = folder.resolve()
    base = plan.base.folder
    check_machine(plan.settings)
    if fresh:
        _empty(folder)
    for warning in plan.warnings:
        note(f"warning: {warning}")
    for run in plan.runs:
        job = prepare(plan, run, base, folder)
        if not _finished(job):
            if plan.settings.nodes > 1 and not is_merging(job):
                raise Prepared(
                    f"{run.name}: ready in {job.folder}, for {plan.settings.nodes} machines",
                    f"{printed_commands(job)}\nThen run the same command again.",
                )
            if not is_merging(job):
                run_processes(job, run.name)
            if is_merging(job):
                note("adding the adapters into the weights")
                merge_in_process(job)
        base = job.checkpoint
    return base


def prepare(plan: Plan, run: Run, base: Path, folder: Path) -> Job:
    """Look at a run's data and write down what its processes are to do.

    Raises:
        UserError: The data are wrong, the disk is too small, or other processes have begun.
    """
    settings = run.settings
    place = folder / FIRST if run.name == FIRST else folder
    place.mkdir(parents=True, exist_ok=True)
    if settings.lora is not None and run.name == FIRST:
        settings = replace(settings, lora={**settings.lora, "merge": True})
    if (state := newest(place / "state")) is not None:
        check_ranks(state, settings.ranks, place)
    # The first stage's checkpoint need not be there yet: its processor is the base's.
    source = plan.source(plan.base.folder)
    how = SurveySettings(settings.max_length, settings.check_all, settings.workers)
    looked = survey(run.rows, source, how, place)
    if run.held_out is not None:
        _survey_held_out(run.held_out, source, how, place)
    batches = batches_of(settings, looked)
    if settings.batching == "packed":
        settings = replace(settings, accumulation=batches.accumulation)
    saved = stored_dtype(plan.base)
    steps = steps_of(settings, batches.steps)
    job = Job(
        folder=place,
        base=base,
        data=_resolved(run.data),
        images=plan.images.resolve() if plan.images else None,
        held_out=_resolved(file) if (file := settings.held_out_file) else None,
        settings=settings,
        source=source,
        steps=steps,
        steps_an_epoch=batches.steps,
        saved_dtype=saved,
        facts=_facts(plan, run, looked, batches.padding(), len(split_of(settings, looked)[1])),
    )
    if not _finished(job):
        check_space(place, _space(plan, run, 4 if saved == "float32" else 2))
        job.save()
    return job


def _survey_held_out(
    rows: TrainingRows, source: EncoderSource, how: SurveySettings, place: Path
) -> None:
    folder = place / HELD_OUT
    folder.mkdir(exist_ok=True)
    try:
        survey(rows, source, how, folder)
    except UserError as error:
        message = error.message.removeprefix("data: ")
        raise UserError(f"train.held_out: {message}", error.hint) from error


def _resolved(where: str) -> str:
    """A file's whole path, for processes that start elsewhere; a hub id as it is."""
    path = Path(where).expanduser()
    return str(path.resolve()) if path.exists() else where


def _space(plan: Plan, run: Run, saved_bytes: int) -> Space:
    """What this run and those after it need: all checkpoints, and the greatest states."""
    names = [each.name for each in plan.runs]
    left = [
        space_of(plan.sizes, plan.base.config, each.settings, saved_bytes)
        for each in plan.runs[names.index(run.name) :]
    ]
    return Space(sum(each.checkpoint for each in left), max(each.states for each in left))


def _finished(job: Job) -> bool:
    return (job.checkpoint / "training.json").is_file()


def stored_dtype(base: Checkpoint) -> str:
    """The dtype that most of a checkpoint's weights have on disk."""
    sizes: dict[str, int] = {}
    for tensor in tensors_on_disk(base.folder):
        dtype = _DTYPES.get(tensor.dtype, "float32")
        sizes[dtype] = sizes.get(dtype, 0) + tensor.size
    return max(sizes, key=lambda dtype: sizes[dtype]) if sizes else "float32"


def _facts(plan: Plan, run: Run, looked: Survey, padding: float, held_out: int) -> dict[str, Any]:
    return {
        "stage": run.name,
        "stages": plan.recipe.stages,
        "base_model": {
            "ref": plan.base.ref,
            "revision": plan.base.revision,
            "fingerprint": plan.base.fingerprint,
        },
        "data": {
            "name": run.rows.describe(),
            "fingerprint": looked.fingerprint,
            **looked.counts,
            "held_out": held_out,
            "padding": round(padding, 4),
        },
    }


def counts_of(folder: Path) -> Counts:
    """Rows in and out of a finished run, by its record."""
    counts = json.loads((folder / RECORD).read_text(encoding="utf-8"))["data"]
    found = Counts(counts["rows"], counts["usable"] - counts["held_out"])
    for reason, rows in (
        ("longer than max_length", counts["left_out"]), ("held out", counts["held_out"]),
    ):  # fmt: skip
        if rows:
            found.reject(reason, rows)
    return found


def _empty(folder: Path) -> None:
    """But for the lock."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name == ".lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


__all__ = ["CHECKPOINT", "Plan", "Run", "carry_out", "gpus_here", "plan_training", "train"]
