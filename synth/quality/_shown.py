"""What the command says of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.progress import printable, say
from synth._making import Made

_GRADES = ("knowledge", "complexity", "accuracy", "consistency")
_WIDTH = 120


def print_scores(made: Made) -> None:
    """Print a report's scores and where its files are, on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("quality, 0 to 100", overflow="fold")
    for name in ("triplets", "samples", "diversity", *_GRADES):
        table.add_column(name, justify="right", no_wrap=True)
    for found in made.record["scores"]:
        sizes = (f"{found['rows']:,}", f"{found['samples']:,}", _number(found["diversity"]))
        cells = (found["name"], *sizes, *_grades(found.get("judge") or {}))
        table.add_row(*(Text(printable(cell)) for cell in cells))
        if found.get("people"):
            cells = (f"{found['name']}, people", "", "", "", *_grades(found["people"]))
            table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    say(f"quality report: {made.path / 'quality.html'}")
    if (made.path / "sheet.csv").is_file():
        say(f"sheet to fill in: {made.path / 'sheet.csv'}")


def _grades(found: Mapping[str, Any]) -> list[str]:
    return [_number(found.get(name)) for name in _GRADES]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
