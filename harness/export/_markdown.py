"""A GitHub table."""

from __future__ import annotations

import re

from harness.export._notes import Note, caption, notes
from harness.export._table import Cell, Column, Difference, Table, TableRow, one_line

# An underscore inside a word is one; a colon before a slash would make an address a link.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=/))")
_MISSING = "\N{EN DASH}"


def to_markdown(table: Table, interval: str, *, published: bool) -> str:
    """Caption, table and notes.

    Args:
        table: The table.
        interval: `half`, `bounds` or `none`.
        published: Whether reported rows were asked for.
    """
    heads = ["model", *(_head(column) for column in table.columns)]
    lines = [
        f"**{escaped(caption(table))}**",
        "",
        _line(heads),
        _line([":---", *("---:" for _ in table.columns)]),
        *(_line([_label(row), *(_cell(c, interval) for c in row.cells)]) for row in table.rows),
        "",
        *(f"- {_note(note)}" for note in notes(table, interval, published=published)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    """Text that a Markdown reader shows as it stands: no marks, links, HTML or table cells."""
    return _SPECIAL.sub(r"\\\1", one_line(text)).replace("www.", r"www\.")


def code(text: str) -> str:
    """A stranger's text as code: nothing in it is read, mentions and addresses included."""
    text = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    # Blanks part the fence from backticks at the ends, and one of each is not shown.
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(column: Column) -> str:
    if column.task is None:
        return f"**{escaped(column.name)}**"
    parts = (column.title, column.split, column.measure)
    return escaped(" ".join(part for part in parts if part))


def _label(row: TableRow) -> str:
    if row.kind == "difference":
        return escaped(row.label)
    label = escaped(row.label) if row.kind == "reported" else code(row.label)
    return f"{label} ({escaped(', '.join(row.marks))})" if row.marks else label


def _cell(cell: Cell | Difference | None, interval: str) -> str:
    if isinstance(cell, Difference):
        return f"{cell.points:+.1f}{'' if cell.inside is None else _yes(cell.inside)}"
    if cell is None:
        return _MISSING
    score = f"{cell.score:.1f}"
    score = {1: f"**{score}**", 2: f"<ins>{score}</ins>"}.get(cell.rank, score)
    return score + ("\N{DAGGER}" if cell.seen else "") + _interval(cell, interval)


def _yes(inside: bool) -> str:
    return " (yes)" if inside else " (no)"


def _interval(cell: Cell, interval: str) -> str:
    if interval == "none" or cell.low is None or cell.high is None:
        return ""
    if interval == "half" and is_even(cell):
        return f" ±{(cell.high - cell.low) / 2:.1f}"
    return rf" \[{cell.low:.1f}, {cell.high:.1f}\]"


def is_even(cell: Cell) -> bool:
    """Whether the interval reaches equally far to both sides, so that ± says it."""
    if cell.low is None or cell.high is None:
        return False
    return abs((cell.high - cell.score) - (cell.score - cell.low)) < 0.05


def _note(note: Note) -> str:
    text = escaped(note.text)
    return f"{code(note.about)}: {text}" if note.about else text
