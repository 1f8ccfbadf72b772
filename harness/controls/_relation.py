"""What two runs are to each other: a model and its control, or nothing of the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_PICTURES = {"blank": "blank", "shuffled": "shuffled pictures", "none": "no picture"}
MAJORITY = {"baseline": "majority"}
"""What names the majority baseline in a run's settings (`answers`)."""


class Relation(NamedTuple):
    """A control and what is measured against it."""

    name: str
    """What the difference ordinary run - control is called."""
    sign: int
    """1 if the first run is the control, so that second - first is meant; else -1."""


def relation(first: Mapping[str, Any], second: Mapping[str, Any]) -> Relation | None:
    """Name the difference between two runs that are equal but for one control.

    Args:
        first: `settings` of a `run.json`.
        second: Of another.

    Returns:
        None where they differ in nothing, in more than one thing, or in what is no control.
    """
    try:
        return _relation(first, second)
    except (AttributeError, KeyError, TypeError):
        return None  # a damaged run is nobody's control


def _relation(first: Mapping[str, Any], second: Mapping[str, Any]) -> Relation | None:
    differing = {k for k in {*first, *second} if first.get(k) != second.get(k)}
    if differing == {"images"}:
        return _of_pictures(first["images"], second["images"])
    if differing == {"option_order"}:
        return _of_options(first.get("option_order"), second.get("option_order"))
    if differing == {"repeat"}:
        later = second.get("repeat", 1) > first.get("repeat", 1)
        return Relation("repeat noise", -1 if later else 1)
    if "model" in differing and differing <= {"model", "answers", "tasks"}:
        return _of_baselines(first, second)
    return None


def _of_pictures(first: str, second: str) -> Relation | None:
    if second == "given" and first in _PICTURES:
        return Relation(f"image benefit over {_PICTURES[first]}", 1)
    if first == "given" and second in _PICTURES:
        return Relation(f"image benefit over {_PICTURES[second]}", -1)
    return None


def _of_options(first: str | None, second: str | None) -> Relation:
    name = "effect of option order ({} - {})"
    if first is None:
        return Relation(name.format("given", second), -1)
    return Relation(name.format(second or "given", first), 1)


def _of_baselines(first: Mapping[str, Any], second: Mapping[str, Any]) -> Relation | None:
    """A model against an answer that is the same for all rows of a column."""
    # Sampling moves no baseline, so a control made with another number of tokens still is one.
    if _rows(first) != _rows(second):
        return None
    mine, theirs = _baseline(first), _baseline(second)
    if mine and not theirs:
        return Relation(f"gain over {mine}", 1)
    if theirs and not mine:
        return Relation(f"gain over {theirs}", -1)
    return None


def _rows(settings: Mapping[str, Any]) -> Any:
    tasks = settings["tasks"].items()
    return {name: {k: v for k, v in task.items() if k != "sampling"} for name, task in tasks}


def _baseline(settings: Mapping[str, Any]) -> str | None:
    answers = settings["answers"]
    if answers == MAJORITY:
        return "the commonest label"
    # Every engine that loads or asks a model says so; only the constant one has nothing to say.
    return "a constant answer" if answers == {} else None
