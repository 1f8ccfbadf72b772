"""Columns and averages as all runs have them, and the difference of any two runs in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.comparison._paired import (
    PairedEstimate,
    average_difference,
    difference_of,
    without_error,
)
from harness.comparison._pairs import PairedTask, Places
from harness.comparison._runs import Column
from harness.statistics import Codes, Floats, Sample
from tasks import GROUPS

_FLAT = "no spread, so without an error of their own"
ALL = "all"
"""Name of the average over all columns."""
BORROWED = "lmms_eval"
"""Name of the average over lmms-eval's tasks: what general ability became."""
Scores = tuple[float | None, ...]


@dataclass(frozen=True)
class Measured:
    """One column in all runs."""

    column: Column
    main: bool
    paired: PairedTask
    places: Places
    values: tuple[Floats, ...]
    """Of each run, 0 to 100."""
    failed: tuple[int, ...]
    letters: tuple[str, ...]

    @cached_property
    def clusters(self) -> Codes:
        """Of its rows."""
        return self.paired.clusters[self.places]

    @cached_property
    def scores(self) -> Scores:
        """Mean of each run."""
        n = len(self.places)
        return tuple(math.fsum(values) / n if n else None for values in self.values)

    def sample(self, i: int, j: int) -> Sample:
        """Differences run j - run i."""
        return Sample(self.values[j] - self.values[i], self.clusters, self.column.task)

    def estimate(self, i: int, j: int, *, resample: bool) -> PairedEstimate:
        """Run j - run i."""
        n = len(self.places)
        if dead := [self.letters[run] for run in (i, j) if 0 < n == self.failed[run]]:
            return without_error(f"every row failed in {' and '.join(dead)}", n=n)
        sample = self.sample(i, j)
        return difference_of(sample.values, sample.clusters, resample=resample)


@dataclass(frozen=True)
class Averaged:
    """Columns whose plain mean is asked for."""

    name: str
    protocol: str
    columns: tuple[Measured, ...]
    missing: tuple[str, ...]
    """Columns of the group that were not compared."""

    @cached_property
    def scores(self) -> Scores:
        """Mean of each run; None if a column is missing."""
        found: list[float | None] = []
        for scores in zip(*(measured.scores for measured in self.columns), strict=True):
            known = [score for score in scores if score is not None]
            whole = len(known) == len(scores) and not self.missing
            found.append(math.fsum(known) / len(known) if whole else None)
        return tuple(found)

    def estimate(self, i: int, j: int, *, resample: bool) -> PairedEstimate:
        """Run j - run i."""
        parts = {str(m.column): m.estimate(i, j, resample=False) for m in self.columns}
        none = [name for name, part in parts.items() if part.difference is None]
        if self.missing or none:
            return without_error(f"not compared: {', '.join((*self.missing, *none))}")
        found = average_difference([m.sample(i, j) for m in self.columns], resample=resample)
        flat = {name: part for name, part in parts.items() if part.stderr is None}
        if flat and found.stderr is not None:
            single = [name for name, part in flat.items() if part.clusters < 2]
            if single:
                return without_error(
                    f"no error can be estimated for: {', '.join(single)}",
                    difference=found.difference,
                    n=found.n,
                    clusters=found.clusters,
                )
            # The clustered error of the whole average holds: no cluster differs in these. Said, as
            # a column at its ceiling looks more certain than it is.
            return found._replace(warnings=(*found.warnings, f"{_FLAT}: {', '.join(flat)}"))
        return found


def averages_of(measured: Sequence[Measured], protocol: str) -> list[Averaged]:
    """The averages of one protocol: of groups that were touched, lmms-eval's tasks, all columns."""
    mains = [m for m in measured if m.main and m.column.protocol == protocol]
    known = {(m.column.task, m.column.split): m for m in mains}
    found = []
    for group, members in GROUPS.items():
        wanted = [(task.id, column.split) for task in members for column in task.scorer.columns]
        inside = [known[key] for key in wanted if key in known]
        missing = [" ".join(filter(None, key)) for key in wanted if key not in known]
        if inside:
            found.append(Averaged(group, protocol, tuple(inside), tuple(missing)))
    borrowed = tuple(m for m in mains if m.paired.borrowed)
    if len(borrowed) > 1:
        found.append(Averaged(BORROWED, protocol, borrowed, ()))
    if len(mains) > 1:
        found.append(Averaged(ALL, protocol, tuple(mains), ()))
    return found
