"""What `harness adapt` asks of synthesis and training while it plans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.adapt._pages import duration
from harness.errors import UserError
from harness.recipes import Recipe, SynthRecipe, TrainRecipe, TuneRecipe

# Table of the published recipe: hours on 8 A100 with 80 GB for 510,000 pairs, one epoch.
_PUBLISHED_HOURS = {"llava_v1_6": 23.0, "qwen2_vl": 4.0, "llama3_2_vision": 31.0}
_PUBLISHED_PAIRS = 510_000


@dataclass(frozen=True)
class TrainPlan:
    """A training that stands, goes on or is to come."""

    state: str
    """`reused`, `continues`, `new`, or `later` while its data are to come."""
    folder: str | None
    rows: int | None
    tokens: int | None
    seconds: float | None
    note: str


def check_preset(recipe: TrainRecipe, model_type: str) -> object:
    """Refuse a preset that is made for another architecture."""
    from training.presets import check_preset as check

    return check(recipe, model_type)


def tune_section(tune: TuneRecipe, data: Path, images: Path) -> TrainRecipe:
    """The `train:` section that tunes a synthesizer, or refuse its settings."""
    from synth._tuning import tune_section as section

    return section(tune, data, images)


def pairs_of(recipe: SynthRecipe) -> Any:
    """Open the pairs, or refuse them."""
    from synth.pairs import open_pairs

    return open_pairs(recipe.pairs, recipe.images, recipe.limit)


def plan_synth(recipe: Recipe, work: Path) -> Sequence[Any]:
    """The stages of synthesis as they stand."""
    from synth.estimating import plan_stages
    from synth.pipeline import synthesis_of

    return plan_stages(synthesis_of(recipe, work))


def plan_train(recipe: Recipe, work: Path, data: Path | None, rows: int | None) -> TrainPlan:
    """Training as it stands.

    Args:
        recipe: With a `train:` section.
        work: Root of all recipes' stages.
        data: Folder of the finished mixture; None while it is to come, or for the recipe's own.
        rows: Of the mixture, as far as known.

    Raises:
        UserError: The base is not on this machine, or training is not possible.
    """
    train = recipe.train
    if train is None:
        raise UserError("the recipe has no train section")
    if recipe.synth is not None and data is None:
        return _estimated(recipe, train, work, "later", None, rows)
    from training.launch import plan_training

    images = None
    if data is not None:
        images = Path(_record(_mix_of(data))["images"])
    file = data / "train.jsonl" if data is not None else None
    plan = plan_training(train, base_model=recipe.base_model, data=file, images=images)
    stage = plan.stage(work / recipe.name)
    state = "reused" if stage.finished else "continues" if stage.path.exists() else "new"
    count = sum(len(run.rows) for run in plan.runs)
    return _estimated(recipe, train, work, state, stage.path, count)


def _mix_of(data: Path) -> Path:
    """The mixture's folder: of an audit, the one that it read."""
    record = _record(data)
    if "images" in record:
        return data
    wanted = record["inputs"].get("mix/train.jsonl")
    for path in data.parent.glob("mix-*/stage.json"):
        if _record(path.parent)["outputs"].get("train.jsonl") == wanted:
            return path.parent
    raise UserError(f"{data}: the mixture that it read is gone")


def _record(folder: Path) -> dict[str, Any]:
    from harness.adapt._stages import read_record

    return read_record(folder)


def _estimated(
    recipe: Recipe, train: TrainRecipe, work: Path, state: str, folder: Path | None,
    rows: int | None,
) -> TrainPlan:  # fmt: skip
    place = str(folder) if folder else None
    if state == "reused":
        return TrainPlan(state, place, rows, None, None, "")
    epochs = train.epochs or (2.0 if train.preset == "synthesizer" else 1.0)
    seen = None if rows is None else round(rows * epochs)
    if train.max_steps is not None and train.global_batch is not None:
        seen = train.max_steps * train.global_batch
    past = _past(work, train.base_model or recipe.base_model)
    if past is not None and seen is not None:
        tokens, seconds, known = past
        share = seen / known
        note = f"as {known:,} conversations of the same base so far"
        return TrainPlan(state, place, rows, round(tokens * share), seconds * share, note)
    return TrainPlan(state, place, rows, None, None, _published(train, seen))


def _published(train: TrainRecipe, seen: int | None) -> str:
    hours = _PUBLISHED_HOURS.get(train.preset)
    if hours is None or seen is None:
        return "no rate measured yet"
    about = duration(3600 * hours * seen / _PUBLISHED_PAIRS)
    return f"no rate measured yet; published: about {about} on 8 A100-80GB"


def _past(work: Path, base: str | None) -> tuple[int, float, int] | None:
    """Tokens, seconds and conversations of earlier trainings of the same base."""
    tokens, seconds, seen = 0, 0.0, 0
    for path in (
        *work.glob("*/train-*/training.json"),
        *work.glob("*/train-*/stage1/training.json"),
    ):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["base_model"]["ref"] != base:
                continue
            rows = record["steps"] * record["settings"]["global_batch"]
            one = int(record["tokens"]), float(record["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        tokens, seconds, seen = tokens + one[0], seconds + one[1], seen + rows
    return (tokens, seconds, seen) if seen else None
