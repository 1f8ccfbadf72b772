"""Rows of a run, and rows that differ between two: found, counted and given page by page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from harness.errors import UserError
from harness.export import LoadedRun
from leaderboard.store._database import Database, pattern, quoted, samples_path

Kind = Literal["all", "wrong", "right", "unparsed", "guessed", "failed"]
Direction = Literal["all", "gained", "lost"]
_TEXTS = (
    "row_id",
    "split",
    "cluster",
    "image",
    "pixels",
    "prompt",
    "input",
    "label",
    "options",
    "text",
    "finish_reason",
    "reason",
)
_PER_PROTOCOL = ("parsed", "unparsed", "guessed", "note")
_SEARCHED = ("input", "prompt", "label", "text", "row_id")


class Reading(NamedTuple):
    """What one protocol made of an answer."""

    metrics: Mapping[str, float]
    """0 to 1."""
    parsed: str | None
    unparsed: bool
    guessed: bool
    note: str | None


class SampleRow(NamedTuple):
    """A row of `samples.parquet`."""

    position: int
    """Position in the row source: its address."""
    row_id: str
    split: str | None
    image: str | None
    pixels: str | None
    prompt: str | None
    question: str | None
    label: str
    options: tuple[str, ...]
    text: str | None
    finish_reason: str | None
    failed: bool
    reason: str | None
    readings: Mapping[str, Reading]
    """By protocol."""


class RowsPage(NamedTuple):
    """Some rows, and how many there are."""

    total: int
    rows: tuple[SampleRow, ...]


class ChangedPage(NamedTuple):
    """Rows of two runs side by side."""

    total: int
    rows: tuple[tuple[SampleRow, SampleRow], ...]


class Wanted(NamedTuple):
    """Which rows are looked for."""

    kind: Kind = "all"
    split: str | None = None
    search: str = ""
    protocol: str = "paper"


class Samples:
    """Questions about samples, answered by DuckDB.

    Args:
        database: Whom to ask.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, run: LoadedRun, task: str, wanted: Wanted, *, size: int, first: int) -> RowsPage:
        """Rows of a task, in the order of their source.

        Args:
            run: Whose.
            task: Its id.
            wanted: Which rows.
            size: How many at most.
            first: How many to pass over.

        Raises:
            UserError: The samples are gone or damaged.
        """
        path = samples_path(run, task)
        names = self._names(path)
        where, values = _where(wanted, _main(run, task, wanted.protocol), names)
        source = "FROM read_parquet(?)"
        counted = self._database.ask(
            f"SELECT count(*) {source} WHERE {where}", [pattern(path), *values]
        )
        # The few rows are found by narrow columns first: prompts are long.
        order = "ORDER BY row_index LIMIT ? OFFSET ?"
        found = self._database.ask(
            f"SELECT row_index {source} WHERE {where} {order}",
            [pattern(path), *values, size, first],
        )
        rows = self._rows(path, names, [row[0] for row in found])
        return RowsPage(counted[0][0], tuple(rows[row[0]] for row in found if row[0] in rows))

    def row(self, run: LoadedRun, task: str, index: int) -> SampleRow | None:
        """One row by its position; None if there is none.

        Raises:
            UserError: The samples are gone or damaged.
        """
        path = samples_path(run, task)
        return self._rows(path, self._names(path), [index]).get(index)

    def splits(self, run: LoadedRun, task: str) -> tuple[str, ...]:
        """Answer types that a task has in a run."""
        splits = dict.fromkeys(line.split for line in run.lines if line.task == task)
        return tuple(split for split in splits if split is not None)

    def changed(
        self,
        runs: tuple[LoadedRun, LoadedRun],
        task: str,
        column: tuple[str | None, str, str],
        direction: Direction,
        *,
        size: int,
        first: int,
    ) -> ChangedPage:
        """Rows whose value differs between two runs, the largest change first.

        Args:
            runs: Baseline and candidate.
            task: Their task.
            column: Split, metric and protocol.
            direction: Rows that gained, lost, or either.
            size: How many at most.
            first: How many to pass over.

        Raises:
            UserError: Samples are gone or damaged.
        """
        paths = [samples_path(run, task) for run in runs]
        names = [self._names(path) for path in paths]
        split, metric, protocol = column
        value = f"{protocol}_{metric}"
        if any(value not in known for known in names):
            raise UserError(f"the samples have no {protocol} {metric}")
        moved = f"(b.{quoted(value)} - a.{quoted(value)})"
        wanted = {"all": "<> 0", "gained": "> 0", "lost": "< 0"}[direction]
        source = (
            "FROM read_parquet(?) a JOIN read_parquet(?) b ON a.row_id = b.row_id "
            f"WHERE a.split IS NOT DISTINCT FROM ? AND {moved} {wanted}"
        )
        values = [*map(pattern, paths), split]
        counted = self._database.ask(f"SELECT count(*) {source}", values)
        found = self._database.ask(
            f"SELECT a.row_index, b.row_index {source} "
            f"ORDER BY abs{moved} DESC, a.row_index LIMIT ? OFFSET ?",
            [*values, size, first],
        )
        before = self._rows(paths[0], names[0], [row[0] for row in found])
        after = self._rows(paths[1], names[1], [row[1] for row in found])
        pairs = tuple((before[i], after[j]) for i, j in found if i in before and j in after)
        return ChangedPage(counted[0][0], pairs)

    def _names(self, path: Any) -> tuple[str, ...]:
        found = self._database.ask("DESCRIBE SELECT * FROM read_parquet(?)", [pattern(path)])
        names = tuple(row[0] for row in found)
        if missing := [name for name in ("row_index", *_TEXTS, "failed") if name not in names]:
            raise UserError(f"the samples are damaged: they have no {', '.join(missing)}")
        return names

    def _rows(self, path: Any, names: Sequence[str], indices: list[int]) -> dict[int, SampleRow]:
        if not indices:
            return {}
        chosen = [name for name in names if name in _KNOWN or _is_reading(name)]
        # A row that a damaged file holds twice is shown once.
        columns, places = ", ".join(map(quoted, chosen)), ", ".join("?" * len(indices))
        query = f"SELECT {columns} FROM read_parquet(?) WHERE row_index IN ({places})"  # noqa: S608 - quoted names
        found = self._database.ask(query, [pattern(path), *indices])
        rows = (dict(zip(chosen, row, strict=True)) for row in found)
        return {int(fields["row_index"]): _sample(fields) for fields in rows}


_KNOWN = frozenset(("row_index", "failed", *_TEXTS))


def _is_reading(name: str) -> bool:
    return name.startswith(("paper_", "strict_"))


def _main(run: LoadedRun, task: str, protocol: str) -> dict[str | None, str]:
    """Main metric of each split."""
    return {
        line.split: line.metric
        for line in run.lines
        if line.main and line.task == task and line.protocol == protocol
    }


def _where(
    wanted: Wanted, main: Mapping[str | None, str], names: Sequence[str]
) -> tuple[str, list[Any]]:
    """The condition, and its values."""
    parts, values = ["true"], list[Any]()
    if wanted.kind in ("wrong", "right"):
        parts.append(f"({_value(wanted.protocol, main, names)} {_LESS[wanted.kind]} 1)")
    elif wanted.kind in ("unparsed", "guessed"):
        parts.append(f"coalesce({quoted(f'{wanted.protocol}_{wanted.kind}')}, false)")
    elif wanted.kind == "failed":
        parts.append("failed")
    if wanted.split is not None:
        parts.append("split = ?")
        values.append(wanted.split)
    if wanted.search:
        where = " OR ".join(f"contains(lower(coalesce({n}, '')), lower(?))" for n in _SEARCHED)
        parts.append(f"({where})")
        values += [wanted.search] * len(_SEARCHED)
    return " AND ".join(parts), values


_LESS = {"wrong": "<", "right": ">="}


def _value(protocol: str, main: Mapping[str | None, str], names: Sequence[str]) -> str:
    """A row's main value; null where an aggregation gives rows none."""
    cases = [
        f"WHEN split IS NOT DISTINCT FROM {_literal(split)} THEN {quoted(f'{protocol}_{metric}')}"
        for split, metric in main.items()
        if f"{protocol}_{metric}" in names
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL"


def _literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def _sample(fields: Mapping[str, Any]) -> SampleRow:
    readings = {
        protocol: Reading(
            {
                name.removeprefix(f"{protocol}_"): float(value)
                for name, value in fields.items()
                if name.startswith(f"{protocol}_")
                and name.removeprefix(f"{protocol}_") not in _PER_PROTOCOL
                and isinstance(value, int | float)
            },
            fields.get(f"{protocol}_parsed"),
            bool(fields.get(f"{protocol}_unparsed")),
            bool(fields.get(f"{protocol}_guessed")),
            fields.get(f"{protocol}_note"),
        )
        for protocol in ("paper", "strict")
    }
    return SampleRow(
        position=int(fields["row_index"]),
        row_id=str(fields["row_id"]),
        split=fields["split"],
        image=fields["image"],
        pixels=fields["pixels"],
        prompt=fields["prompt"],
        question=fields["input"],
        label=_told(fields["label"]),
        options=tuple(map(str, _json(fields["options"]) or ())),
        text=fields["text"],
        finish_reason=fields["finish_reason"],
        failed=bool(fields["failed"]),
        reason=fields["reason"],
        readings=readings,
    )


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _told(label: str | None) -> str:
    """A label as a person reads it: its text, or its texts."""
    value = _json(label)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else str(label)
