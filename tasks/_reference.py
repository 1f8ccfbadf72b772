"""Published scores, and which published model a checkpoint is."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent / "data" / "reference"
_SEEN = {
    "vqa_rad": "VQA-RAD's training split is in the published synthesizer's seed data",
    "recipe1m": "partially: Recipe1M's training split is in the published caption sources",
    "nwpu_captions": "partially: NWPU-Captions' training split is in the caption sources",
    "ucmerced": "UCM-Captions, one of the caption sources, holds the UC Merced images",
}


_TEST_ROWS: dict[tuple[str, str | None], int] = {
    ("slake", "open"): 645, ("slake", "closed"): 416,
    ("pathvqa", "open"): 3_357, ("pathvqa", "closed"): 3_362,
    ("vqa_rad", "open"): 179, ("vqa_rad", "closed"): 272,
    ("pmc_vqa", None): 2_000, ("recipe1m", None): 1_000, ("nutrition5k", None): 507,
    ("food101", None): 25_250, ("foodseg103", None): 2_135,
}  # fmt: skip
"""Rows of the published test sets; those of remote sensing are not known."""


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


class Reproduction(NamedTuple):
    """A measured score beside the one that was printed for the same model."""

    published: Published
    difference: float
    """Measured minus published, in points."""
    inside: bool | None
    """Whether the published score lies in the 95 % interval; None where that cannot be said."""
    reason: str | None
    """Why it cannot."""


def reproduction(
    name: str, task: str, split: str | None, *, score: float | None, ci95: Any, n: int
) -> Reproduction | None:
    """Hold a score under the paper's protocol beside the published one of the same model.

    Args:
        name: Hub id or folder name.
        task: Task id.
        split: `open`, `closed` or None.
        score: Measured, 0 to 100.
        ci95: Its interval, [low, high], or None.
        n: Number of rows it was measured on.

    Returns:
        None where nothing was measured, or nothing was published for this model.
    """
    own = own_score(name, task, split)
    if own is None or score is None:
        return None
    rows = published_rows(task, split)
    inside = reason = None
    if rows is None:
        reason = "the published test rows are not known"
    elif n != rows:
        reason = f"measured on {n:,} rows, published on {rows:,}"
    elif ci95 is None:
        reason = "no interval"
    else:
        inside = ci95[0] <= own.score <= ci95[1]
    return Reproduction(own, score - own.score, inside, reason)


def published_rows(task: str, split: str | None) -> int | None:
    """Number of rows the published score of a column was measured on; None if not known."""
    return _TEST_ROWS.get((task, split))


def own_score(name: str, task: str, split: str | None) -> Published | None:
    """The printed score of this very model on one column.

    Args:
        name: Hub id or folder name.
        task: Task id.
        split: `open`, `closed` or None.
    """
    model = known_model(name)
    if model is None:
        return None
    for row in published_scores():
        if (row.task, row.split, row.model) == (task, split, model.model):
            return row if model.domain in (None, row.domain) else None
    return None


def published_beside(names: Iterable[str]) -> tuple[Published, ...]:
    """Rows of Tables 2 and 3 for the base models of some models, and what was made of them.

    Args:
        names: Hub ids or folder names; unknown ones add nothing.
    """
    known = [model for model in map(known_model, names) if model is not None]
    bases = {model.base_model or model.model for model in known}
    return tuple(
        row
        for row in published_scores()
        if row.source.endswith(("Table 2", "Table 3")) and (row.base_model or row.model) in bases
    )


def may_have_seen(name: str, task: str) -> str | None:
    """What is known of test rows in a published model's training; None where nothing is."""
    model = known_model(name)
    if model is None or model.base_model is None:
        return None
    return _SEEN.get(task)
