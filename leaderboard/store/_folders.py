"""The folder of runs: what can be read, what cannot, and whether anything changed."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from harness.errors import UserError
from harness.export import LoadedRun, load_runs
from harness.runs import RunFolder

_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What a damaged run raises beside a `UserError`."""
_PAUSE = 0.5
"""Seconds for which a look at the folder is good enough."""

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of `run.json` and `results.json`: inode, time of change, size; None where one is missing."""


class _Named(RunFolder):
    """A run that goes by its name here, wherever a link leads to."""

    @property
    def id(self) -> str:
        """Its name in the folder of runs."""
        return self.path.name


class Problem(NamedTuple):
    """A folder that is shown in no table, and why."""

    name: str
    kind: str
    """`unfinished` or `unreadable`."""
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """The folder at one moment."""

    runs: dict[str, LoadedRun]
    """By the folder's name, oldest name first."""
    stamps: dict[str, Stamp]
    problems: tuple[Problem, ...]
    missing: bool = False
    """Whether the folder of runs itself is not there."""

    @property
    def key(self) -> tuple[tuple[str, Stamp], ...]:
        """Changes when a run does."""
        return tuple(self.stamps.items())


class Folders:
    """Reads runs as they appear, change and go; safe to use from several threads.

    Args:
        root: Folder of runs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stamp, LoadedRun | Problem]] = {}
        self._last: Snapshot | None = None
        self._looked = 0.0

    def look(self) -> Snapshot:
        """The folder as it is now, or was half a second ago."""
        with self._lock:
            if self._last is not None and time.monotonic() - self._looked < _PAUSE:
                return self._last
            found = self._look()
            if self._last is None or (found.key, found.problems, found.missing) != (
                self._last.key,
                self._last.problems,
                self._last.missing,
            ):
                self._last = found
            self._looked = time.monotonic()
            return self._last

    def _look(self) -> Snapshot:
        try:
            names = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        except OSError:
            return Snapshot({}, {}, (), missing=True)
        known: dict[str, tuple[Stamp, LoadedRun | Problem]] = {}
        for name in names:
            if name.startswith("."):
                continue
            stamp = _stamp(self.root / name)
            before = self._known.get(name)
            if before is not None and before[0] == stamp:
                known[name] = before
            elif (found := _read(self.root / name, stamp)) is not None:
                known[name] = (stamp, found)
        self._known = known
        runs = {name: run for name, (_, run) in known.items() if isinstance(run, LoadedRun)}
        problems = tuple(one for _, one in known.values() if isinstance(one, Problem))
        return Snapshot(runs, {name: known[name][0] for name in known}, problems)


def _stamp(path: Path) -> Stamp:
    return tuple(_stamp_of(path / name) for name in ("run.json", "results.json"))


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path, stamp: Stamp) -> LoadedRun | Problem | None:
    """A run, or what is wrong with it; None if the folder is none."""
    record, results = stamp
    if record is None and results is None and not (path / "tasks").is_dir():
        return None
    name = path.name.encode("utf-8", "replace").decode("utf-8")
    if name != path.name:
        return Problem(name, "unreadable", "the folder's name is not UTF-8")
    try:
        if record is not None and results is None:
            started = RunFolder(path).read().get("start")
            return Problem(name, "unfinished", f"started {started}; it has no results yet")
        (run,) = load_runs([path])
    except UserError as error:
        told = error.message.replace(f"{path}/", "").removeprefix(f"{path} is not a run: ")
        return Problem(name, "unreadable", told)
    except _DAMAGE as error:
        return Problem(name, "unreadable", f"{type(error).__name__}: {error}")
    return replace(run, folder=_Named(path))
