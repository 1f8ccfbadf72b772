"""Estimates with honest errors: rows that share a picture are not independent.

A score is a mean over rows. Its standard error is the cluster-robust one with the small-sample
factor G / (G - 1) (CR1; Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference",
2015), its interval Student's t with G - 1 degrees of freedom, G being the number of clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_NOISE = 1e-12
"""Share of the values' size below which a difference is the arithmetic's."""


class Estimate(NamedTuple):
    """A mean and what is known of its error, all in the unit of the values."""

    mean: float | None
    n: int
    clusters: int
    stderr: float | None
    low: float | None
    high: float | None
    reason: str | None
    """Why something is None."""


def clustered_mean(values: Floats, clusters: Codes) -> Estimate:
    """Mean of rows with its clustered error and 95 % interval.

    Args:
        values: One value a row, shape (n,).
        clusters: The row's cluster as a code from 0, shape (n,).
    """
    n = len(values)
    if n == 0:
        return Estimate(None, 0, 0, None, None, None, "no rows")
    mean = math.fsum(values) / n
    sums = cluster_sums(values - mean, clusters)
    groups = len(sums)
    if groups < 2:
        return Estimate(mean, n, groups, None, None, None, "one cluster: no error can be estimated")
    if not np.any(values != values[0]):
        return Estimate(mean, n, groups, None, None, None, "all rows are equal: no spread to see")
    stderr = math.sqrt(groups / (groups - 1) * math.fsum(sums**2)) / n
    if stderr <= _NOISE * float(np.abs(values).max()):
        reason = "all clusters have the same mean: no spread to see"
        return Estimate(mean, n, groups, None, None, None, reason)
    half = t_quantile(0.975, groups - 1) * stderr
    return Estimate(mean, n, groups, stderr, mean - half, mean + half, None)


def cluster_sums(values: Floats, clusters: Codes) -> Floats:
    """Sum of the values of each cluster that occurs, shape (G,)."""
    present = np.bincount(clusters) > 0
    sums = np.asarray(np.bincount(clusters, weights=values), dtype=np.float64)
    return sums[present]


class Sample(NamedTuple):
    """The rows of one published column."""

    values: Floats
    clusters: Codes
    """Codes are shared by the columns of one task: a picture has open and closed questions."""
    task: str


def mean_of_means(columns: Sequence[Sample]) -> tuple[float, float | None]:
    """Plain mean of column means, and its error.

    Columns of one task share pictures, so their errors are added within a cluster before
    squaring; tasks are independent of each other.

    Returns:
        The mean, and its standard error, or None where a task has a single cluster or there is
        no spread to see.
    """
    k = len(columns)
    mean = math.fsum(float(np.mean(column.values)) for column in columns) / k
    variance = 0.0
    for task in dict.fromkeys(column.task for column in columns):
        mine = [column for column in columns if column.task == task]
        size = 1 + max(int(column.clusters.max()) for column in mine)
        influence = np.zeros(size)
        present = np.zeros(size, dtype=bool)
        for column in mine:
            centred = (column.values - np.mean(column.values)) / (k * len(column.values))
            influence += np.bincount(column.clusters, weights=centred, minlength=size)
            present |= np.bincount(column.clusters, minlength=size) > 0
        groups = int(present.sum())
        if groups < 2:
            return mean, None
        variance += groups / (groups - 1) * math.fsum(influence[present] ** 2)
    error = math.sqrt(variance)
    most = max(float(np.abs(column.values).max()) for column in columns)
    return mean, error if error > _NOISE * most else None


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    # Imported here: it takes longer than everything else in this module together.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
