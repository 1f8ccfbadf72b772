"""Rows of several runs put side by side by their ids."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.comparison._rows import FIELDS, TaskRows, read_rows, read_texts
from harness.comparison._runs import CONTROLS, Column, Run
from harness.errors import UserError
from harness.statistics import Codes, Floats

_EXAMPLES = 3
_WIDTH = 40
Places = NDArray[np.int64]


@dataclass(frozen=True)
class PairedTask:
    """The rows of one task that all runs share, in the first run's order."""

    task: str
    ids: list[str]
    index: NDArray[np.int64]
    """Position in the row source."""
    splits: list[str | None]
    clusters: Codes
    """From 0. Rows that depend on each other in any run do so here."""
    left_out: int
    """Rows that are not in all runs, or not the same in all."""
    borrowed: bool
    """Another harness's task, some of whose scores are no means over rows."""
    _runs: list[tuple[TaskRows, Places]]

    def in_split(self, split: str | None) -> Places:
        """Places of a split's rows."""
        return np.array([i for i, name in enumerate(self.splits) if name == split], dtype=np.int64)

    def values(self, run: int, column: Column, places: Places) -> Floats:
        """A run's values of a column, 0 to 100, shape (len(places),).

        Raises:
            UserError: The samples lack values that the results say there are.
        """
        rows, order = self._runs[run]
        found = rows.values[f"{column.protocol}_{column.metric}"][order[places]]
        if not np.isfinite(found).all():
            raise UserError(f"{rows.path} is damaged: rows of {column} have no value")
        return found

    def has_values(self, column: Column) -> bool:
        """Whether a column has a value a row.

        An aggregation that is no mean has none, except in a run whose rows do not show it: where
        all are wrong, any aggregation looks like a mean.
        """
        name, places = f"{column.protocol}_{column.metric}", self.in_split(column.split)
        values = [np.isfinite(rows.values[name][order[places]]).any() for rows, order in self._runs]
        return not len(places) or (all(values) if self.borrowed else any(values))

    def failed(self, run: int, places: Places) -> int:
        """Rows that failed in a run."""
        rows, order = self._runs[run]
        return int(rows.failed[order[places]].sum())


def pair_task(
    runs: Sequence[Run], task: str, columns: Sequence[Column], *, common: bool
) -> PairedTask:
    """Read a task's rows from all runs and pair them.

    Args:
        runs: At least two.
        task: Its id.
        columns: Whose values are wanted.
        common: Leave rows out that are not the same in all runs, instead of refusing.

    Raises:
        UserError: Rows differ (the message says which and how), or samples are damaged.
    """
    metrics = list(dict.fromkeys(f"{c.protocol}_{c.metric}" for c in columns))
    read = [read_rows(run.folder.task_folder(task) / "samples.parquet", metrics) for run in runs]
    first = read[0]
    orders = [_order(first, rows) for rows in read]
    same = np.all([order >= 0 for order in orders], axis=0)
    faults = []
    for run, rows, order in zip(runs, read, orders, strict=True):
        faults += _missing(task, runs[0], run, first, rows, order)
        unlike, changed = _changed(task, runs[0], run, first, rows, order)
        faults += changed
        same &= ~unlike
    if faults and not common:
        raise UserError(
            "the runs have different rows\n  " + "\n  ".join(faults),
            "Evaluate both on the same data with the same --limit, or compare the rows they share "
            "with --common.",
        )
    kept = np.flatnonzero(same)
    if not len(kept) and faults:
        raise UserError("the runs share no row\n  " + "\n  ".join(faults))
    chosen = [(rows, order[kept]) for rows, order in zip(read, orders, strict=True)]
    return PairedTask(
        task=task,
        ids=[first.ids[i] for i in kept],
        index=first.index[kept],
        splits=[first.splits[i] for i in kept],
        clusters=_join([[rows.clusters[i] for i in order] for rows, order in chosen]),
        borrowed=any("borrowed" in run.settings["tasks"].get(task, {}) for run in runs),
        left_out=len(set().union(*(rows.ids for rows in read))) - len(kept) if faults else 0,
        _runs=chosen,
    )


def _order(first: TaskRows, rows: TaskRows) -> Places:
    """Where the first run's rows stand in another's, -1 where they do not."""
    if rows.ids == first.ids:
        return np.arange(len(first.ids))
    places = {name: place for place, name in enumerate(rows.ids)}
    return np.array([places.get(name, -1) for name in first.ids], dtype=np.int64)


def _missing(
    task: str, a: Run, b: Run, first: TaskRows, rows: TaskRows, order: Places
) -> list[str]:
    """Rows that only one of two runs has, a line for each of the runs."""
    known = set(first.ids)
    mine = [first.ids[i] for i in np.flatnonzero(order < 0)]
    theirs = [name for name in rows.ids if name not in known]
    limits = [(run.letter, run.settings.get("limit") or "none") for run in (a, b)]
    told = ", ".join(f"{limit} in {letter}" for letter, limit in limits)
    why = f"; --limit: {told}" if limits[0][1] != limits[1][1] else ""
    return [
        f"{task}: {len(ids):,} rows are in {one.letter} and not in {other.letter} "
        f"({_few(ids)}){why}"
        for one, other, ids in ((a, b, mine), (b, a, theirs))
        if ids
    ]


def _few(ids: Sequence[str]) -> str:
    shown = ", ".join(_short(name) for name in ids[:_EXAMPLES])
    return shown + (", ..." if len(ids) > _EXAMPLES else "")


def _short(text: str | None) -> str:
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 3] + "..."


def _changed(
    task: str, a: Run, b: Run, first: TaskRows, rows: TaskRows, order: Places
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which rows of one id are not the same row, and a line for each field that differs."""
    unlike, faults = np.zeros(len(order), dtype=np.bool_), []
    both = order >= 0
    splits = np.array(
        [i >= 0 and rows.splits[i] != first.splits[place] for place, i in enumerate(order)],
        dtype=np.bool_,
    )
    if splits.any():
        unlike |= splits
        ids = [first.ids[i] for i in np.flatnonzero(splits)]
        faults.append(f"{task}: {len(ids):,} rows changed between open and closed ({_few(ids)})")
    for field, name in FIELDS.items():
        if field in _moved(a, b) or not len(rows.ids):
            continue
        mine, theirs = first.prints[field], rows.prints[field][order]
        different = both & (mine != theirs)
        if field == "pixels":  # a row that failed early has none
            different &= (mine != 0) & (theirs != 0)
        if different.any():
            unlike |= different
            ids = [first.ids[i] for i in np.flatnonzero(different)]
            examples = _examples(field, ids[:_EXAMPLES], (a, first), (b, rows))
            faults.append(f"{task}: the {name} differs in {len(ids):,} rows ({examples})")
    return unlike, faults


def _moved(a: Run, b: Run) -> Set[str]:
    """Fields that are not the same because the runs are controls of each other."""
    return {
        field
        for name, control in CONTROLS.items()
        if a.control(name) != b.control(name)
        for field in control.moves
    }


def _examples(field: str, ids: Sequence[str], *sides: tuple[Run, TaskRows]) -> str:
    if field == "pixels":
        return _few(ids)
    texts = [read_texts(rows.path, field, ids) for _, rows in sides]
    letters = [run.letter for run, _ in sides]
    return "; ".join(
        f"{_short(name)}: {_short(mine)} in {letters[0]}, {_short(theirs)} in {letters[1]}"
        for name, mine, theirs in zip(ids, *texts, strict=True)
    )


def _join(clusterings: Sequence[Sequence[str]]) -> Codes:
    """Codes of the finest clustering that keeps together what any of these does.

    They are alike unless a run could not open a picture: its rows then stand alone in it.
    """
    distinct = [names for i, names in enumerate(clusterings) if names not in clusterings[:i]]
    coded = [_codes(names) for names in distinct]
    if len(coded) == 1 or not len(coded[0]):
        return coded[0]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A graph of clusters: a row is an edge between its cluster in one run and in another.
    offset = np.cumsum([0, *(int(codes.max()) + 1 for codes in coded)])
    heads = np.concatenate([coded[0]] * (len(coded) - 1))
    tails = np.concatenate([codes + o for codes, o in zip(coded[1:], offset[1:-1], strict=True)])
    graph = coo_array((np.ones(len(heads)), (heads, tails)), shape=(offset[-1], offset[-1]))
    parts = connected_components(graph, directed=False)[1]
    return _codes(parts[coded[0]].tolist())


def _codes(names: Sequence[Hashable]) -> Codes:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
