"""What an audit leaves behind: audit.json, audit.md, found.jsonl, and the files without it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files import digest, write_json
from synth._align import LIMITS
from synth._lines import reject_line, writing_lines
from synth._matching import RADIUS
from synth._phash import FLAT
from synth._types import AUDITED
from synth.audit._audit import KINDS, AuditOutcome, Contaminated
from synth.audit._texts import COMMON, COVERED, PASSAGE

SCHEMA_VERSION = 1
CANNOT_FIND = (
    "mirrored, rotated or tilted copies",
    "parts cut by clearly more than 5 % at an edge (of those cut by 20 % in all, about half)",
    "copies with a logo, frame, caption or arrow laid over them",
    "collages, and single panels of a figure with several",
    "copies that are strongly blurred, or whose contrast or colours were changed much; of drawings "
    "in few flat shades, also those whose brightness or colours were changed a little",
    f"changed copies of almost flat pictures (contrast under {FLAT:g} grey levels); equal pixels "
    "are found",
    "videos, and the frames of an animation after its first",
    "other pictures of the same patient, dish or place: they are not copies",
    "translated, paraphrased or reworded texts",
)
_LISTED = 100
OWN_FILES = ("audit.json", "audit.md", "found.jsonl", "rejects.jsonl")
"""What an audit writes beside the cleaned data."""


def report(outcome: AuditOutcome) -> dict[str, Any]:
    """`audit.json`; its fields are described in `docs/auditing.md`."""
    options, removed = outcome.options, outcome.options.action == "remove"
    rejects = outcome.rejects if removed else []
    reasons: dict[str, int] = {}
    for reject in rejects:
        reasons[reject.reason] = reasons.get(reject.reason, 0) + 1
    return {
        "schema_version": SCHEMA_VERSION,
        "training": str(options.training),
        "images": str(outcome.file.root),
        "action": options.action,
        "rows_in": outcome.rows,
        "rows_out": outcome.rows - len(rejects),
        "rejects": reasons,
        "contaminated": len(outcome.contaminated),
        "unusable": len(outcome.unusable),
        "pictures": outcome.pictures,
        "flat_pictures": outcome.flat,
        "tasks": [_task(outcome, task.id) for task in outcome.tests.tasks],
        "examples": [found_line(outcome, row) for row in outcome.contaminated[:_LISTED]],
        "unusable_rows": [reject_line(reject) for reject in outcome.unusable[:_LISTED]],
        "method": {
            "hash_bits": 64, "radius": RADIUS, "flat_below": FLAT, **LIMITS,
            "run_words": PASSAGE, "covered": COVERED, "common_from": COMMON,
        },
        "cannot_find": list(CANNOT_FIND),
        "seconds": round(outcome.seconds, 1),
    }  # fmt: skip


def _task(outcome: AuditOutcome, name: str) -> dict[str, Any]:
    task = next(task for task in outcome.tests.tasks if task.id == name)
    conversations, rows = outcome.conversations(name), outcome.test_rows(name)
    return {
        **asdict(task),
        "too_little_text": outcome.silent.get(name, 0),
        "conversations": {kind: conversations[kind] for kind in KINDS},
        "test_rows": {kind: rows[kind] for kind in KINDS},
    }


def found_line(outcome: AuditOutcome, row: Contaminated, most: int = 20) -> dict[str, Any]:
    """A contaminated conversation with the test rows it holds, at most so many of them."""
    tests = outcome.tests.rows
    return {
        "id": row.id,
        "index": row.index,
        "kind": row.findings[0].kind,
        "test_rows": [
            {"task": tests[f.row].task, "row": tests[f.row].id, "kind": f.kind, "text": f.text}
            for f in row.findings[:most]
        ],
        "test_rows_in_all": len(row.findings),
    }


def write_audit(outcome: AuditOutcome, folder: Path) -> dict[str, Any]:
    """Write `found.jsonl`, `audit.md` with its pictures, and last `audit.json`.

    With `action="remove"` also `rejects.jsonl` and the training file without what was found.

    Returns:
        What `audit.json` holds.
    """
    from synth.audit._page import write_page

    made = report(outcome)
    with writing_lines(folder / "found.jsonl") as (found,):
        for row in outcome.contaminated:
            found(found_line(outcome, row))
    if outcome.options.action == "remove":
        rejects = outcome.rejects
        with writing_lines(folder / "rejects.jsonl") as (line,):
            for reject in rejects:
                line(reject_line(reject))
        left_out = {reject.index for reject in rejects}
        kept = outcome.file.write_without(left_out, folder / outcome.file.name)
        if kept != made["rows_out"]:
            raise RuntimeError(f"{kept} rows were written, {made['rows_out']} were to stay")
    write_page(outcome, made, folder)
    write_json(folder / "audit.json", made)
    return made


def method_fingerprint() -> str:
    """Changes when what counts as found does; an audit stage's configuration holds it."""
    limits = [RADIUS, FLAT, LIMITS, PASSAGE, COVERED, COMMON]
    return digest([SCHEMA_VERSION, limits, AUDITED])
