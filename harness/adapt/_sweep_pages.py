"""A sweep's tables as a page, as JSON and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.adapt._pages import cell, table
from harness.adapt._screen import add_row, console, grid, line
from harness.adapt._sweep import Group, SweepTable
from harness.files import replacing, write_json

SWEEP_VERSION = 1
_NOTES = (
    "Scores, 0 to 100, with half of their 95 % interval; below, differences to {reference} with "
    "half of theirs. Intervals are clustered by picture. Best of a column bold; * difference shown "
    "(Holm's p over a line's columns below 0.05; an average by its own p)."
)


def write_sweep(
    root: Path,
    name: str,
    groups: Sequence[Group],
    reports: Mapping[str, Mapping[str, Any]],
    failed: Mapping[str, str],
) -> dict[str, Any]:
    """Write `sweep.json` and `sweep.md`; gives the former.

    Args:
        root: `work/<name>`.
        name: The recipe's.
        groups: The tables.
        reports: Of each variant that is finished.
        failed: Variant to what happened.
    """
    told = {
        "schema_version": SWEEP_VERSION,
        "name": name,
        "groups": [_group_json(group) for group in groups],
        "variants": {
            variant: {k: report[k] for k in ("overrides", "verdict", "cost", "checkpoint")}
            for variant, report in reports.items()
        },
        "failed": dict(failed),
    }
    write_json(root / "sweep.json", told)
    with replacing(root / "sweep.md") as temporary:
        page = _page(name, groups, reports, failed)
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return told


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "rows": [
            {"label": row.label, "variant": row.variant, "run": str(row.run.path)}
            for row in group.rows
        ],
        "tables": [
            {
                "protocol": each.protocol,
                "columns": list(each.columns),
                "scores": [[c._asdict() for c in row] for row in each.scores],
                "differences": [[c._asdict() for c in row] for row in each.differences],
            }
            for each in group.tables
        ],
    }


def _page(
    name: str,
    groups: Sequence[Group],
    reports: Mapping[str, Mapping[str, Any]],
    failed: Mapping[str, str],
) -> str:
    parts = [f"# {cell(name)}\n"]
    for group in groups:
        if len(groups) > 1:
            parts.append(f"## Against {cell(group.rows[0].label)}\n")
        parts += [text for each in group.tables for text in _table_page(each)]
        parts.append(_NOTES.format(reference=cell(group.rows[0].label)) + "\n")
    parts += [f"- {cell(variant)} failed: {cell(why)}" for variant, why in failed.items()]
    lines = [
        (cell(variant), cell(_overrides(report)), cell(report["verdict"]["general_ability"]),
         cell(report["verdict"]["test_rows"]), f"[report]({variant}/report.md)")
        for variant, report in reports.items()
    ]  # fmt: skip
    head = ("variant", "overrides", "general ability", "test rows in its data", "")
    return "\n".join([*parts, "\n## Variants\n", table(head, lines)])


def _table_page(each: SweepTable) -> list[str]:
    scores = [
        (cell(label), *(f"**{c.text}**" if c.best else c.text for c in row))
        for label, row in zip(each.labels, each.scores, strict=True)
    ]
    changes = [
        (cell(label), *(f"**{c.difference}**" if c.shown else c.difference for c in row))
        for label, row in zip(each.labels[1:], each.differences, strict=True)
    ]
    head = tuple(map(cell, each.columns))
    return [
        table((each.protocol, *head), scores),
        table((f"{each.protocol}, minus {cell(each.labels[0])}", *head), changes),
    ]


def _overrides(report: Mapping[str, Any]) -> str:
    given = report["overrides"]
    return ", ".join(f"{key}: {value}" for key, value in given.items()) or "none"


def print_sweep(groups: Sequence[Group], failed: Mapping[str, str]) -> None:
    """Print the tables on stdout."""
    screen = console()
    for group in groups:
        for each in group.tables:
            _print_table(screen, each)
        screen.print()
        text = _NOTES.format(reference=group.rows[0].label)
        line(screen, text.replace("bold", "bold, with °"))
    for variant, why in failed.items():
        line(screen, f"{variant} failed: {why}", "red")


def _print_table(screen: Any, each: SweepTable) -> None:
    scores = [
        [(f"{c.text}{'°' if c.best else ''}", "bold" if c.best else "") for c in row]
        for row in each.scores
    ]
    changes = [[(c.difference, "bold" if c.shown else "") for c in row] for row in each.differences]
    _print_cells(screen, each.protocol, each.labels, each.columns, scores)
    _print_cells(screen, f"minus {each.labels[0]}", each.labels[1:], each.columns, changes)


def _print_cells(
    screen: Any,
    title: str,
    labels: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[tuple[str, str]]],
) -> None:
    """Print a table, a line a variant, or the other way round where that is narrower."""
    if len(labels) < len(columns):
        labels, columns, cells = columns, labels, list(zip(*cells, strict=True))
    shown = grid(title, columns)
    for label, row in zip(labels, cells, strict=True):
        add_row(shown, (label, *(text for text, _ in row)), ["", *(style for _, style in row)])
    screen.print()
    screen.print(shown)
