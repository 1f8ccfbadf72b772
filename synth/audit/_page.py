"""`audit.md`: the audit for people, with examples side by side."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import RowError
from harness.files import replacing
from harness.images import load
from harness.progress import printable
from synth._text import shortened
from synth._types import AUDITED
from synth.audit._audit import KINDS, AuditOutcome, Contaminated
from synth.audit._tests import reread
from synth.audit._training import Training
from tasks import ImageRef, Row

_EXAMPLES_A_KIND = 4
_PIXELS = 224


class _Example(NamedTuple):
    row: Contaminated
    training: Training | None
    test: Row | None


def write_page(outcome: AuditOutcome, made: dict[str, Any], folder: Path) -> None:
    """Write `audit.md`, and into `pictures/` what it shows."""
    lines = [
        "# Contamination audit",
        "",
        f"Training data: `{_safe(made['training'])}`, {made['rows_in']:,} rows, "
        f"{made['pictures']:,} different pictures.",
        "",
        *_verdict(made),
        "",
        *_table("Conversations that hold test rows", made, "conversations"),
        *_table("Test rows that were found", made, "test_rows"),
        *_coverage(made),
        *_unusable(made),
    ]
    examples = _examples(outcome)
    if examples:
        lines += ["## Examples", ""]
        for number, example in enumerate(examples):
            lines += _shown(outcome, example, number, folder)
    lines += ["## What this audit cannot find", ""]
    lines += [f"- {thing}" for thing in made["cannot_find"]]
    with replacing(folder / "audit.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")


def _verdict(made: dict[str, Any]) -> list[str]:
    if not made["contaminated"]:
        return ["No test row was found in it."]
    rows = f"{made['contaminated']:,} of {made['rows_in']:,} rows hold test rows"
    if made["action"] == "remove":
        return [f"**{rows}. They were removed: {made['rows_out']:,} rows stay.**"]
    return [f"**{rows}. Nothing was removed (action: report).**"]


def _table(title: str, made: dict[str, Any], field: str) -> list[str]:
    lines = [f"## {title}", "", f"| task | {' | '.join(KINDS)} | rows in the test |"]
    lines.append("|---|" + "---:|" * (len(KINDS) + 1))
    for task in made["tasks"]:
        counts = " | ".join(f"{task[field][kind]:,}" for kind in KINDS)
        lines.append(f"| {task['id']} | {counts} | {task['rows']:,} |")
    return [*lines, ""]


def _coverage(made: dict[str, Any]) -> list[str]:
    lines = ["## What could not be compared", ""]
    if made["flat_pictures"]:
        lines.append(
            f"- {made['flat_pictures']:,} training pictures are almost flat: only equal pixels "
            "are found."
        )
    for task in made["tasks"]:
        parts = {
            "rows whose picture cannot be opened": task["without_picture"],
            "records that are no rows": task["unreadable"],
            "rows with an almost flat picture": task["flat"],
            "rows with too little text of their own to be found by it": task["too_little_text"],
        }
        said = [f"{count:,} {what}" for what, count in parts.items() if count]
        if said:
            lines.append(f"- {task['id']}: {', '.join(said)}.")
    return [*(lines if len(lines) > 2 else [*lines, "Everything was compared."]), ""]


def _unusable(made: dict[str, Any]) -> list[str]:
    if not made["unusable"]:
        return []
    lines = [f"## Rows that cannot be audited: {made['unusable']:,}", ""]
    for reject in made["unusable_rows"][:20]:
        lines.append(
            f"- row {_safe(reject['id'])} (position {reject['index']}): {reject['reason']}: "
            f"{_safe(reject['detail'])}"
        )
    more = made["unusable"] - min(20, len(made["unusable_rows"]))
    return [*lines, *([f"- and {more:,} more"] if more else []), ""]


def _examples(outcome: AuditOutcome) -> list[_Example]:
    """A few of each kind, with their texts and pictures read again."""
    chosen: list[Contaminated] = []
    for kind in KINDS:
        of_kind = [row for row in outcome.contaminated if row.findings[0].kind == kind]
        chosen += of_kind[:_EXAMPLES_A_KIND]
    wanted = {row.index for row in chosen}
    training: dict[int, Training] = {}
    for read in outcome.file.read() if wanted else ():
        if isinstance(read, Training) and read.index in wanted:
            training[read.index] = read
        if len(training) == len(wanted):
            break
    places = {row.index: outcome.tests.rows[row.findings[0].row] for row in chosen}
    keys = {(test.task, test.id) for test in places.values()}
    tests = {(task, row.id): row for task, row in reread(outcome.source, keys)}
    return [
        _Example(
            row,
            training.get(row.index),
            tests.get((places[row.index].task, places[row.index].id)),
        )
        for row in chosen
    ]


def _shown(outcome: AuditOutcome, example: _Example, number: int, folder: Path) -> list[str]:
    found = example.row.findings[0]
    test = outcome.tests.rows[found.row]
    said = f" ({found.text})" if found.text else ""
    title = f"### {found.kind}: training row {_safe(example.row.id)}, {test.task} row "
    pictures = [
        _picture(refs, folder, f"{number:02d}-{side}.png")
        for side, refs in (
            ("training", example.training.pictures if example.training else ()),
            ("test", example.test.images if example.test else ()),
        )
    ]
    exchanges = example.training.exchanges if example.training else ()
    spoken = "<br>".join(
        f"<b>Q</b> {_safe(q.strip())}<br><b>A</b> {_safe(a.strip())}" for q, a in exchanges[:3]
    )
    answers = "; ".join(map(_safe, test.answers[:3]))
    asked = f"<b>Q</b> {_safe(test.question)}<br><b>A</b> {answers}"
    return [
        f"{title}{_safe(test.id)}{said}", "",
        "<table><tr><th>training</th><th>test</th></tr>",
        f"<tr><td>{pictures[0]}</td><td>{pictures[1]}</td></tr>",
        f'<tr><td valign="top">{spoken}</td><td valign="top">{asked}</td></tr></table>', "",
    ]  # fmt: skip


def _picture(refs: tuple[ImageRef, ...], folder: Path, name: str) -> str:
    if not refs:
        return "no picture"
    try:
        image = load(refs[0], AUDITED).image
    except RowError as error:
        return _safe(str(error))
    image.thumbnail((_PIXELS, _PIXELS))
    with replacing(folder / "pictures" / name) as temporary:
        image.save(temporary, "PNG")
    return f'<img src="pictures/{name}" alt="{_safe(refs[0].locator)}">'


def _safe(text: str) -> str:
    """A stranger's text on one line, which neither HTML nor Markdown takes for its own."""
    line = " ".join(printable(shortened(text, 300)).split())
    return "".join(f"&#{ord(mark)};" if mark in "\\`*[]|#~" else html.escape(mark) for mark in line)
