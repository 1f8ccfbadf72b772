"""A run and its controls side by side: what a report says of both once both are finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.controls._letters import letter_counts, letter_note
from harness.controls._options import LETTERS
from harness.controls._relation import MAJORITY, Relation, relation
from harness.errors import UserError
from harness.files import digest
from harness.runs import RunFolder

_MOST_RUNS = 1_000
"""Newest folders that are looked at."""
_MOST_SHOWN = 8
_MOST_BYTES = 4 * 1024 * 1024
_PROTOCOL = "paper"
_SAME = ("task", "split", "metric", "protocol", "task_version", "rule")


class _Sibling(NamedTuple):
    run: RunFolder
    relation: Relation
    """Of the sibling (first) to the run (second)."""


def control_notes(run: RunFolder) -> list[str]:
    """What a report of a finished run says about controls, a text a footnote.

    Other runs are looked for beside the run. Whatever is wrong with one of them costs its line
    and nothing else.
    """
    try:
        record, results = run.read(), run.results()
        return [*_own_notes(run, record), *_sibling_notes(run, record, results)]
    except (UserError, *_DAMAGE) as error:
        return [f"Controls were left out: {error}."]


_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a damaged run raises."""


def _own_notes(run: RunFolder, record: dict[str, Any]) -> Iterator[str]:
    settings = record["settings"]
    if order := settings.get("option_order"):
        yield f"Control run: options {order}."
    if repeat := settings.get("repeat"):
        yield f"Repetition {repeat} of the same settings."
    if settings["answers"] == MAJORITY:
        yield "Baseline: every row gets its column's commonest label, read from the test labels."
    for task in record.get("controls", {}).get("letters", ()):
        table = letter_counts(run.task_folder(task) / "samples.parquet")
        if table is not None:
            yield letter_note(task, table["strict"])


def _sibling_notes(
    run: RunFolder, record: dict[str, Any], results: dict[str, Any]
) -> Iterator[str]:
    found = list(islice(_siblings(run, record["settings"]), _MOST_SHOWN + 1))
    for sibling in sorted(found[:_MOST_SHOWN], key=_rank):
        try:
            yield _difference(run, sibling, results)
        except (UserError, *_DAMAGE) as error:
            yield f"No {sibling.relation.name}: {sibling.run.id} cannot be compared ({error})."
    if len(found) > _MOST_SHOWN:
        yield "More controls stand beside this run; `harness compare` shows any two runs."


def _rank(sibling: _Sibling) -> tuple[int, str]:
    firsts = ("image", "gain", "effect", "repeat")
    name = sibling.relation.name
    return firsts.index(name.split()[0]), name


def _siblings(run: RunFolder, settings: dict[str, Any]) -> Iterator[_Sibling]:
    """Finished runs in the same folder that differ in one control; the newest of each kind."""
    here = run.path.resolve()
    names = (path for path in here.parent.iterdir() if path.name != here.name)
    seen: set[str] = set()
    for path in sorted(names, key=lambda path: path.name, reverse=True)[:_MOST_RUNS]:
        theirs = _settings(path)
        if theirs is None or _both_unusual(theirs, settings):
            continue
        related = relation(theirs, settings)
        if related is None or (kind := digest(theirs)) in seen:
            continue
        if (path / "results.json").is_file():
            seen.add(kind)
            yield _Sibling(RunFolder(path), related)


def _both_unusual(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two runs are two controls of a third, which stands beside each of them."""
    return any(
        name in one and name in other and one[name] != other[name]
        for name in ("option_order", "repeat")
    )


def _settings(path: Path) -> dict[str, Any] | None:
    """The settings of a run; None if there is no run, or it is damaged."""
    file = path / "run.json"
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return None
        settings = json.loads(file.read_bytes())["settings"]
    except _DAMAGE:
        return None
    return settings if isinstance(settings, dict) else None


def _difference(run: RunFolder, sibling: _Sibling, results: dict[str, Any]) -> str:
    from harness.comparison import paired_difference

    name, sign = sibling.relation
    by_order = name.startswith("effect of option order")
    parts, changed, rows = [], 0, 0
    theirs = sibling.run.results()["results"]
    for line in results["results"]:
        if not line["main"] or line["protocol"] != _PROTOCOL:
            continue
        if not any(all(line[name] == other[name] for name in _SAME) for other in theirs):
            raise UserError(f"{line['task']} was scored by other rules")
        pair = _pair(run, sibling.run, line)
        if not len(pair.mine) or (by_order and not pair.lettered):
            continue
        if np.isnan(pair.mine).all() or np.isnan(pair.theirs).all():
            continue  # a score that is no mean over rows
        changed, rows = changed + pair.changed, rows + len(pair.mine)
        values = (pair.theirs, pair.mine) if sign == 1 else (pair.mine, pair.theirs)
        found = paired_difference(*values, pair.clusters, resample=False)
        interval = "no interval" if found.low is None else f"{found.low:.1f} to {found.high:.1f}"
        column = " ".join(filter(None, (line["task"], line["split"])))
        parts.append(f"{column} {found.difference:+.1f} ({interval})")
    text = f"{name[0].upper()}{name[1:]} ({_PROTOCOL}): {', '.join(parts) or 'no rows'}"
    if by_order or name == "repeat noise":
        text += f"; {changed:,} of {rows:,} answers changed"
    return f"{text}. {'Control' if sign == 1 else 'Ordinary run'}: {sibling.run.id}."


class _Pair(NamedTuple):
    mine: Any
    """The run's values, 0 to 100, shape (n,)."""
    theirs: Any
    """The sibling's on the same rows."""
    clusters: Any
    """What makes rows dependent, shape (n,)."""
    changed: int
    """Rows that were answered otherwise."""
    lettered: bool
    """Whether rows have lettered options."""


def _pair(run: RunFolder, other: RunFolder, line: dict[str, Any]) -> _Pair:
    mine, theirs = _column(run, line), _column(other, line)
    if mine["row_id"] != theirs["row_id"]:
        raise UserError(f"other rows of {line['task']}")
    value = f"{_PROTOCOL}_{line['metric']}"
    values = [100.0 * np.array(rows[value], dtype=float) for rows in (mine, theirs)]
    answers = zip(_answers(mine), _answers(theirs), strict=True)
    return _Pair(
        mine=values[0],
        theirs=values[1],
        clusters=np.array(mine["cluster"], dtype=str),
        changed=sum(a != b for a, b in answers),
        lettered=any(mine["options"]),
    )


def _column(run: RunFolder, line: dict[str, Any]) -> dict[str, list[Any]]:
    """A column's rows by row id: ids, clusters, values and answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["row_id", "split", "cluster", "options", "text", "strict_parsed"]
    names.append(f"{_PROTOCOL}_{line['metric']}")
    path = run.task_folder(line["task"]) / "samples.parquet"
    try:
        columns = pq.read_table(path, columns=names).sort_by("row_id").to_pydict()
    except pa.ArrowException as error:
        raise UserError(f"{path} is damaged: {error}") from error
    keep = [place for place, split in enumerate(columns["split"]) if split == line["split"]]
    return {name: [values[place] for place in keep] for name, values in columns.items()}


def _answers(column: dict[str, list[Any]]) -> Iterator[str | None]:
    """What was answered: an option's text where options have letters, else the whole text."""
    rows = zip(column["options"], column["strict_parsed"], column["text"], strict=True)
    for options, letter, text in rows:
        if options is None:
            yield text
        elif letter is None:
            yield None
        else:
            yield json.loads(options)[LETTERS.index(letter)]
