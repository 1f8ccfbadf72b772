"""Candidates: what the rows of the table are, measured and reported, on one footing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from harness.export import OTHER, Column, LoadedRun, same_model
from leaderboard.store._lineage import Lineage, lineage_of
from tasks import GROUPS, PROTOCOLS, TASKS
from tasks._reference import Published, known_model, published_scores

_NORMAL = 1.96
_SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,2})?)([BbM])(?![A-Za-z0-9])")
_TABLES = ("Table 2", "Table 3")
"""Of the paper: models that somebody could run; the others are ablations."""


class Cell(NamedTuple):
    """One score, 0 to 100, and what stands beside it."""

    score: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    clusters: int | None = None
    unparsed: int = 0
    guessed: int = 0
    failed: int = 0
    seen: str | None = None
    """Why the model may have seen the test rows."""
    run: str | None = None
    """The run it comes from; None for a reported score."""
    metric: str = "average"
    reason: str | None = None


Cells = dict[tuple[str, str | None, str | None], Cell]
"""By group, task, split (the first three of `Column`)."""


class Facts(NamedTuple):
    """What candidates are filtered and drawn by; None where nobody says."""

    family: str | None = None
    """The base model that it was made of, or is."""
    parameters: float | None = None
    method: str | None = None
    data: str | None = None
    training_seconds: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A row of the table: a model's runs under the same settings, or a reported model."""

    key: str
    """A run's name; of a reported row `reported:<model>:<domain>`."""
    name: str
    marks: tuple[str, ...]
    cells: Mapping[str, Cells]
    """By protocol."""
    facts: Facts
    runs: tuple[LoadedRun, ...] = ()
    """Newest first; none for a reported row."""
    source: str | None = None
    """Where a reported row was printed."""
    suffix: str = ""
    """Tells candidates of one name apart."""
    lineage: Lineage = field(default_factory=Lineage, compare=False)

    @property
    def reported(self) -> bool:
        """Whether it was printed, not measured."""
        return self.source is not None

    @property
    def label(self) -> str:
        """Its name; no other candidate has the same."""
        return f"{self.name} {self.suffix}".strip()

    @property
    def ordinary(self) -> bool:
        """Whether its scores are a model's scores on whole test sets."""
        return not self.marks

    def cell(self, column: Column, protocol: str) -> Cell | None:
        """A column's score; None if it was not run."""
        return self.cells.get(protocol, {}).get(column[:3])

    def run_of(self, task: str) -> LoadedRun | None:
        """The run that holds a task."""
        return next((run for run in self.runs if task in run.tasks), None)


def candidates_of(runs: Iterable[LoadedRun]) -> list[Candidate]:
    """A candidate for all runs of a model that share a row; in the order of their first runs."""
    return _told_apart([_candidate(members) for members in same_model(runs)])


def _told_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    alike: dict[str, list[Candidate]] = {}
    for one in candidates:
        alike.setdefault(one.name, []).append(one)
    found = []
    for one in candidates:
        same = alike[one.name]
        if len(same) == 1:
            found.append(one)
            continue
        short = one.key.rsplit("-", 1)[-1]
        unique = [other.key.rsplit("-", 1)[-1] for other in same].count(short) == 1
        found.append(replace(one, suffix=f"#{short if unique else one.key}"))
    return found


def _candidate(runs: Sequence[LoadedRun]) -> Candidate:
    first = runs[0]
    lineage = lineage_of(runs)
    return Candidate(
        key=first.folder.id,
        name=first.model.name or "(no name)",
        marks=tuple(dict.fromkeys(mark for run in runs for mark in run.marks)),
        cells={protocol: _cells(runs, protocol) for protocol in PROTOCOLS},
        facts=_facts(first, lineage),
        runs=tuple(reversed(runs)),
        lineage=lineage,
    )


def group_of(task: str) -> str:
    """A task's group; `other` for one of somebody's own."""
    return TASKS[task].group if task in TASKS else OTHER


def _cells(runs: Sequence[LoadedRun], protocol: str) -> Cells:
    cells: Cells = {}
    for run in runs:
        for line in run.lines:
            if not line.main or line.protocol != protocol:
                continue
            low, high = line.ci95 or (None, None)
            cells[group_of(line.task), line.task, line.split] = Cell(
                line.score,
                low,
                high,
                line.n,
                line.clusters,
                line.unparsed,
                line.guessed,
                line.failed,
                line.may_have_seen,
                run.folder.id,
                line.metric,
                line.reason,
            )
        for group in run.groups:
            if group.protocol == protocol and group.score is not None:
                half = None if group.stderr is None else _NORMAL * group.stderr
                ends = (None, None) if half is None else (group.score - half, group.score + half)
                cells[group.group, None, None] = Cell(
                    group.score, ends[0], ends[1], run=run.folder.id, reason=group.reason
                )
    return cells


def _facts(run: LoadedRun, lineage: Lineage) -> Facts:
    known = known_model(run.model.name)
    row = _published_row(known.model) if known else None
    base = lineage.base_model
    family = known and (known.base_model or known.model)
    if family is None and base is not None:
        of_base = known_model(base)
        family = of_base.model if of_base else base
    return Facts(
        family=family,
        parameters=lineage.parameters or _size_in(run.model.name) or _size_in(family or ""),
        method=lineage.method or (row.method if row else None),
        data=lineage.data or ((row.image_caption_source or None) if row else None),
        training_seconds=lineage.training_seconds,
    )


def _size_in(name: str) -> float | None:
    """Parameters as a model's name tells them: `Qwen2-VL-2B` has 2e9."""
    found = _SIZE.search(name)
    return float(found[1]) * (1e6 if found[2] == "M" else 1e9) if found else None


def _published_row(model: str) -> Published | None:
    return next((row for row in published_scores() if row.model == model), None)


@cache
def reported_candidates() -> tuple[Candidate, ...]:
    """The rows of the paper's Tables 2 and 3, in their order."""
    rows: dict[tuple[str, str], list[Published]] = {}
    for line in published_scores():
        if line.source.endswith(_TABLES):
            # A base model is the same one in every domain; what was made of it is not.
            made = line.base_model not in ("", line.model)
            rows.setdefault((line.model, line.domain if made else ""), []).append(line)
    return tuple(_reported(model, domain, lines) for (model, domain), lines in rows.items())


def _reported(model: str, domain: str, lines: Sequence[Published]) -> Candidate:
    cells: Cells = {
        (group_of(line.task), line.task, line.split): Cell(line.score, metric=line.metric.lower())
        for line in lines
    }
    for group, members in GROUPS.items():
        wanted = [(group, task.id, c.split) for task in members for c in task.scorer.columns]
        scores = [cells[key].score or 0.0 for key in wanted if key in cells]
        if len(scores) == len(wanted):
            cells[group, None, None] = Cell(sum(scores) / len(scores))
    first = lines[0]
    sources = dict.fromkeys(line.source for line in lines)
    return Candidate(
        key=f"reported:{model}:{domain}",
        name=model,
        marks=("reported",),
        cells={"paper": cells, "strict": {}},
        facts=Facts(
            family=first.base_model or first.model,
            parameters=_size_in(model) or _size_in(first.base_model),
            method=first.method or None,
            data=first.image_caption_source or None,
        ),
        source="; ".join(sources),
        suffix=f"({domain.replace('_', ' ')})" if domain else "",
    )


def columns_of(candidates: Iterable[Candidate], protocol: str) -> tuple[Column, ...]:
    """Columns that were measured, in the tasks' order, each group closed by its average.

    Args:
        candidates: Measured ones.
        protocol: `paper` or `strict`.
    """
    metrics: dict[tuple[str, str | None, str | None], str] = {}
    for candidate in candidates:
        for key, cell in candidate.cells.get(protocol, {}).items():
            metrics.setdefault(key, cell.metric)
    columns = []
    for group, members in GROUPS.items():
        for task in members:
            for column in task.scorer.columns:
                if (metric := metrics.pop((group, task.id, column.split), None)) is not None:
                    columns.append(Column(group, task.id, column.split, metric))
        if metrics.pop((group, None, None), None) is not None:
            columns.append(Column(group, None))
    columns += [Column(*key, metric) for key, metric in sorted(metrics.items(), key=str)]
    return tuple(columns)
