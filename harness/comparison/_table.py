"""What a person sees of a comparison: differences, changed rows, and what to mind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.comparison._flips import ChangedRow
from harness.comparison._notes import closing_notes, opening_notes, pair_notes
from harness.comparison._paired import PairedEstimate
from harness.comparison._types import (
    ColumnDifference,
    Comparison,
    Pair,
    Ranking,
)
from harness.progress import printable

_PAGE = 120
_STYLES = {"better": "green", "worse": "red"}
_LETTERS_OF_ID = 24


def print_comparison(comparison: Comparison) -> None:
    """Print differences with their intervals, verdicts, flips, rows to look at and ranks."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PAGE)
    for run in comparison.runs:
        name = " ".join(str(run.results["model"]["name"]).split())
        _line(console, f"{run.letter}  {name}  {run.folder.id}", "bold")
    for text in opening_notes(comparison):
        _line(console, text, "yellow")
    for pair in comparison.pairs:
        _print_pair(console, pair, comparison.protocols)
    for protocol in comparison.protocols:
        if rankings := [each for each in comparison.rankings if each.protocol == protocol]:
            _print_ranks(console, comparison, protocol, rankings)
    console.print()
    for text in closing_notes(comparison):
        _line(console, text)


def _line(console: Any, text: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(printable(text), style=style), soft_wrap=len(text) > _PAGE and "  " in text)


def _print_pair(console: Any, pair: Pair, protocols: Iterable[str]) -> None:
    a, b = pair.baseline.letter, pair.candidate.letter
    console.print()
    _line(console, f"{pair.title}: {b} - {a}", "bold")
    for text in pair_notes(pair):
        _line(console, text)
    for protocol in protocols:
        console.print()
        _print_differences(console, pair, protocol)
        _print_changes(console, pair, protocol)


def _print_differences(console: Any, pair: Pair, protocol: str) -> None:
    a, b = pair.baseline.letter, pair.candidate.letter
    heads = ("rows", "clusters", a, b, f"{b} - {a}", "95 %", "p", "flip p", "Holm p", "shows",
             "verdict")  # fmt: skip
    table = _table(protocol, heads, left=("95 %", "verdict"), gap=1)
    for each in _of(pair.columns, protocol):
        found = each.estimate
        counts = [f"{found.n:,}", f"{found.clusters:,}"] if each.main else ["", ""]
        name = each.column.place if each.main else f"  {each.column.metric}"
        cells = [name, *counts, *_numbers(each.scores, found), _p(each.holm_p)]
        word = each.verdict if each.main else ""
        _add(table, cells, found, word, "" if each.main else "dim")
    for average in pair.telling_averages:
        if average.protocol != protocol or average.estimate.difference is None:
            continue
        cells = [f"{average.name} average", "", ""]
        cells += [*_numbers(average.scores, average.estimate), ""]
        _add(table, cells, average.estimate, average.verdict, "bold")
    console.print(table)


def _of(columns: Iterable[ColumnDifference], protocol: str) -> list[ColumnDifference]:
    return [each for each in columns if each.column.protocol == protocol]


def _numbers(scores: Sequence[float | None], found: PairedEstimate) -> list[str]:
    interval = "" if found.low is None else f"{found.low:+.1f} to {found.high:+.1f}"
    difference = "-" if found.difference is None else f"{found.difference:+.2f}"
    shown = ["-" if score is None else f"{score:.2f}" for score in scores]
    return [*shown, difference, interval, _p(found.p), _p(found.permutation_p)]


def _p(p: float | None) -> str:
    return "" if p is None else "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def _add(table: Any, cells: list[str], found: PairedEstimate, word: str, style: str) -> None:
    from rich.text import Text

    cells.append("" if found.detectable is None else f"{found.detectable:.1f}")
    shown = [Text(printable(cell), style=style) for cell in cells]
    mark = "*" if word and found.warnings else ""
    table.add_row(*shown, Text(f"{word}{mark}", style=_STYLES.get(word, style)))


def _print_changes(console: Any, pair: Pair, protocol: str) -> None:
    a, b = pair.baseline.letter, pair.candidate.letter
    mains = [each for each in _of(pair.columns, protocol) if each.main]
    changed = [each for each in mains if each.changes.up or each.changes.down]
    console.print()
    if not changed:
        _line(console, f"{protocol}: no row changed.")
        return
    heads = ("both right", f"only {a}", f"only {b}", "both wrong", "up", "down", "same")
    table = _table("changed rows", heads)
    for each in changed:
        flips = each.changes.flips or ("",) * 4
        numbers = (*flips, *each.changes[:3])
        table.add_row(printable(str(each.column)), *(_count(number) for number in numbers))
    console.print(table)
    for each in changed:
        for word, rows in (("lost", each.changes.lost), ("gained", each.changes.gained)):
            if rows:
                _line(console, f"{each.column}, {word}: {', '.join(map(_row, rows))}", "dim")


def _count(number: int | str) -> str:
    return number if isinstance(number, str) else f"{number:,}"


def _row(row: ChangedRow) -> str:
    name = row.row_id if len(row.row_id) <= _LETTERS_OF_ID else row.row_id[:_LETTERS_OF_ID] + "..."
    if {row.baseline, row.candidate} == {0.0, 100.0}:
        return name
    return f"{name} ({row.baseline:.0f} to {row.candidate:.0f})"


def _print_ranks(
    console: Any, comparison: Comparison, protocol: str, rankings: Sequence[Ranking]
) -> None:
    from rich.text import Text

    letters = [run.letter for run in comparison.runs]
    console.print()
    _line(console, f"ranks, {protocol}", "bold")
    table = _table("", letters)
    for ranking in rankings:
        cells = [
            f"{'-' if score is None else f'{score:.2f}'} ({_range(*ranks)})"
            for score, ranks in zip(ranking.scores, ranking.ranges, strict=True)
        ]
        name = ranking.name if ranking.column else f"{ranking.name} average"
        style = "" if ranking.column else "bold"
        table.add_row(*(Text(printable(cell), style=style) for cell in (name, *cells)))
    console.print(table)


def _range(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best} to {worst}"


def _table(first: str, heads: Sequence[str], *, left: Sequence[str] = (), gap: int = 2) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(head, justify="left" if head in left else "right", no_wrap=True)
    return table
