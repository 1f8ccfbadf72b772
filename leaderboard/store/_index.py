"""The index: what rank ranges need of every task of every run, made in the background.

A run's samples are read once and kept as sums over clusters (`_digest`). Of all runs over the same
rows of a task the products of those sums are kept (`_ranks.Gram`); they alone are held in memory.
Both are files in the cache folder, named by what they were made of: a file that is missing or
damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.export import LoadedRun
from harness.files import write_json
from leaderboard.store._database import Database, samples_path
from leaderboard.store._digest import (
    NO_SPLIT,
    Digest,
    digest_of,
    load,
    load_arrays,
    save,
    save_arrays,
)
from leaderboard.store._folders import Snapshot, Stamp
from leaderboard.store._ranks import Gram, gram_of
from tasks import PROTOCOLS

INDEX_VERSION = 2
_DAMAGE = (UserError, OSError, ValueError, LookupError, TypeError, ArithmeticError)
_STEP = 25
"""Runs read before what is known of them is shown."""


class Held(NamedTuple):
    """What a digest holds, without its numbers."""

    rows: str
    """Fingerprint of the rows."""
    columns: tuple[str, ...]
    """`<split>/<protocol>`."""


class Progress(NamedTuple):
    """How far the index is."""

    done: int
    of: int


class Known(NamedTuple):
    """Products of one task under one protocol."""

    runs: tuple[str, ...]
    splits: tuple[str, ...]
    gram: Gram


Key = tuple[str, str, str]
"""Task, fingerprint of its rows, protocol."""


class Index:
    """Reads samples in a thread of its own, and remembers what came of it.

    Args:
        database: Reads the samples.
        cache: Folder of the index; may be deleted at any time.
        head_start: Seconds for which a page is left alone before reading begins.
    """

    def __init__(self, database: Database, cache: Path, head_start: float = 0.0) -> None:
        self._database = database
        self._cache = cache
        self._head_start = head_start
        self._lock = threading.Lock()
        self._held: dict[tuple[str, Stamp], dict[str, Held]] = {}
        self._grams: dict[Key, tuple[str, Known]] = {}
        self._wanted: Snapshot | None = None
        self._ready: Snapshot | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.version = 0
        """Counts up when there is more to show."""

    def want(self, snapshot: Snapshot) -> None:
        """Have these runs read in the background, those that are known left alone."""
        with self._lock:
            if self._wanted is snapshot:
                return
            self._wanted = snapshot
            kept = {(name, snapshot.stamps[name]) for name in snapshot.runs}
            self._held = {key: held for key, held in self._held.items() if key in kept}
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="index", daemon=True)
                self._thread.start()
        self._wake.set()

    def progress(self) -> Progress:
        """Runs read, and runs there are; the last one counts once its products are there."""
        with self._lock:
            if self._wanted is None or self._ready is self._wanted:
                of = len(self._wanted.runs) if self._wanted else 0
                return Progress(of, of)
            of = len(self._wanted.runs)
            return Progress(min(len(self._held), of - 1), of)

    def rows(self, run: str, stamp: Stamp, task: str) -> str | None:
        """Fingerprint of the rows of a task in a run; None while it is not known."""
        with self._lock:
            held = self._held.get((run, stamp), {}).get(task)
        return held.rows if held else None

    def known(self, task: str, rows: str, protocol: str) -> Known | None:
        """Products of all runs over these rows; None while they are not known."""
        with self._lock:
            found = self._grams.get((task, rows, protocol))
        return found[1] if found else None

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            if (snapshot := self._todo()) is None:
                self._wake.wait()
                continue
            # The page that asked comes first: both want the same processor.
            if not self._stop.wait(self._head_start):
                self._read(snapshot)

    def _todo(self) -> Snapshot | None:
        with self._lock:
            return self._wanted if self._wanted is not self._ready else None

    def _read(self, snapshot: Snapshot) -> None:
        """Read what is new, the newest first; what is known is shown now and then."""
        missing = [
            run
            for run in reversed(snapshot.runs.values())
            if (run.folder.id, snapshot.stamps[run.folder.id]) not in self._held
        ]
        for place, run in enumerate(missing, 1):
            if self._stop.is_set() or self._wanted is not snapshot:
                return
            stamp = snapshot.stamps[run.folder.id]
            try:
                held = self._run(run, stamp)
            except _DAMAGE:
                held = {}  # the page is worth more than this run's ranks
            with self._lock:
                self._held[run.folder.id, stamp] = held
            if place % _STEP == 0 and place < len(missing):
                self._multiply(snapshot)
        self._multiply(snapshot)
        with self._lock:
            self._ready = snapshot
            self.version += 1

    def _run(self, run: LoadedRun, stamp: Stamp) -> dict[str, Held]:
        catalog = self._place([str(run.folder.path.resolve()), stamp], "json")
        with suppress(*_DAMAGE):
            kept = json.loads(catalog.read_text(encoding="utf-8"))
            return {task: Held(rows, tuple(columns)) for task, (rows, columns) in kept.items()}
        held: dict[str, Held] = {}
        for task in run.tasks:
            if self._stop.is_set():
                return held
            with suppress(*_DAMAGE):
                digest = digest_of(self._database, samples_path(run, task), run, task)
                save(self._digest_place(run, stamp, task), digest)
                held[task] = Held(digest.rows, tuple(digest.sums))
        with suppress(OSError):
            write_json(catalog, held)
        return held

    def _multiply(self, snapshot: Snapshot) -> None:
        """Bring the products up to date with the runs that are known."""
        groups: dict[Key, list[tuple[LoadedRun, Stamp]]] = defaultdict(list)
        columns: dict[Key, tuple[str, ...]] = {}
        for run in snapshot.runs.values():
            stamp = snapshot.stamps[run.folder.id]
            for task, held in self._held.get((run.folder.id, stamp), {}).items():
                for protocol in PROTOCOLS:
                    mine = tuple(
                        c.split("/")[0] for c in held.columns if c.endswith(f"/{protocol}")
                    )
                    key: Key = (task, held.rows, str(protocol))
                    # Runs of one row set have the same columns, unless one is damaged.
                    if mine and columns.setdefault(key, mine) == mine:
                        groups[key].append((run, stamp))
        found: dict[Key, tuple[str, Known]] = {}
        for key, members in groups.items():
            if self._stop.is_set():
                return
            name = _hash([key, [(str(r.folder.path.resolve()), s) for r, s in members]])
            before = self._grams.get(key)
            known = before[1] if before and before[0] == name else None
            with suppress(*_DAMAGE):
                found[key] = (name, known or self._known(key, name, members, columns[key]))
        with self._lock:
            self._grams = found
            self.version += 1

    def _known(
        self, key: Key, name: str, members: Sequence[tuple[LoadedRun, Stamp]], splits: Sequence[str]
    ) -> Known:
        runs = tuple(run.folder.id for run, _ in members)
        place = self._place([name], "npz")
        arrays = load_arrays(place)
        if arrays is not None and {*Gram._fields} <= arrays.keys():
            return Known(runs, tuple(splits), Gram(*(arrays[field] for field in Gram._fields)))
        task, _, protocol = key
        digests = [self._digest(run, stamp, task) for run, stamp in members]
        gram = gram_of(digests, splits, protocol)
        with suppress(OSError):
            save_arrays(place, gram._asdict())
        return Known(runs, tuple(splits), gram)

    def _digest(self, run: LoadedRun, stamp: Stamp, task: str) -> Digest:
        kept = load(self._digest_place(run, stamp, task))
        return kept or digest_of(self._database, samples_path(run, task), run, task)

    def _digest_place(self, run: LoadedRun, stamp: Stamp, task: str) -> Path:
        return self._place([str(run.folder.path.resolve()), stamp, task], "npz")

    def _place(self, of: Any, ending: str) -> Path:
        name = _hash([INDEX_VERSION, of])
        return self._cache / name[:2] / f"{name}.{ending}"


def _hash(of: Any) -> str:
    return hashlib.sha256(json.dumps(of).encode("utf-8", "replace")).hexdigest()[:40]


__all__ = ["NO_SPLIT", "Held", "Index", "Known", "Progress"]
