"""Ranks as ranges, from sums over clusters: every pair of candidates at once.

The difference of two means over the same rows has the error of `harness.comparison`: with c_i(g)
the sum of candidate i's centred values in cluster g, G clusters and n rows,

    stderr(i, j)^2 = G / (G - 1) x sum over g of (c_j(g) - c_i(g))^2 / n^2,

and the sum is K_ii + K_jj - 2 K_ij of the Gram matrix K of the c: one matrix for all pairs. In a
mean over columns, those of one task add up within a cluster: their Gram matrices do, cross terms
included. Tests hold the ranges equal to those of `harness.comparison`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.comparison import RankRange
from harness.statistics import Floats
from leaderboard.store._digest import Digest

_LEVEL = 0.05
_NOISE = 1e-12


class Gram(NamedTuple):
    """Some candidates in the k columns of one task, over the same rows."""

    means: Floats
    """0 to 100, shape (k, candidates)."""
    rows: NDArray[np.int64]
    """Of each column, shape (k,)."""
    clusters: NDArray[np.int64]
    """Of each column, and last of all columns together, shape (k + 1,)."""
    products: Floats
    """Of centred cluster sums, shape (k, k, candidates, candidates)."""

    def of(self, columns: Sequence[int], candidates: Sequence[int]) -> Gram:
        """The part for some columns (one, or all) and candidates, in the order given."""
        whole = len(columns) == len(self.rows)
        clusters = self.clusters if whole else self.clusters[[*columns, *columns[:1]]]
        return Gram(
            self.means[np.ix_(columns, candidates)],
            self.rows[columns],
            clusters,
            self.products[np.ix_(columns, columns, candidates, candidates)],
        )


def gram_of(digests: Sequence[Digest], splits: Sequence[str], protocol: str) -> Gram:
    """Multiply what is known of a task in some runs.

    Args:
        digests: Of the same rows.
        splits: The columns.
        protocol: `paper` or `strict`.
    """
    counts = [digests[0].counts[split] for split in splits]
    rows = np.array([count.sum() for count in counts], dtype=np.int64)
    means, centred = [], []
    for split, count, n in zip(splits, counts, rows, strict=True):
        sums = np.stack([digest.sums[f"{split}/{protocol}"] for digest in digests])
        mean = sums.sum(axis=1) / n
        means.append(mean)
        centred.append(sums - mean[:, None] * count)
    products = np.array([[a @ b.T for b in centred] for a in centred])
    present = [int((count > 0).sum()) for count in counts]
    together = int(np.any([count > 0 for count in counts], axis=0).sum())
    return Gram(np.array(means), rows, np.array([*present, together]), products)


def rank_ranges(tasks: Sequence[Gram]) -> list[RankRange]:
    """Rank ranges in one column, or in the plain mean of several.

    Args:
        tasks: The columns by task; candidates in the same order in each.
    """
    candidates = tasks[0].means.shape[1]
    if candidates < 2:
        return [RankRange(1, 1)] * candidates
    difference, p = _pairs(tasks)
    i, j = np.triu_indices(candidates, 1)
    shown = _holm(p[i, j]) < _LEVEL
    wins = np.zeros((candidates, candidates), dtype=bool)
    wins[i, j] = shown & (difference[i, j] < 0)
    wins[j, i] = shown & (difference[i, j] > 0)
    above, below = wins.sum(axis=0), wins.sum(axis=1)
    return [
        RankRange(1 + int(better), candidates - int(worse))
        for better, worse in zip(above, below, strict=True)
    ]


def _pairs(tasks: Sequence[Gram]) -> tuple[Floats, Floats]:
    """Difference j - i and its p for all pairs (i, j); p is NaN where there is no error."""
    from scipy.special import stdtr

    means = np.concatenate([task.means for task in tasks])
    mean = means.mean(axis=0)
    difference = mean[None, :] - mean[:, None]
    variance, spread = np.zeros_like(difference), np.zeros_like(difference)
    for task in tasks:
        groups = int(task.clusters[-1])
        if groups < 2:
            return difference, np.full_like(difference, np.nan)
        weights = 1.0 / (len(means) * task.rows)
        gram = np.einsum("a,b,abij->ij", weights, weights, task.products)
        square = np.diag(gram)
        own = groups / (groups - 1) * np.maximum(square[:, None] + square - gram - gram.T, 0.0)
        variance += own
        spread += own**2 / (groups - 1)
    # What is left of two equal candidates is the arithmetic's.
    known = variance > (_NOISE * max(float(np.abs(means).max()), 1.0)) ** 2
    known &= variance > _NOISE * np.maximum.outer(np.diag(variance), np.diag(variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2.0 * stdtr(variance**2 / spread, -np.abs(difference) / np.sqrt(variance))
    return difference, np.where(known, np.minimum(p, 1.0), np.nan)


def _holm(p: Floats) -> Floats:
    """As `harness.statistics.holm`; NaN where nothing was tested."""
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * p[order]
    if len(order):
        adjusted[order] = np.maximum.accumulate(np.minimum(steps, 1.0))
    return adjusted
