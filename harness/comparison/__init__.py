"""Runs compared row by row: differences with honest errors, flips, ranks as ranges."""

from harness.comparison._compare import compare_runs
from harness.comparison._flips import ChangedRow, Changes, Flips
from harness.comparison._measured import ALL
from harness.comparison._paired import (
    FEW_CLUSTERS,
    PairedEstimate,
    average_difference,
    paired_difference,
)
from harness.comparison._ranks import RankRange, rank_ranges
from harness.comparison._resampling import bootstrap_interval, sign_flip_p
from harness.comparison._runs import CONTROLS, Column, Control, Run, Unlike
from harness.comparison._table import print_comparison
from harness.comparison._types import (
    AverageDifference,
    ColumnDifference,
    Comparison,
    Pair,
    Ranking,
    Verdict,
)

__all__ = [
    "ALL",
    "CONTROLS",
    "FEW_CLUSTERS",
    "AverageDifference",
    "ChangedRow",
    "Changes",
    "Column",
    "ColumnDifference",
    "Comparison",
    "Control",
    "Flips",
    "Pair",
    "PairedEstimate",
    "RankRange",
    "Ranking",
    "Run",
    "Unlike",
    "Verdict",
    "average_difference",
    "bootstrap_interval",
    "compare_runs",
    "paired_difference",
    "print_comparison",
    "rank_ranges",
    "sign_flip_p",
]
