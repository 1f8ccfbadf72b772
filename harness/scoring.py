"""From scored rows to result lines: one a task, column, protocol and metric."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.statistics import Estimate, Sample, clustered_mean, mean_of_means
from tasks import GROUPS, PROTOCOLS, Column, ProtocolName, Scored, Task

_FEW_FAILURES = 3


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One row under both protocols."""

    index: int
    split: str | None
    cluster: str
    paper: Scored | None
    """None for a failed row: it counts as wrong."""
    strict: Scored | None
    failure: str | None = None

    def under(self, protocol: ProtocolName) -> Scored | None:
        """What one protocol says."""
        return self.paper if protocol == "paper" else self.strict


class _Cell:
    """Values and flags of one column under one protocol."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self.values = {metric: array("d") for metric in metrics}
        self.unparsed = self.guessed = self.failed = 0

    def add(self, scored: Scored | None) -> None:
        if scored is None:
            self.failed += 1
            for values in self.values.values():
                values.append(0.0)
            return
        self.unparsed += scored.unparsed
        self.guessed += scored.guessed
        for metric, values in self.values.items():
            values.append(scored.metrics[metric])


class Tally:
    """Adds up the rows of one task; memory is a few numbers a row."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.rows = self.failed = self.unreadable = 0
        self.first_failures: list[tuple[int, str]] = []
        """Row index and reason of the first few failed rows; all are in the samples."""
        self._codes: dict[str, int] = {}
        self._clusters = {column: array("q") for column in task.scorer.columns}
        self._cells = {
            (protocol, column): _Cell(task.scorer.metrics(protocol, column))
            for protocol in PROTOCOLS
            for column in task.scorer.columns
        }

    def add(self, row: ScoredRow) -> None:
        """Add a row to its column."""
        column = self._count(row)
        for protocol in PROTOCOLS:
            self._cells[protocol, column].add(row.under(protocol))

    def _count(self, row: ScoredRow) -> Column:
        """Count a row, its failure and its cluster; its values are another matter."""
        column = next(c for c in self.task.scorer.columns if c.split == row.split)
        self.rows += 1
        if row.failure is not None:
            self.failed += 1
            if len(self.first_failures) < _FEW_FAILURES:
                self.first_failures.append((row.index, row.failure))
        self._clusters[column].append(self._codes.setdefault(row.cluster, len(self._codes)))
        return column

    def sample(self, protocol: ProtocolName, column: Column) -> Sample:
        """Main values of a column, with clusters that the task's columns share."""
        values = self._cells[protocol, column].values[column.metric]
        return Sample(np.array(values), self._codes_of(column), self.task.id)

    def _codes_of(self, column: Column) -> Any:
        return np.array(self._clusters[column], dtype=np.int64)

    def lines(self, *, seen: str | None = None, note: str | None = None) -> list[dict[str, Any]]:
        """Result lines in the contract's form, scores from 0 to 100.

        Args:
            seen: Why the model may have seen the test rows.
            note: A choice made outside the scorer, added to its rule.
        """
        lines = []
        for column in self.task.scorer.columns:
            for protocol in PROTOCOLS:
                rule = getattr(self.task.scorer.rules, protocol)
                rule = "; ".join(part for part in (rule, note) if part) or None
                for metric in self._cells[protocol, column].values:
                    lines.append(self._line(column, protocol, metric, rule, seen))
        return lines

    def _line(
        self,
        column: Column,
        protocol: ProtocolName,
        metric: str,
        rule: str | None,
        seen: str | None,
    ) -> dict[str, Any]:
        values = np.array(self._cells[protocol, column].values[metric])
        estimate = clustered_mean(values * 100.0, self._codes_of(column))
        return self._line_of(column, protocol, metric, estimate, rule, seen)

    def _line_of(
        self,
        column: Column,
        protocol: ProtocolName,
        metric: str,
        estimate: Estimate,
        rule: str | None,
        seen: str | None,
    ) -> dict[str, Any]:
        cell = self._cells[protocol, column]
        bounds = None if estimate.low is None else [estimate.low, estimate.high]
        return {
            "task": self.task.id,
            "task_version": self.task.version,
            "split": column.split,
            "metric": metric,
            "protocol": protocol,
            "main": metric == column.metric,
            "score": estimate.mean,
            "n": estimate.n,
            "clusters": estimate.clusters,
            "stderr": estimate.stderr,
            "ci95": bounds,
            "unparsed": cell.unparsed,
            "guessed": cell.guessed,
            "failed": cell.failed,
            "rule": rule,
            "reason": estimate.reason,
            "may_have_seen": seen,
        }


def group_lines(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    """Averages of the groups that were touched: plain means over their published columns."""
    by_id = {tally.task.id: tally for tally in tallies}
    lines = []
    for group, members in GROUPS.items():
        if any(task.id in by_id for task in members):
            lines += [_group_line(group, members, protocol, by_id) for protocol in PROTOCOLS]
    return lines


def _group_line(
    group: str, members: Sequence[Task], protocol: ProtocolName, by_id: dict[str, Tally]
) -> dict[str, Any]:
    samples, missing, silent = [], [], []
    for task in members:
        for column in task.scorer.columns:
            name = " ".join(filter(None, (task.id, column.split)))
            sample = by_id[task.id].sample(protocol, column) if task.id in by_id else None
            if sample is None or not len(sample.values):
                missing.append(name)
                continue
            samples.append(sample)
            # A column that shows no error of its own would count as exact in the group's.
            if clustered_mean(sample.values, sample.clusters).stderr is None:
                silent.append(name)
    mean, error = (None, None) if missing else mean_of_means(samples)
    reason = f"not measured: {', '.join(missing)}" if missing else None
    if silent and not missing:
        error, reason = None, f"no error can be estimated for: {', '.join(silent)}"
    return {
        "group": group,
        "protocol": protocol,
        "score": None if mean is None else mean * 100.0,
        "stderr": None if error is None else error * 100.0,
        "columns": len(samples),
        "reason": reason,
    }
