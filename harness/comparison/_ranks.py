"""Ranks as ranges: who is shown to be better than whom among several runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

from harness.comparison._paired import PairedEstimate
from harness.statistics import holm

LEVEL = 0.05
"""What p is held against, after Holm's adjustment."""


class RankRange(NamedTuple):
    """Where one run may stand; 1 is best."""

    best: int
    """1 + number of runs shown to be better."""
    worst: int
    """Number of runs - number of runs shown to be worse."""


def rank_ranges(
    runs: int, difference: Callable[[int, int], PairedEstimate]
) -> tuple[RankRange, ...]:
    """Rank ranges from all pairwise comparisons, Holm's adjustment over all pairs.

    Args:
        runs: How many.
        difference: Estimate of run j - run i for two places i < j.
    """
    pairs = list(combinations(range(runs), 2))
    found = [difference(i, j) for i, j in pairs]
    better, worse = [0] * runs, [0] * runs
    adjusted = holm([estimate.p for estimate in found])
    for (i, j), estimate, p in zip(pairs, found, adjusted, strict=True):
        if p is None or p >= LEVEL or estimate.difference is None:
            continue
        winner, loser = (j, i) if estimate.difference > 0 else (i, j)
        better[loser] += 1
        worse[winner] += 1
    return tuple(RankRange(1 + better[i], runs - worse[i]) for i in range(runs))
