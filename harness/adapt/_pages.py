"""`report.md`: the verdict for people, and as the card of the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from harness.adapt._verdict import Compared, place_of, signed
from harness.progress import printable

PROTOCOL_NOTES = {
    "paper": "paper: the released scoring on every input, quirks included.",
    "strict": "strict: no guessing, clipped counts, whole words.",
}
_HOW_TO_READ = (
    "Differences are candidate - reference, in points, paired row by row. Intervals (95 %) and p "
    "are clustered by picture; Holm p is adjusted for the number of columns, verdicts go by it at "
    "0.05, an average's by its own p. *No difference shown* is no proof of equality: a smaller "
    "difference than the column *shows* would be found less than four times in five."
)


def report_page(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    verdict = report["verdict"]
    parts = [f"# {cell(report['candidate'])}\n", f"Adapted from {cell(report['base_model'])} by "
             "`harness adapt`.\n", "## Verdict\n"]  # fmt: skip
    parts += [f"- **{protocol}**: {cell(told)}" for protocol, told in verdict["tasks"].items()]
    if verdict["first_stage"]:
        parts.append(f"- **after the first stage (paper)**: {cell(verdict['first_stage'])}")
    parts.append(f"- **general ability**: {cell(verdict['general_ability'])}")
    parts.append(f"- **test rows in the training data**: {cell(verdict['test_rows'])}\n")
    compared = report["comparisons"]
    for title, name in (
        ("Tasks", "tasks"), ("After the first stage", "first_stage"),
        ("General ability", "retention"),
    ):  # fmt: skip
        if compared[name] is not None:
            parts += [f"## {title}\n", *_tables(Compared(compared[name]))]
    if any(compared.values()):
        parts += [_HOW_TO_READ + "\n", " ".join(PROTOCOL_NOTES.values()) + "\n"]
    parts += ["## Stages and cost\n", _stages(report), *_audit(report), "## Recipe\n"]
    parts.append(fenced(yaml.safe_dump(report["recipe"], sort_keys=False, allow_unicode=True)))
    parts += ["## Files\n", _files(report)]
    return "\n".join(parts)


def model_card(report: Mapping[str, Any]) -> str:
    """The report with the head that a hub reads."""
    head = {"base_model": report["base_model"], "library_name": "transformers",
            "pipeline_tag": "image-text-to-text"}  # fmt: skip
    # JSON is YAML, and quotes what it must.
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items()]
    return "\n".join(["---", *lines, "---", "", report_page(report)])


def _tables(compared: Compared) -> list[str]:
    parts = []
    head = ("rows", "pictures", "reference", "candidate", "difference (95 %)", "Holm p", "shows",
            "verdict")  # fmt: skip
    for protocol in compared.protocols:
        rows = [_row(place_of(each), each, bold=False) for each in compared.columns(protocol)]
        rows += [_row(_average_name(e), e, bold=True) for e in compared.averages(protocol)]
        parts.append(table((protocol, *head), rows))
    return parts


def _average_name(average: Mapping[str, Any]) -> str:
    return "average" if average["name"] == "all" else f"{average['name']} average"


def _row(name: str, line: Mapping[str, Any], *, bold: bool) -> tuple[str, ...]:
    p = line.get("holm_p", line["p"])
    cells = (
        name,
        f"{line['n']:,}" if not bold else "",
        f"{line['clusters']:,}" if not bold else "",
        number(line["baseline"]),
        number(line["candidate"]),
        signed(line),
        shown_p(p),
        "" if line["detectable"] is None else f"{line['detectable']:.1f}",
        line["verdict"],
    )
    escaped = tuple(cell(each) for each in cells)
    return tuple(f"**{each}**" if bold and each else each for each in escaped)


def _stages(report: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        (
            cell(stage["stage"]),
            "reused" if stage["reused"] else "made",
            count(stage["rows_in"]),
            count(stage["rows_out"]),
            cell(rejects(stage["rejects"])),
            count(stage["tokens"]),
            duration(stage["seconds"]),
            duration(stage["gpu_seconds"]),
        )
        for stage in report["stages"]
    ]
    cost = report["cost"]
    totals = ("sum", "", "", "", "", count(cost["tokens"]), duration(cost["seconds"]),
              duration(cost["gpu_seconds"]))  # fmt: skip
    head = ("stage", "state", "rows in", "rows out", "rejects", "tokens", "time", "GPU time")
    rows.append(tuple(f"**{each}**" if each else "" for each in totals))
    told = "Time is that of the processes that made a stage, whenever they ran.\n"
    return table(head, rows) + "\n" + told


def _audit(report: Mapping[str, Any]) -> list[str]:
    audit = report["audit"]
    if audit is None:
        return []
    kinds = sorted({kind for task in audit["tasks"] for kind in task["conversations"]})
    rows = [
        (cell(task["id"]), count(task["rows"]), *(count(task["conversations"].get(kind, 0))
                                                  for kind in kinds))
        for task in audit["tasks"]
    ]  # fmt: skip
    return ["## Test rows in the training data\n", table(("task", "test rows", *kinds), rows)]


def _files(report: Mapping[str, Any]) -> str:
    rows = [(stage["stage"], stage["folder"]) for stage in report["stages"]]
    rows.append(("checkpoint", report["checkpoint"] or "-"))
    return table(("what", "where"), [(cell(a), cell(b)) for a, b in rows])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are ready to stand in it."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def cell(text: object) -> str:
    """A stranger's text in one cell: no mark-up that a page would follow."""
    flat = " ".join(printable(str(text)).split())
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in flat)


def fenced(text: str) -> str:
    """Text as it stands."""
    return f"````yaml\n{printable(text).replace('````', '')}````\n"


def rejects(found: Mapping[str, int]) -> str:
    """`12 open, 3 failed`, the most frequent first."""
    ordered = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{rows:,} {reason}" for reason, rows in ordered)


def number(score: float | None) -> str:
    """A score, 0 to 100."""
    return "-" if score is None else f"{score:.1f}"


def count(value: int | None) -> str:
    """Rows or tokens."""
    return "" if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:,.1f} h"


def shown_p(p: float | None) -> str:
    """`.012`, or `<.001`."""
    return "" if p is None else "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")
