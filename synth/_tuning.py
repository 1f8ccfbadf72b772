"""Making the synthesizer before it generates: seed data, then training."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.recipes import ModelUse, Source, TrainRecipe, TuneRecipe, parse
from harness.stages import Counts, Stage
from synth._making import Done, Made, made
from synth.seed import make_seed, seed_config, seed_inputs

if TYPE_CHECKING:
    from synth.pipeline import Synthesis

CHECKPOINT = "checkpoint"


class NotTuned(UserError):
    """The synthesizer is still to be made."""


def tuned_synthesizer(
    synthesis: Synthesis, *, make: bool = True
) -> tuple[ModelUse | None, list[Made]]:
    """The synthesizer that the recipe makes itself, and the stages that made it.

    Args:
        synthesis: The recipe's.
        make: Whether it may be trained now.

    Returns:
        None and no stages where the recipe tunes nothing.

    Raises:
        UserError: The seed data or the training settings are wrong.
        NotTuned: It is not there, and not to be trained now.
    """
    tune = synthesis.recipe.tune
    if tune is None or not synthesis.tunes:
        return None, []
    section = tune_section(tune, Path(), Path())  # wrong settings are found before any work
    inputs = {f"seed/{name}": value for name, value in seed_inputs(tune.seed_data).items()}
    seed = Stage(synthesis.root, "seed", seed_config(tune.seed_data), inputs)

    def sow() -> Done:
        found = make_seed(tune.seed_data, seed)
        return Done(found.counts, found.files, 0, found.more)

    if not make and not seed.finished:
        raise _not_tuned(synthesis)
    seeded = made(seed, sow)
    config = {**section.model_dump(mode="json"), "data": None, "images": None}
    config["base_model"] = _base_fingerprint(tune.base_model)
    stage = Stage(synthesis.root, "tune", config, seeded.outputs("train.jsonl"))

    def train() -> Done:
        section = tune_section(tune, seed.path / "train.jsonl", seed.path)
        checkpoint = _train()(section, stage.path)
        rows = seeded.record["train"]
        outputs = {CHECKPOINT: _base_fingerprint(str(checkpoint))}
        # From the stage's folder on: the work folder may be moved, or named from elsewhere.
        where = os.path.relpath(checkpoint, stage.path)
        more = {"checkpoint": where, "base_model": tune.base_model}
        return Done(Counts(rows, rows), (), 0, more, outputs)

    if not make and not stage.finished:
        raise _not_tuned(synthesis)
    tuned = made(stage, train)
    where = str(tuned.path / tuned.record["checkpoint"])
    use = ModelUse(model=where, engine=tune.engine, engine_args=tune.engine_args)
    return use, [seeded, tuned]


def tune_section(tune: TuneRecipe, data: Path, images: Path) -> TrainRecipe:
    """The `train:` section that tunes a synthesizer.

    Raises:
        UserError: Settings that training does not know.
    """
    values: dict[str, Any] = {
        "preset": "synthesizer",
        "base_model": tune.base_model,
        **tune.train,
        "data": str(data),
        "images": str(images),
    }
    return parse(TrainRecipe, Source("synth.tune.train", values, {}))


def _train() -> Any:
    try:
        return importlib.import_module("training.launch").train
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"tuning a synthesizer needs the training stage, which is not installed ({error})",
            "Name a tuned one instead: `synthesizer: MODEL`.",
        ) from error


def _base_fingerprint(model: str) -> str:
    from harness.models import open_checkpoint

    return open_checkpoint(model).fingerprint


def _not_tuned(synthesis: Synthesis) -> NotTuned:
    return NotTuned(
        f"{synthesis.name}: the synthesizer is not tuned yet, so it can show nothing",
        "Tune it first: --stage tune.",
    )
