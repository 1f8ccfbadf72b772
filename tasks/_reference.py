"""Published scores, and which published model a checkpoint is."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "data" / "reference"
_SEEN = {
    "vqa_rad": "VQA-RAD's training split is in the published synthesizer's seed data",
    "recipe1m": "partially: Recipe1M's training split is in the published caption sources",
    "nwpu_captions": "partially: NWPU-Captions' training split is in the caption sources",
    "ucmerced": "UCM-Captions, one of the caption sources, holds the UC Merced images",
}


class Published(NamedTuple):
    """One printed score."""

    domain: str
    task: str
    split: str | None
    metric: str
    model: str
    base_model: str
    method: str
    image_caption_source: str
    score: float
    source: str


class KnownModel(NamedTuple):
    """A hub checkpoint and the row it is in the published tables."""

    hub_id: str
    model: str
    domain: str | None
    base_model: str | None


@cache
def published_scores() -> tuple[Published, ...]:
    """All rows of Tables 2 to 5 and 15 of arXiv:2411.19930v4."""
    with (_FOLDER / "reference_scores.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Published(
                domain=row["domain"],
                task=row["task"],
                split=row["split"] or None,
                metric=row["metric"],
                model=row["model"],
                base_model=row["base_model"],
                method=row["method"],
                image_caption_source=row["image_caption_source"],
                score=float(row["score"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


@cache
def _known_models() -> tuple[KnownModel, ...]:
    with (_FOLDER / "model_names.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            KnownModel(
                row["hub_id"], row["model"], row["domain"] or None, row["base_model"] or None
            )
            for row in csv.DictReader(file)
        )


def known_model(name: str) -> KnownModel | None:
    """The published model behind a hub id, or behind a folder named like one."""
    wanted = name.rstrip("/").lower()
    for model in _known_models():
        hub_id = model.hub_id.lower()
        if wanted == hub_id or wanted == hub_id.split("/")[-1]:
            return model
    return None


def published_for(name: str, task: str, split: str | None) -> tuple[Published, ...]:
    """Printed scores of a model, and of its base, on one column.

    Args:
        name: Hub id or folder name.
        task: Task id.
        split: `open`, `closed` or None.
    """
    model = known_model(name)
    if model is None:
        return ()
    column = [row for row in published_scores() if (row.task, row.split) == (task, split)]
    own = [
        row
        for row in column
        if row.model == model.model
        and (model.domain is None or row.domain == model.domain)
        and (model.base_model is None or row.base_model == model.base_model)
    ]
    base = [row for row in column if row.model == model.base_model]
    return (*own, *base)


def may_have_seen(name: str, task: str) -> str | None:
    """What is known of test rows in a published model's training; None where nothing is."""
    model = known_model(name)
    if model is None or model.base_model is None:
        return None
    return _SEEN.get(task)
