"""What a person sees on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.adapt._pages import count, duration, number, rejects, shown_p
from harness.adapt._verdict import Compared, place_of, signed
from harness.progress import printable

_PAGE = 120
_FOLDED = ("rejects", "note")
_STYLES = {"better": "green", "worse": "red"}


def console() -> Any:
    """Of the width of the terminal, or of a page."""
    from rich.console import Console

    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=_PAGE)


def print_report(report: Mapping[str, Any]) -> None:
    """Print a variant's verdict on stdout."""
    screen, verdict = console(), report["verdict"]
    line(screen, f"{report['candidate']}  adapted from {report['base_model']}", "bold")
    for name, title in (("tasks", ""), ("first_stage", "after the first stage: "),
                        ("retention", "general ability: ")):  # fmt: skip
        found = report["comparisons"][name]
        if found is not None:
            _print_comparison(screen, Compared(found), title)
    screen.print()
    _print_stages(screen, report)
    screen.print()
    for protocol, told in verdict["tasks"].items():
        line(screen, f"verdict ({protocol}): {told}", "bold" if protocol == "paper" else "")
    if verdict["first_stage"]:
        line(screen, f"after the first stage (paper): {verdict['first_stage']}")
    line(screen, f"general ability: {verdict['general_ability']}")
    line(screen, f"test rows in the training data: {verdict['test_rows']}")
    line(screen, f"checkpoint: {report['checkpoint']}")


def _print_comparison(screen: Any, compared: Compared, title: str) -> None:
    heads = ("rows", "reference", "candidate", "difference (95 %)", "Holm p", "verdict")
    for protocol in compared.protocols:
        shown = grid(f"{title}{protocol}", heads, left=("difference (95 %)", "verdict"))
        for each in compared.columns(protocol):
            _add(shown, place_of(each), each, each["holm_p"], "")
        for each in compared.averages(protocol):
            name = "average" if each["name"] == "all" else f"{each['name']} average"
            _add(shown, name, each, each["p"], "bold")
        screen.print()
        screen.print(shown)


def _add(shown: Any, name: str, each: Mapping[str, Any], p: float | None, style: str) -> None:
    word = each["verdict"]
    cells = [name, count(each["n"]) if not style else "", number(each["baseline"]),
             number(each["candidate"]), signed(each), shown_p(p), word]  # fmt: skip
    add_row(shown, cells, [style] * 6 + [_STYLES.get(word, style)])


def _print_stages(screen: Any, report: Mapping[str, Any]) -> None:
    heads = ("", "rows in", "rows out", "tokens", "time", "GPU time", "rejects")
    shown = grid("stage", heads, left=("", "rejects"))
    for stage in report["stages"]:
        cells = (
            stage["stage"],
            "reused" if stage["reused"] else "made",
            count(stage["rows_in"]),
            count(stage["rows_out"]),
            count(stage["tokens"]),
            duration(stage["seconds"]),
            duration(stage["gpu_seconds"]),
            rejects(stage["rejects"]),
        )
        add_row(shown, cells)
    cost = report["cost"]
    cells = ("sum", "", "", "", count(cost["tokens"]), duration(cost["seconds"]),
             duration(cost["gpu_seconds"]), "")  # fmt: skip
    add_row(shown, cells, ["bold"] * 8)
    screen.print(shown)


def grid(first: str, heads: Sequence[str], *, left: Sequence[str] = ()) -> Any:
    """A table without lines; numbers stand to the right."""
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column(first, overflow="fold")
    for head in heads:
        made.add_column(head, justify="left" if head in left else "right",
                        no_wrap=head not in _FOLDED, overflow="fold")  # fmt: skip
    return made


def add_row(shown: Any, cells: Iterable[str], styles: Sequence[str] | None = None) -> None:
    """Add a line of plain texts."""
    from rich.text import Text

    texts = [printable(cell) for cell in cells]
    shown.add_row(*(Text(t, style=s) for t, s in zip(texts, styles or [""] * len(texts),
                                                     strict=True)))  # fmt: skip


def line(screen: Any, text: str, style: str = "") -> None:
    """Print one paragraph of plain text."""
    from rich.text import Text

    screen.print(Text(printable(text), style=style), soft_wrap=True)
