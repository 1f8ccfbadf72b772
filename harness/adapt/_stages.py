"""Finished stages: what became of the rows, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class StageDone:
    """One finished stage of a variant."""

    stage: str
    """`eval_base`, `tune_synthesizer`, `generate`, `filter`, `mix`, `audit`, `train`, ..."""
    reused: bool
    """Whether it stood already."""
    folder: Path
    rows_in: int | None = None
    rows_out: int | None = None
    rejects: Mapping[str, int] = field(default_factory=dict)
    """Reason to number of rows."""
    tokens: int | None = None
    """Prompt and new ones of an evaluation, new ones of synthesis, all of training."""
    seconds: float | None = None
    """Of the stage's processes, whenever they ran."""
    gpu_seconds: float | None = None
    """None without GPUs, or where they were not counted."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


def stamps(root: Path, pattern: str) -> dict[str, int]:
    """Files that mark finished work, and when each was written: to see which a command wrote."""
    return {str(path.resolve()): path.stat().st_mtime_ns for path in root.glob(pattern)}


def run_stage(stage: str, run: RunFolder, *, reused: bool) -> StageDone:
    """A finished evaluation as a stage.

    Args:
        stage: What it is called.
        run: Finished.
        reused: Whether it stood already.
    """
    record, results = run.read(), run.results()
    lines = [line for line in results["results"] if line["main"] and line["protocol"] == "paper"]
    failed = sum(line["failed"] for line in lines)
    rows = sum(line["n"] for line in lines)
    tokens = record.get("tokens") or {}
    return StageDone(
        stage=stage,
        reused=reused,
        folder=run.path,
        rows_in=rows,
        rows_out=rows - failed,
        rejects={"failed": failed} if failed else {},
        tokens=sum(tokens.values()) if tokens else None,
        seconds=sum((record.get("seconds") or {}).values()),
        gpu_seconds=record.get("gpu_seconds"),
    )


def synth_stage(step: Mapping[str, Any], *, reused: bool) -> StageDone:
    """A line of `harness synth --json` as a stage."""
    folder = Path(step["path"])
    engine = read_record(folder).get("engine")
    gpus = engine.get("gpus", 0) if isinstance(engine, dict) else 0
    name = {"seed": "seed_data", "tune": "tune_synthesizer"}.get(step["stage"], step["stage"])
    found = _training_gpu_seconds(folder) if name == "tune_synthesizer" else None
    return StageDone(
        stage=name,
        reused=reused,
        folder=folder,
        rows_in=step["rows_in"],
        rows_out=step["rows_out"],
        rejects=step["rejects"],
        tokens=step["tokens"],
        seconds=step["seconds"],
        gpu_seconds=step["seconds"] * gpus if gpus else found,
    )


def train_stage(folder: Path, *, reused: bool) -> StageDone:
    """A finished training as a stage."""
    record = read_record(folder)
    return StageDone(
        stage="train",
        reused=reused,
        folder=folder,
        rows_in=record["rows_in"],
        rows_out=record["rows_out"],
        rejects=record["rejects"],
        tokens=sum(each["tokens"] for each in trainings(folder)) or record["tokens"],
        seconds=record["seconds"],
        gpu_seconds=_training_gpu_seconds(folder),
    )


def trainings(folder: Path) -> list[dict[str, Any]]:
    """`training.json` of each run of a training's folder: of one stage, or of two."""
    found = []
    for path in (folder / "stage1" / "training.json", folder / "training.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and {"settings", "seconds", "tokens"} <= record.keys():
            found.append(record)
    return found


def _training_gpu_seconds(folder: Path) -> float | None:
    seconds = [
        each["seconds"] * each["settings"]["gpus"] * each["settings"]["nodes"]
        for each in trainings(folder)
        if each["settings"]["on_gpu"]
    ]
    return sum(seconds) if seconds else None


def read_record(folder: Path) -> dict[str, Any]:
    """`stage.json`.

    Raises:
        UserError: It is missing or damaged.
    """
    path = folder / "stage.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} is damaged", "Remove the folder: it is made again.")
    return record
