"""The table that Markdown and LaTeX share: models as rows, task columns by group, averages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.export._load import GroupLine, Line, LoadedRun
from harness.progress import printable
from tasks import GROUPS, TASKS
from tasks._reference import Reproduction, published_beside, reproduction

OTHER = "other"
"""Stands for the group of tasks that belong to none."""
_NORMAL = 1.96
MEASURES = {"rouge_l": "ROUGE-L", "f1": "F1"}
"""What people call a metric; others are called by their names."""


class Column(NamedTuple):
    """One number a model: a task's column, or a group's average."""

    group: str
    task: str | None
    """None for the group's average."""
    split: str | None = None
    metric: str = "average"

    @property
    def title(self) -> str:
        """What people call the task."""
        if self.task is None:
            return self.group.replace("_", " ")
        return TASKS[self.task].card.title if self.task in TASKS else self.task

    @property
    def measure(self) -> str:
        """What people call the metric."""
        return MEASURES.get(self.metric, self.metric)

    @property
    def name(self) -> str:
        """Short name for notes."""
        if self.task is None:
            return f"{self.title} average"
        return " ".join(part for part in (self.task, self.split) if part)


class Cell(NamedTuple):
    """A score, 0 to 100."""

    score: float
    low: float | None = None
    high: float | None = None
    seen: bool = False
    """Whether the model may have seen the test rows."""
    rank: int = 0
    """1 for the best of its column, 2 for the second, else 0."""


class Difference(NamedTuple):
    """Measured minus reported, in points."""

    points: float
    inside: bool | None
    """Whether the reported score lies in the measured one's 95 % interval."""


class TableRow(NamedTuple):
    """One line of the table."""

    label: str
    marks: tuple[str, ...]
    """What keeps a score from being compared (a row with marks is never best); of differences,
    where the reported scores were printed."""
    kind: str
    """`measured`, `difference` (to the row above) or `reported`."""
    cells: tuple[Cell | Difference | None, ...]
    """None: not measured."""

    @property
    def title(self) -> str:
        """Label and marks."""
        marked = self.marks and self.kind != "difference"
        return f"{self.label} ({', '.join(self.marks)})" if marked else self.label


@dataclass
class Entry:
    """A model's row: one run, or several runs of one model over different tasks."""

    runs: list[LoadedRun]
    label: str = ""

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks of all its runs."""
        return tuple(dict.fromkeys(mark for run in self.runs for mark in run.marks))

    def find(self, column: Column, protocol: str) -> tuple[LoadedRun, Line] | None:
        """The line of a column."""
        for run in self.runs:
            for line in run.lines:
                here = (line.task, line.split, line.metric, line.protocol)
                if line.main and here == (column.task, column.split, column.metric, protocol):
                    return run, line
        return None

    def group(self, name: str, protocol: str) -> GroupLine | None:
        """A group's average, where one run holds all of the group."""
        for run in self.runs:
            for line in run.groups:
                if (line.group, line.protocol) == (name, protocol) and line.score is not None:
                    return line
        return None


@dataclass
class Table:
    """All there is to show under one protocol."""

    protocol: str
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
    rows: list[TableRow] = field(default_factory=list)
    unranked: tuple[str, ...] = ()
    """Tasks whose runs measured different rows."""


def build_table(
    runs: Sequence[LoadedRun], protocol: str, tasks: frozenset[str], *, published: bool
) -> Table:
    """Put runs together under one protocol.

    Args:
        runs: Loaded runs.
        protocol: `paper` or `strict`.
        tasks: Ids of the tasks to show.
        published: Add reported rows, and differences to them (`paper` only).
    """
    entries = _entries(runs)
    columns = _columns(runs, entries, protocol, tasks)
    table = Table(protocol, columns, tuple(entries))
    cells = {id(entry): [_cell(entry, c, protocol) for c in columns] for entry in entries}
    table.unranked = _rank(table, cells)
    beside = published and protocol == "paper"
    for entry in entries:
        row = TableRow(entry.label, entry.marks, "measured", tuple(cells[id(entry)]))
        table.rows.append(row)
        if beside and (differences := _differences(entry, columns, row)) is not None:
            table.rows.append(differences)
    if beside:
        table.rows += _reported(entries, columns)
    return table


def same_model(runs: Iterable[LoadedRun]) -> list[list[LoadedRun]]:
    """Runs that share a row: of one model under the same settings, no task in two of them."""
    found: dict[str, list[list[LoadedRun]]] = {}
    ordered = []
    for run in runs:
        settings = {key: value for key, value in run.settings.items() if key != "tasks"}
        identity = json.dumps([run.model, settings, run.marks], sort_keys=True, default=str)
        same = found.setdefault(identity, [])
        for members in same:
            if not any({*run.tasks} & {*other.tasks} for other in members):
                members.append(run)
                break
        else:
            same.append([run])
            ordered.append(same[-1])
    return ordered


def _entries(runs: Sequence[LoadedRun]) -> list[Entry]:
    entries = [Entry(members) for members in same_model(runs)]
    _name(entries)
    return entries


def _name(entries: Sequence[Entry]) -> None:
    """Give each row a label that no other row has."""
    names = [one_line(entry.runs[0].model.name) or "(no name)" for entry in entries]
    shown = [(name, entry.marks) for name, entry in zip(names, entries, strict=True)]
    ids = [entry.runs[0].folder.id for entry in entries]
    for place, (entry, name) in enumerate(zip(entries, names, strict=True)):
        alike = [other for other in range(len(shown)) if shown[other] == shown[place]]
        short = {ids[other].rsplit("-", 1)[-1] for other in alike}
        entry.label = name
        if len(alike) > 1:
            own = ids[place].rsplit("-", 1)[-1] if len(short) == len(alike) else ids[place]
            entry.label = f"{name}, run {one_line(own)}"


def one_line(text: str) -> str:
    """A stranger's text on one line, without control characters."""
    return printable(" ".join(text.encode("utf-8", "replace").decode("utf-8").split()))


def _columns(
    runs: Iterable[LoadedRun], entries: Iterable[Entry], protocol: str, tasks: frozenset[str]
) -> tuple[Column, ...]:
    """Published columns in their order, each group closed by its average; then other tasks."""
    held = {
        (line.task, line.split): line.metric
        for run in runs
        for line in run.lines
        if line.main and line.protocol == protocol and line.task in tasks
    }
    columns = []
    for group, members in GROUPS.items():
        mine = [
            Column(group, task.id, column.split, held.pop((task.id, column.split)))
            for task in members
            for column in task.scorer.columns
            if (task.id, column.split) in held
        ]
        columns += mine
        whole = len(mine) == sum(len(task.scorer.columns) for task in members)
        if whole and any(entry.group(group, protocol) for entry in entries):
            columns.append(Column(group, None))
    columns += [Column(OTHER, task, split, metric) for (task, split), metric in held.items()]
    return tuple(columns)


def _cell(entry: Entry, column: Column, protocol: str) -> Cell | None:
    if column.task is None:
        average = entry.group(column.group, protocol)
        if average is None or average.score is None:
            return None
        half = None if average.stderr is None else _NORMAL * average.stderr
        bounds = (None, None) if half is None else (average.score - half, average.score + half)
        return Cell(average.score, *bounds)
    found = entry.find(column, protocol)
    if found is None or found[1].score is None:
        return None
    line = found[1]
    low, high = line.ci95 or (None, None)
    return Cell(found[1].score, low, high, seen=bool(line.may_have_seen))


def _rank(table: Table, cells: dict[int, list[Cell | None]]) -> tuple[str, ...]:
    """Mark best and second of each column, in place; returns the tasks that cannot be ranked."""
    ordinary = [entry for entry in table.entries if not entry.marks]
    unlike = {
        column.task
        for column in table.columns
        if column.task is not None and not _same_rows(ordinary, column, table.protocol)
    }
    groups = {column.group for column in table.columns if column.task in unlike}
    for place, column in enumerate(table.columns):
        if column.task in unlike or (column.task is None and column.group in groups):
            continue
        scores = {
            id(entry): round(cell.score, 1)
            for entry in ordinary
            if (cell := cells[id(entry)][place]) is not None
        }
        if len(scores) < 2:
            continue
        best = sorted(set(scores.values()), reverse=True)[:2]
        for key, score in scores.items():
            cell = cells[key][place]
            if cell is not None and score in best:
                cells[key][place] = cell._replace(rank=1 + best.index(score))
    return tuple(dict.fromkeys(c.task for c in table.columns if c.task and c.task in unlike))


def _same_rows(entries: Iterable[Entry], column: Column, protocol: str) -> bool:
    """Whether all runs of a column measured the same rows in the same version of the task."""
    found = [hit for entry in entries if (hit := entry.find(column, protocol))]
    if len({(line.task_version, line.n) for _, line in found}) > 1:
        return False
    task = str(column.task)
    prints = {json.dumps(run.data_of(task), default=str) for run, _ in found}
    if len(prints) <= 1 and "null" not in prints:
        return True
    digests = {run.rows_digest(task) for run, _ in found}
    return len(found) < 2 or (len(digests) == 1 and None not in digests)


def _differences(entry: Entry, columns: Iterable[Column], row: TableRow) -> TableRow | None:
    """The row of differences to what was reported for this very model."""
    if entry.marks:
        return None
    cells: list[Difference | None] = []
    held: dict[str, list[Reproduction | None]] = {}
    for column, cell in zip(columns, row.cells, strict=True):
        if column.task is None:
            average = cell if isinstance(cell, Cell) else None
            cells.append(_of_average(average, held.get(column.group, [])))
            continue
        found = entry.find(column, "paper")
        one = found and reproduction(
            entry.runs[0].model.name,
            column.task,
            column.split,
            score=found[1].score,
            ci95=found[1].ci95,
            n=found[1].n,
        )
        held.setdefault(column.group, []).append(one)
        cells.append(Difference(one.difference, one.inside) if one else None)
    sources = tuple(dict.fromkeys(o.published.source for some in held.values() for o in some if o))
    return TableRow("measured - reported", sources, "difference", tuple(cells)) if sources else None


def _of_average(cell: Cell | None, columns: Sequence[Reproduction | None]) -> Difference | None:
    """An average against the mean of the reported columns, where all of them were reported."""
    reported = [one.published.score for one in columns if one]
    if cell is None or not reported or len(reported) < len(columns):
        return None
    mean = sum(reported) / len(reported)
    # It is held beside the other only where each of its columns can be.
    sure = all(one and one.inside is not None for one in columns)
    inside = None
    if sure and cell.low is not None and cell.high is not None:
        inside = cell.low <= mean <= cell.high
    return Difference(cell.score - mean, inside)


def _reported(entries: Iterable[Entry], columns: Sequence[Column]) -> list[TableRow]:
    """Published rows of the same base models, in the order of the paper's tables."""
    names = [entry.runs[0].model.name for entry in entries]
    groups = {column.group for column in columns}
    places = {(column.task, column.split): column for column in columns if column.task}
    found: dict[tuple[str, str], dict[Column, float]] = {}
    for line in published_beside(names):
        if column := places.get((line.task, line.split)):
            # A base model is the same one in every domain; what was made of it is not.
            domain = line.domain if line.base_model not in ("", line.model) else ""
            found.setdefault((line.model, domain), {})[column] = line.score
    rows = []
    for (model, domain), scores in found.items():
        for average in (column for column in columns if column.task is None):
            mine = [scores.get(c) for c in columns if c.group == average.group and c.task]
            if (printed := [score for score in mine if score is not None]) and None not in mine:
                scores[average] = sum(printed) / len(printed)
        label = f"{model}, {domain}" if domain and len(groups) > 1 else model
        cells = tuple(Cell(scores[c]) if c in scores else None for c in columns)
        rows.append(TableRow(label, ("reported",), "reported", cells))
    return rows
