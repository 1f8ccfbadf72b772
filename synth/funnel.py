"""What became of the rows, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_PAGE = 120


class Step(NamedTuple):
    """A line of the funnel."""

    stage: str
    rows_in: int
    rows_out: int
    rejects: dict[str, int]
    tokens: int
    seconds: float
    reused: bool


def step_of(record: Mapping[str, Any], *, reused: bool) -> Step:
    """A finished stage's line."""
    return Step(
        record["stage"],
        record["rows_in"],
        record["rows_out"],
        dict(record["rejects"]),
        record["tokens"],
        record["seconds"],
        reused,
    )


def reasons(rejects: Mapping[str, int]) -> str:
    """`12 open, 3 failed`, the most frequent first."""
    ordered = sorted(rejects.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{rows:,} {reason}" for reason, rows in ordered)


def print_funnel(steps: Iterable[Step], title: str) -> None:
    """Print the funnel on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.progress import printable

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PAGE)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("stage", no_wrap=True)
    for name in ("rows in", "rows out", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("rejects", overflow="fold")
    for step in steps:
        kept = f"{step.rows_out / step.rows_in:.1%}" if step.rows_in else ""
        cells = (step.stage, f"{step.rows_in:,}", f"{step.rows_out:,}", kept, reasons(step.rejects))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(Text(printable(title), style="bold"), soft_wrap=True)
    console.print(table)
