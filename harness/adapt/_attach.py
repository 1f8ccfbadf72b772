"""Recipe, verdict and data card beside the candidate, in its runs and in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.adapt._loop import Candidate
from harness.adapt._pages import model_card, report_page
from harness.adapt._report import summary_of
from harness.files import replacing, write_json
from harness.progress import note

SUMMARY = "adapt.json"
DATA_CARD = "DATA_CARD.md"


def attach(candidate: Candidate, report: Mapping[str, Any]) -> None:
    """Write `report.json`, `report.md` and `candidate.json`, and what travels with the candidate.

    The checkpoint's fingerprint does not move: none of these files determines an answer.

    Args:
        candidate: Of the variant.
        report: About it.
    """
    folder, summary = candidate.folder, summary_of(report)
    write_json(folder / "report.json", report)
    _write(folder / "report.md", report_page(report))
    write_json(folder / "candidate.json", summary)
    if candidate.checkpoint is not None:
        write_json(candidate.checkpoint / SUMMARY, summary)
        _write(candidate.checkpoint / "README.md", model_card(report))
        if candidate.data is not None:
            _copy(candidate.data.folder / "README.md", candidate.checkpoint / DATA_CARD)
    for run in (candidate.run, candidate.first_stage, (candidate.retention or (None, None))[1]):
        if run is not None and run.path.resolve() != _reference(candidate):
            with run.locked():
                run.write({**run.read(), "adapt": summary})
    note(f"report: {folder / 'report.md'}")


def _reference(candidate: Candidate) -> Path | None:
    """Where training has changed nothing, the reference's run is the candidate's too."""
    return candidate.reference.path.resolve() if candidate.reference else None


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
