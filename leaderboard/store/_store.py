"""Everything the pages ask for, behind one door."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.comparison import Comparison, RankRange, compare_runs
from harness.export import Column, LoadedRun
from leaderboard.store._candidates import Candidate, candidates_of
from leaderboard.store._database import Database
from leaderboard.store._digest import NO_SPLIT
from leaderboard.store._folders import Folders, Snapshot
from leaderboard.store._index import Index, Progress
from leaderboard.store._pictures import Pictures
from leaderboard.store._ranks import rank_ranges
from leaderboard.store._rows import Samples

_MOST_COMPARISONS = 8
_MOST_RANKINGS = 512


def default_cache() -> Path:
    """The user's cache folder for leaderboards; everything in it may be deleted at any time."""
    root = os.environ.get("XDG_CACHE_HOME")
    base = Path(root) if root and Path(root).is_absolute() else Path.home() / ".cache"
    return base / "domain-harness" / "leaderboard"


class Store:
    """Runs, candidates, rows, pictures and ranks of one folder of runs.

    Args:
        root: Folder of runs; nothing is ever written there.
        cache: Folder for index and thumbnails; default: the user's.
        head_start: Seconds for which a page is left alone before new runs are read.
    """

    def __init__(self, root: Path, cache: Path | None = None, head_start: float = 0.0) -> None:
        self.root = root
        cache = cache or default_cache()
        self._folders = Folders(root)
        self._database = Database()
        self.samples = Samples(self._database)
        self.pictures = Pictures(cache / "thumbnails")
        self.index = Index(self._database, cache / "index", head_start)
        self._lock = threading.Lock()
        self._candidates: tuple[Snapshot, list[Candidate]] | None = None
        self._comparisons: OrderedDict[Any, Comparison] = OrderedDict()
        self._rankings: OrderedDict[Any, dict[str, RankRange]] = OrderedDict()

    def look(self) -> Snapshot:
        """The folder as it is now; what is new in it is read in the background."""
        snapshot = self._folders.look()
        self.index.want(snapshot)
        return snapshot

    def stamp(self) -> str:
        """Changes when anything that is shown does."""
        snapshot = self.look()
        text = repr((snapshot.key, snapshot.problems, self.index.version))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    def candidates(self) -> list[Candidate]:
        """Measured candidates, oldest first."""
        snapshot = self.look()
        with self._lock:
            if self._candidates is None or self._candidates[0] is not snapshot:
                self._candidates = (snapshot, candidates_of(snapshot.runs.values()))
            return self._candidates[1]

    def candidate_of(self, run: str) -> Candidate | None:
        """The candidate that a run belongs to."""
        for candidate in self.candidates():
            if any(one.folder.id == run for one in candidate.runs):
                return candidate
        return None

    def run(self, name: str) -> LoadedRun | None:
        """A run by its folder's name."""
        return self.look().runs.get(name)

    def progress(self) -> Progress:
        """How far the index is."""
        return self.index.progress()

    def compare(self, a: LoadedRun, b: LoadedRun, protocol: str, *, common: bool) -> Comparison:
        """Two runs row by row; remembered until one of them changes.

        Raises:
            UserError: They cannot be compared; the message says what differs.
        """
        stamps = self.look().stamps
        names = (a.folder.id, b.folder.id)
        key = (*((name, stamps.get(name)) for name in names), protocol, common)
        with self._lock:
            if key in self._comparisons:
                self._comparisons.move_to_end(key)
                return self._comparisons[key]
        found = compare_runs(
            [a.folder.path, b.folder.path], protocols=(protocol,), common=common, rows=0
        )
        with self._lock:
            self._comparisons[key] = found
            while len(self._comparisons) > _MOST_COMPARISONS:
                self._comparisons.popitem(last=False)
        return found

    def ranks(
        self,
        candidates: Sequence[Candidate],
        column: Column,
        columns: Sequence[Column],
        protocol: str,
    ) -> dict[str, RankRange]:
        """Rank ranges by the candidate's key, for those over the rows that most of them share.

        Args:
            candidates: Who is ranked among each other.
            column: In what; an average is ranked over its group's columns.
            columns: All columns of the table.
            protocol: `paper` or `strict`.
        """
        mine = [column]
        if column.task is None:
            mine = [c for c in columns if c.group == column.group and c.task is not None]
        tasks = tuple(dict.fromkeys(str(each.task) for each in mine))
        held = self._rows_of(candidates, column, tasks, protocol)
        alike = Counter(held.values()).most_common(1)
        if not alike or alike[0][1] < 2:
            return {}
        rows = alike[0][0]
        keys = tuple(key for key, found in held.items() if found == rows)
        name = (tuple(mine), protocol, rows, keys, self.index.version)
        with self._lock:
            if name in self._rankings:
                return self._rankings[name]
        ranked = self._ranked(
            {c.key: c for c in candidates},
            keys,
            mine,
            dict(zip(tasks, rows, strict=True)),
            protocol,
        )
        with self._lock:
            self._rankings[name] = ranked
            while len(self._rankings) > _MOST_RANKINGS:
                self._rankings.popitem(last=False)
        return ranked

    def _rows_of(
        self,
        candidates: Sequence[Candidate],
        column: Column,
        tasks: Sequence[str],
        protocol: str,
    ) -> dict[str, tuple[str, ...]]:
        """For candidates with a score: the rows of each task it was measured on."""
        stamps = self.look().stamps
        held = {}
        for candidate in candidates:
            if candidate.cell(column, protocol) is None:
                continue
            runs = [candidate.run_of(task) for task in tasks]
            rows = [
                self.index.rows(run.folder.id, stamps.get(run.folder.id, ()), task)
                for run, task in zip(runs, tasks, strict=True)
                if run is not None
            ]
            known = [each for each in rows if each is not None]
            if len(known) == len(tasks):
                held[candidate.key] = tuple(known)
        return held

    def _ranked(
        self,
        candidates: Mapping[str, Candidate],
        keys: Sequence[str],
        columns: Sequence[Column],
        rows: Mapping[str, str],
        protocol: str,
    ) -> dict[str, RankRange]:
        parts = []
        for task, of in rows.items():
            known = self.index.known(task, of, protocol)
            splits = [column.split or NO_SPLIT for column in columns if column.task == task]
            if known is None or not {*splits} <= {*known.splits}:
                return {}
            places = {run: place for place, run in enumerate(known.runs)}
            runs = [candidates[key].run_of(task) for key in keys]
            mine = [places.get(run.folder.id) for run in runs if run is not None]
            chosen = [place for place in mine if place is not None]
            if len(chosen) < len(keys):
                return {}  # a run came after these products; the next are on their way
            parts.append(known.gram.of([known.splits.index(split) for split in splits], chosen))
        return dict(zip(keys, rank_ranges(parts), strict=True))

    def close(self) -> None:
        """Stop reading and let go of the database."""
        self.index.close()
        self._database.close()
