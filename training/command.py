"""What `harness train` does with a recipe."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.progress import note, say
from harness.recipes import Recipe, Source, TrainRecipe, parse
from harness.stages import Stage
from training.job import RECORD
from training.launch import (
    CHECKPOINT,
    FIRST,
    Plan,
    Prepared,
    carry_out,
    counts_of,
    plan_training,
)

_SETTING = re.compile(r"(?:train\.)?[a-z_]+(?:\.[a-z_]+)*\b")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The command's options, typed."""

    work: Path = Path("work")
    dry_run: bool = False
    fresh: bool = False
    as_json: bool = False


def run_train(source: Source, options: TrainOptions) -> int:
    """Follow a recipe's `train:` section; gives the exit code.

    Raises:
        UserError: The request is wrong.
    """
    from training.processes import Failed

    recipe = parse(Recipe, source)
    if recipe.train is None:
        raise UserError(f"{source.name} has no train: section")
    # Libraries print to stdout, which belongs to the results.
    with redirect_stdout(sys.stderr), _naming_lines(source):
        plan = plan_training(recipe.train, base_model=recipe.base_model)
        stage = plan.stage(options.work / recipe.name)
    if options.dry_run:
        return _dry_run(plan, stage, as_json=options.as_json)
    try:
        with redirect_stdout(sys.stderr), _naming_lines(source):
            _make(plan, stage, fresh=options.fresh)
    except Failed as error:
        note(f"error: {error.message}")
        if error.hint:
            note(f"  {error.hint}")
        return 1
    except Prepared as ready:
        say(ready.message)
        say(ready.hint or "")
        return 0
    _report(stage, as_json=options.as_json)
    return 0


@contextmanager
def _naming_lines(source: Source) -> Iterator[None]:
    """Put the recipe's line before a message that begins with a setting's name."""
    try:
        yield
    except Prepared:
        raise
    except UserError as error:
        found = _SETTING.match(error.message)
        name = found[0] if found else ""
        path = tuple(name.split("."))
        in_train = source.values.get("train") or {}
        if path[0] in TrainRecipe.model_fields and (path[0] != "base_model" or name in in_train):
            path = ("train", *path)
        if path[0] not in ("train", "base_model"):
            raise
        raise type(error)(f"{source.where(path)}: {error.message}", error.hint) from error


def _dry_run(plan: Plan, stage: Stage, *, as_json: bool) -> int:
    from training.dry import facts_of, told

    folder = stage.path.resolve()
    with redirect_stdout(sys.stderr):
        text = json.dumps(facts_of(plan, folder), indent=2) if as_json else told(plan, folder)
    say(text)
    return 0


def _make(plan: Plan, stage: Stage, *, fresh: bool) -> None:
    if stage.finished and (stage.path / CHECKPOINT).is_dir() and not fresh:
        note(f"train: finished before ({stage.path})")
        return
    if changed := stage.changed_inputs():
        note(f"train: {changed}")
    note(f"train: {stage.path}")
    began = time.perf_counter()
    with stage.locked():
        checkpoint = carry_out(plan, stage.path, fresh=fresh)
        stage.finish(
            counts_of(stage.path),
            outputs={CHECKPOINT: _fingerprint(checkpoint)},
            seconds=time.perf_counter() - began,
            tokens=sum(record["tokens"] for record in _records(stage)),
            more={"checkpoint": str(checkpoint), "base_model": plan.base.ref},
        )


def _fingerprint(checkpoint: Path) -> str:
    from harness.models import Checkpoint

    # Not opened as others are: an adapter alone is no checkpoint that can be evaluated.
    return Checkpoint(str(checkpoint), checkpoint, None).fingerprint


def _records(stage: Stage) -> list[dict[str, Any]]:
    paths = (stage.path / FIRST / RECORD, stage.path / RECORD)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _report(stage: Stage, *, as_json: bool) -> None:
    record = _records(stage)[-1]
    if as_json:
        say(json.dumps({**record, "checkpoint": str(stage.path / CHECKPOINT)}, indent=2))
        return
    data, losses = record["data"], record["losses"]
    say(
        f"trained {record['steps']:,} steps on {_many(data['usable'] - data['held_out'])}, "
        f"{record['tokens']:,} tokens in {record['seconds']:,.0f} s"
    )
    if losses:
        say(f"loss {losses[0]['loss']:.4f} -> {losses[-1]['loss']:.4f}")
    if looked := record["held_out_losses"]:
        (chosen,) = (e["loss"] for e in looked if e["step"] == record["chosen_step"])
        say(
            f"held out {looked[0]['loss']:.4f} -> {looked[-1]['loss']:.4f}; the checkpoint is step "
            f"{record['chosen_step']:,}'s, with {chosen:.4f}"
        )
    for count, what in (
        (data["shortened"], "conversations were shortened to max_length by whole turns"),
        (data["left_out"], "were too long even so and were left out"),
        (record["skipped_rows"], "could not be read while training"),
    ):
        if count:
            say(f"{count:,} {what}")
    if (stage.path / FIRST / CHECKPOINT).is_dir():
        say(f"first stage:  {stage.path / FIRST / CHECKPOINT}")
    lora = record["settings"]["lora"]
    if lora is not None and not lora["merge"]:
        say(f"adapter:      {stage.path / CHECKPOINT}")
        say("it has to be merged before harness eval loads it: train.lora.merge: true does that")
        return
    say(f"checkpoint:   {stage.path / CHECKPOINT}")
    say(f"evaluate it:  harness eval --model {stage.path / CHECKPOINT} --tasks ...")


def _many(conversations: int) -> str:
    return "1 conversation" if conversations == 1 else f"{conversations:,} conversations"
