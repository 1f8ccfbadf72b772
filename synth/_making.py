"""Making a stage: reused where it stands, finished with a record, a journal kept to oneself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from harness.locks import hold
from harness.progress import note
from harness.stages import Counts, Stage


class Made(NamedTuple):
    """A finished stage."""

    stage: Stage
    record: dict[str, Any]
    reused: bool

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.stage.path

    def outputs(self, *names: str) -> dict[str, str]:
        """Fingerprints of some of its files, as inputs of the next stage."""
        return {f"{self.stage.name}/{name}": self.record["outputs"][name] for name in names}


class Done(NamedTuple):
    """What a stage has found out, for its record."""

    counts: Counts
    files: tuple[str, ...]
    tokens: int = 0
    more: Mapping[str, Any] | None = None
    outputs: Mapping[str, str] | None = None
    """Fingerprints of outputs that are no files."""


def made(stage: Stage, work: Callable[[], Done]) -> Made:
    """Reuse a finished stage, or make it and write its record.

    A stage with rows that failed for a passing reason is made again: only those are asked.
    """
    if stage.finished:
        record = stage.record()
        if not record.get("to_retry"):
            note(f"{stage.name}: finished before ({stage.path})")
            return Made(stage, record, True)
        note(f"{stage.name}: asking {record['to_retry']} rows again that failed in passing")
    elif changed := stage.changed_inputs():
        note(f"{stage.name}: {changed}")
    note(f"{stage.name}: {stage.path}")
    began = time.perf_counter()
    with stage.locked():
        (stage.path / "stage.json").unlink(missing_ok=True)
        done = work()
        outputs = {name: fingerprint(stage.path / name) for name in done.files}
        outputs.update(done.outputs or {})
        seconds = time.perf_counter() - began
        record = stage.finish(
            done.counts, outputs=outputs, seconds=seconds, tokens=done.tokens, more=done.more
        )
    return Made(stage, record, False)


def fingerprint(path: Path) -> str:
    """Of a file's bytes, 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


@contextmanager
def journal_held(path: Path) -> Iterator[Path]:
    """Keep a journal to this process while it is written."""
    with hold(path.parent, "It writes the same answers: wait for it."):
        yield path
