"""A booktabs table for a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from itertools import groupby

from harness.export._markdown import is_even
from harness.export._notes import caption, notes
from harness.export._table import Cell, Column, Difference, Table, one_line

_WIDE = 4
"""Columns from which on a table is shrunk to the width of the text."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": "$<$", ">": "$>$", "|": "$|$", "`": r"\textasciigrave{}",
    '"': '{"}', "\0": "{}",
    "\N{DAGGER}": r"$\dagger$", "\N{EN DASH}": "--", "±": r"$\pm$",
}  # fmt: skip


def to_latex(table: Table, interval: str, *, published: bool) -> str:
    """A `table` environment that needs booktabs, and graphicx where it is wide.

    Args:
        table: The table.
        interval: `half`, `bounds` or `none`.
        published: Whether reported rows were asked for.
    """
    wide = len(table.columns) > _WIDE
    packages = "booktabs,graphicx" if wide else "booktabs"
    text = [
        rf"% \usepackage{{{packages}}}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escaped(caption(table))}}}",
        rf"\label{{tab:{table.protocol}}}",
        *([r"\resizebox{\textwidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        *_heads(table.columns),
        r"\midrule",
        *_body(table, interval),
        r"\bottomrule",
        rf"\end{{tabular}}{'}' if wide else ''}",
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
    ]
    for note in notes(table, interval, published=published):
        about = f"{escaped(note.about)}: " if note.about else ""
        text.append(rf"{about}{escaped(note.text)}\par")
    return "\n".join([*text, r"\end{minipage}", r"\end{table}"]) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX sets as it stands, wherever it stands in a table."""
    # Two hyphens would be set as a dash. one_line leaves no \0.
    parted = re.sub("-(?=-)", "-\0", one_line(text))
    return "".join(_SPECIAL.get(mark, mark) for mark in parted)


def _heads(columns: tuple[Column, ...]) -> Iterable[str]:
    """Groups (where there are several), tasks, then splits and metrics."""
    groups = _spans(columns, lambda column: column.group)
    if len(groups) > 1:
        yield from _spanned(
            [(escaped(first.group.replace("_", " ")), width) for first, width in groups]
        )
    tasks = _spans(columns, lambda column: (column.group, column.task))
    yield from _spanned([(escaped(first.title) if first.task else "", w) for first, w in tasks])
    last = [" ".join(part for part in (c.split, c.measure) if part) for c in columns]
    yield " & ".join(["model", *(escaped(text) for text in last)]) + r" \\"


def _spans(
    columns: Iterable[Column], key: Callable[[Column], Hashable]
) -> list[tuple[Column, int]]:
    """The first of each stretch of columns with one key, and the stretch's length."""
    stretches = [list(members) for _, members in groupby(columns, key)]
    return [(members[0], len(members)) for members in stretches]


def _spanned(heads: list[tuple[str, int]]) -> Iterable[str]:
    cells, rules, place = [""], [], 2
    for text, width in heads:
        cells.append(text if width == 1 else rf"\multicolumn{{{width}}}{{c}}{{{text}}}")
        if width > 1:
            rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    yield " & ".join(cells) + r" \\"
    if rules:
        yield " ".join(rules)


def _body(table: Table, interval: str) -> Iterable[str]:
    kind = "measured"
    for row in table.rows:
        if row.kind == "reported" != kind:
            yield r"\midrule"
        kind = row.kind
        # Braces: a name that begins with [ or * would be read as an argument of \\.
        label = rf"\quad {escaped(row.title)}" if kind == "difference" else escaped(row.title)
        yield " & ".join([f"{{{label}}}", *(_cell(cell, interval) for cell in row.cells)]) + r" \\"


def _cell(cell: Cell | Difference | None, interval: str) -> str:
    if isinstance(cell, Difference):
        verdict = {True: " (yes)", False: " (no)", None: ""}[cell.inside]
        return f"${cell.points:+.1f}${verdict}"
    if cell is None:
        return "--"
    score = f"{cell.score:.1f}"
    score = {1: rf"\textbf{{{score}}}", 2: rf"\underline{{{score}}}"}.get(cell.rank, score)
    return score + (r"$^{\dagger}$" if cell.seen else "") + _interval(cell, interval)


def _interval(cell: Cell, interval: str) -> str:
    if interval == "none" or cell.low is None or cell.high is None:
        return ""
    if interval == "half" and is_even(cell):
        return rf"\,{{\scriptsize $\pm${(cell.high - cell.low) / 2:.1f}}}"
    return rf"\,{{\scriptsize $[{cell.low:.1f}, {cell.high:.1f}]$}}"
