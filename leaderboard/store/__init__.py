"""What the pages show: runs, candidates, rows, pictures, ranks. Nothing here draws."""

from leaderboard.store._candidates import Candidate, Cell, Facts
from leaderboard.store._folders import Problem, Snapshot
from leaderboard.store._lineage import Lineage, Stage, lineage_of
from leaderboard.store._pictures import Shown
from leaderboard.store._rows import ChangedPage, Reading, RowsPage, SampleRow, Wanted
from leaderboard.store._store import Store, default_cache

__all__ = [
    "Candidate",
    "Cell",
    "ChangedPage",
    "Facts",
    "Lineage",
    "Problem",
    "Reading",
    "RowsPage",
    "SampleRow",
    "Shown",
    "Snapshot",
    "Stage",
    "Store",
    "Wanted",
    "default_cache",
    "lineage_of",
]
