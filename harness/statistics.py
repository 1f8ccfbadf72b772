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


class Average(NamedTuple):
    """A plain mean of column means, and what is known of its error."""

    mean: float
    stderr: float | None
    """None where a task has a single cluster or there is no spread to see."""
    degrees: float | None
    """Of freedom, after Welch and Satterthwaite: V^2 / sum(V_t^2 / (G_t - 1)) over the tasks."""


def mean_of_means(columns: Sequence[Sample]) -> tuple[float, float | None]:
    """Plain mean of column means, and its error: the first two fields of `average`."""
    return average(columns)[:2]


def average(columns: Sequence[Sample]) -> Average:
    """Plain mean of column means, and its error.

    Columns of one task share pictures, so their errors are added within a cluster before
    squaring; tasks are independent of each other.

    Args:
        columns: At least one; each with at least one row.
    """
    k = len(columns)
    mean = math.fsum(float(np.mean(column.values)) for column in columns) / k
    variances, degrees = [], []
    for task in dict.fromkeys(column.task for column in columns):
        mine = [column for column in columns if column.task == task]
        centred = [
            column._replace(values=(column.values - np.mean(column.values))) for column in mine
        ]
        influence = task_influence(centred, k)
        groups = len(influence)
        if groups < 2:
            return Average(mean, None, None)
        variances.append(groups / (groups - 1) * math.fsum(influence**2))
        degrees.append(groups - 1)
    error = math.sqrt(math.fsum(variances))
    most = max(float(np.abs(column.values).max()) for column in columns)
    if error <= _NOISE * most:
        return Average(mean, None, None)
    parts = zip(variances, degrees, strict=True)
    freedom = error**4 / math.fsum(variance**2 / own for variance, own in parts)
    return Average(mean, error, freedom)


def task_influence(columns: Sequence[Sample], k: int) -> Floats:
    """What each cluster of one task adds to a mean of `k` column means, shape (G,)."""
    size = 1 + max(int(column.clusters.max()) for column in columns)
    influence: Floats = np.zeros(size)
    present: NDArray[np.bool_] = np.zeros(size, dtype=bool)
    for column in columns:
        shares = column.values / (k * len(column.values))
        influence += np.bincount(column.clusters, weights=shares, minlength=size)
        present |= np.bincount(column.clusters, minlength=size) > 0
    return influence[present]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for their number by Holm's step-down method (1979).

    Args:
        p_values: One a hypothesis; None where none was tested, which counts for nothing.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = highest
    return adjusted


def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t distribution."""
    # Imported here: it takes longer than everything else in this module together.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def t_p_value(statistic: float, degrees: float) -> float:
    """Two-sided p of a t statistic."""
    from scipy.special import stdtr

    return min(1.0, 2.0 * float(stdtr(degrees, -abs(statistic))))
