"""What stands below a table: how to read it, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.comparison import FEW_CLUSTERS
from harness.export._load import Line, LoadedRun
from harness.export._table import Cell, Difference, Entry, Table


class Note(NamedTuple):
    """One sentence; `about` is a row's label, a stranger's text."""

    text: str
    about: str | None = None


def caption(table: Table) -> str:
    """What the table shows and under which protocol."""
    rules = {
        "paper": "the published scoring, quirks included",
        "strict": "no guessing, clipped counts, whole words",
    }
    return f"Scores (0 to 100) under the {table.protocol} protocol: {rules[table.protocol]}."


def notes(table: Table, interval: str, *, published: bool) -> list[Note]:
    """All notes of a table.

    Args:
        table: The table.
        interval: `half`, `bounds` or `none`: how intervals are shown.
        published: Whether reported rows were asked for.
    """
    return [
        *_reading(table, interval, published),
        *_verdicts(table),
        *(note for entry in table.entries for note in _about(table, entry)),
        *_rules(table),
    ]


def _reading(table: Table, interval: str, published: bool) -> Iterator[Note]:
    cells = [cell for row in table.rows for cell in row.cells if isinstance(cell, Cell)]
    if interval != "none" and any(cell.low is not None for cell in cells):
        how = "half the width of" if interval == "half" else "the bounds of"
        text = f"Beside a score: {how} its 95 % interval, clustered by image"
        average = any(column.task is None for column in table.columns)
        yield Note(f"{text}; of an average, 1.96 standard errors." if average else f"{text}.")
    if any(cell.rank for cell in cells):
        text = "Best measured score bold, second underlined"
        left = " Marked rows are left out." if any(entry.marks for entry in table.entries) else ""
        yield Note(f"{text}; equal ones alike.{left}")
    if table.unranked:
        names = ", ".join(table.unranked)
        yield Note(f"Not ranked, as the runs measured different rows or versions: {names}.")
    if any(None in row.cells for row in table.rows if row.kind != "difference"):
        yield Note("\N{EN DASH}: not measured.")
    if published and table.protocol != "paper":
        yield Note("Published scores are under the paper protocol and stand in its table.")
    elif published and not any(row.kind == "reported" for row in table.rows):
        yield Note("No model here, and no base of one, is in the published tables.")
    elif published:
        text = "Reported: as printed in Tables 2 and 3 of arXiv:2411.19930 for the same base models"
        yield Note(f"{text}; averages of theirs are means of the printed columns.")


def _verdicts(table: Table) -> Iterator[Note]:
    """`reproduces Table 2`, a column at a time."""
    above = ""
    for row in table.rows:
        if row.kind == "measured":
            above = row.label
        if row.kind != "difference":
            continue
        said: list[str] = []
        unsaid: list[str] = []
        for column, cell in zip(table.columns, row.cells, strict=True):
            if isinstance(cell, Difference):
                if cell.inside is None:
                    unsaid.append(column.name)
                else:
                    said.append(f"{column.name} {'yes' if cell.inside else 'no'}")
        source = " and ".join(row.marks)
        if said:
            text = "the reported score lies in the 95 % interval of the measured one"
            yield Note(f"reproduces {source} (yes: {text}): {', '.join(said)}.", above)
        if unsaid:
            why = "other rows than the published ones, published rows unknown, or no interval"
            yield Note(f"cannot be held against {source} ({why}): {', '.join(unsaid)}.", above)


def _about(table: Table, entry: Entry) -> Iterator[Note]:
    lines = [
        (column.name, *found)
        for column in table.columns
        if column.task is not None and (found := entry.find(column, table.protocol))
    ]
    about = _named(table, entry)
    yield from (Note(text, about) for text in _flags(table.protocol, lines))
    few = [name for name, _, line in lines if line.ci95 and (line.clusters or 0) < FEW_CLUSTERS]
    if few:
        text = f"fewer than {FEW_CLUSTERS} images, so the interval is rough: {', '.join(few)}."
        yield Note(text, about)
    lacking: dict[tuple[str, str], list[str]] = {}
    for name, _, line in lines:
        if line.reason:
            what = "score" if line.score is None else "interval"
            lacking.setdefault((what, line.reason), []).append(name)
    for (what, reason), columns in lacking.items():
        yield Note(f"no {what} for {', '.join(columns)} ({reason.rstrip('.')}).", about)
    for run in entry.runs:
        if unreadable := {task: n for task, n in run.unreadable.items() if n}:
            text = ", ".join(f"{task} {n:,}" for task, n in unreadable.items())
            yield Note(f"lines of the data that could not be read as rows: {text}.", about)
    for why in dict.fromkeys(line.may_have_seen for _, _, line in lines if line.may_have_seen):
        tasks = {line.task for _, _, line in lines if line.may_have_seen == why}
        names = ", ".join(sorted(tasks))
        yield Note(f"\N{DAGGER} may have seen the test rows of {names}: {why}.", about)


def _named(table: Table, entry: Entry) -> str:
    """A row's label, with its marks where another row has the same label."""
    alike = sum(other.label == entry.label for other in table.entries) > 1
    return f"{entry.label} ({', '.join(entry.marks)})" if alike and entry.marks else entry.label


def _flags(protocol: str, lines: list[tuple[str, LoadedRun, Line]]) -> Iterator[str]:
    """Rows that could not be read, were guessed, or failed."""
    kinds = {
        "failed": "rows that failed and count as wrong",
        **({"guessed": "guessed answers"} if protocol == "paper" else {}),
        **({"unparsed": "answers from which nothing was read"} if protocol == "strict" else {}),
    }
    for kind, words in kinds.items():
        counts = [(name, getattr(line, kind), line.n) for name, _, line in lines]
        if hit := [f"{name} {count:,} of {n:,}" for name, count, n in counts if count]:
            yield f"{words}: {', '.join(hit)}."


def _rules(table: Table) -> Iterator[Note]:
    """Choices made where the published rules leave one open."""
    rules: dict[str, dict[str, None]] = {}
    for entry in table.entries:
        for column in table.columns:
            found = entry.find(column, table.protocol)
            if found and found[1].rule:
                rules.setdefault(found[1].rule, {})[found[1].task] = None
    for rule, tasks in rules.items():
        yield Note(f"{', '.join(tasks)}: {rule.rstrip('.')}.")
