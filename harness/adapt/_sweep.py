"""A sweep's table: variants by task columns, with intervals and differences to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.adapt._loop import Candidate
from harness.adapt._pages import number
from harness.comparison import (
    AverageDifference,
    ColumnDifference,
    Comparison,
    Pair,
    compare_runs,
)
from harness.runs import RunFolder

_NORMAL = 1.96


class Row(NamedTuple):
    """One line: a model and its run."""

    label: str
    run: RunFolder
    variant: str | None
    """None for the reference."""


class Cell(NamedTuple):
    """A number and half of its 95 % interval, in points; None: not to be had."""

    value: float | None
    half: float | None = None
    shown: bool = False
    """Whether the difference is shown."""
    best: bool = False

    @property
    def text(self) -> str:
        """`49.2 ±3.1`."""
        return number(self.value) + (f" ±{self.half:.1f}" if self.half is not None else "")

    @property
    def difference(self) -> str:
        """`+4.1 ±2.0 *`."""
        if self.value is None:
            return "-"
        half = "" if self.half is None else f" ±{self.half:.1f}"
        return f"{self.value:+.1f}{half}{' *' if self.shown else ''}"


class SweepTable(NamedTuple):
    """Scores and differences under one protocol."""

    protocol: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    scores: tuple[tuple[Cell, ...], ...]
    differences: tuple[tuple[Cell, ...], ...]
    """Of every line but the reference's."""


def _rows_of(candidates: Sequence[Candidate]) -> list[Row]:
    """The reference, then each variant, after one stage too where it has two."""
    rows: list[Row] = []
    first = candidates[0]
    if first.reference is not None:
        rows.append(Row(first.reference.results()["model"]["name"], first.reference, None))
    for each in candidates:
        if each.first_stage is not None:
            rows.append(Row(f"{each.variant.name}, first stage", each.first_stage,
                            each.variant.name))  # fmt: skip
        if each.run is not None:
            rows.append(Row(each.variant.name, each.run, each.variant.name))
    return rows


class Group(NamedTuple):
    """Variants that are measured against the same run, and their tables."""

    rows: list[Row]
    tables: list[SweepTable]


def groups_of(candidates: Sequence[Candidate]) -> list[Group]:
    """Tables of all variants; those with another reference, or other rows, have their own.

    Raises:
        UserError: Runs cannot be compared.
    """
    found: dict[tuple[object, ...], list[Candidate]] = {}
    for each in candidates:
        place = each.reference.path.resolve() if each.reference else None
        found.setdefault((place, *_rows_asked(each)), []).append(each)
    rows = [_rows_of(mine) for mine in found.values()]
    return [Group(each, _tables_of(each)) for each in rows]


def _rows_asked(candidate: Candidate) -> tuple[object, ...]:
    """Settings of `eval:` that determine the rows."""
    section = candidate.variant.recipe.eval
    names = ("tasks", "data", "limit", "images")
    return tuple(getattr(section, name) for name in names) if section is not None else ()


def _tables_of(rows: Sequence[Row]) -> list[SweepTable]:
    """Compare all rows with the first.

    Raises:
        UserError: They measured other rows.
    """
    paths = list(dict.fromkeys(row.run.path.resolve() for row in rows))
    if len(paths) < 2:
        return []
    found = compare_runs(paths, rows=0)
    places = [paths.index(row.run.path.resolve()) for row in rows]
    return [_table(found, protocol, rows, places) for protocol in found.protocols]


def _table(
    found: Comparison, protocol: str, rows: Sequence[Row], places: Sequence[int]
) -> SweepTable:
    columns = _mains(found.pairs[0], protocol)
    averages = [
        a for a in found.pairs[0].telling_averages
        if a.protocol == protocol and a.estimate.difference is not None
    ]  # fmt: skip
    names = [c.column.place for c in columns] + [
        "average" if a.name == "all" else f"{a.name} average" for a in averages
    ]
    scores = [_scores(found, protocol, place, len(averages)) for place in places]
    best = [
        max((value for row in scores if (value := row[i].value) is not None), default=None)
        for i in range(len(names))
    ]
    worst = [
        min((value for row in scores if (value := row[i].value) is not None), default=None)
        for i in range(len(names))
    ]
    marked = tuple(
        tuple(c._replace(best=c.value is not None and c.value == best[i] != worst[i])
              for i, c in enumerate(row))
        for row in scores
    )  # fmt: skip
    differences = tuple(_differences(found, protocol, place) for place in places[1:])
    return SweepTable(protocol, tuple(names), tuple(row.label for row in rows), marked, differences)


def _scores(found: Comparison, protocol: str, place: int, averages: int) -> list[Cell]:
    run, pair = found.runs[place], found.pairs[max(place - 1, 0)]
    side = 1 if place else 0
    cells = []
    for each in _mains(pair, protocol):
        said = next(
            known for known in run.results["results"]
            if all(known[name] == value for name, value in each.column._asdict().items())
        )  # fmt: skip
        ends = said["ci95"]
        cells.append(Cell(each.scores[side], (ends[1] - ends[0]) / 2 if ends else None))
    groups = {(g["group"], g["protocol"]): g for g in run.results["groups"]}
    for average in pair.telling_averages:
        if average.protocol == protocol and average.estimate.difference is not None:
            group = groups.get((average.name, protocol))
            error = group["stderr"] if group else None
            cells.append(Cell(average.scores[side], _NORMAL * error if error else None))
    return cells


def _differences(found: Comparison, protocol: str, place: int) -> tuple[Cell, ...]:
    if place == 0:
        return ()
    pair = found.pairs[place - 1]
    mains = _mains(pair, protocol)
    averages = [
        a for a in pair.telling_averages
        if a.protocol == protocol and a.estimate.difference is not None
    ]  # fmt: skip
    every: tuple[ColumnDifference | AverageDifference, ...] = (*mains, *averages)
    return tuple(
        Cell(e.estimate.difference, _half(e.estimate), e.verdict in ("better", "worse"))
        for e in every
    )


def _mains(pair: Pair, protocol: str) -> list[ColumnDifference]:
    """The published columns that have rows."""
    mine = [each for each in pair.columns if each.main and each.column.protocol == protocol]
    return [each for each in mine if each.estimate.n]


def _half(estimate: Any) -> float | None:
    if estimate.low is None or estimate.high is None:
        return None
    return float(estimate.high - estimate.low) / 2
