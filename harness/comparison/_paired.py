"""The difference of two sets of values on the same rows, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.comparison._resampling import bootstrap_interval, sign_flip_p
from harness.statistics import (
    Codes,
    Estimate,
    Floats,
    Sample,
    average,
    cluster_sums,
    clustered_mean,
    t_p_value,
    t_quantile,
    task_influence,
)

FEW_CLUSTERS = 30
NO_CHANGE = "all differences are 0"
_APART = 0.25
"""Share of half the interval by which an end of the bootstrap's must differ to be told."""


class PairedEstimate(NamedTuple):
    """A difference B - A in the unit of the values; what cannot be had is None."""

    difference: float | None
    n: int
    clusters: int
    stderr: float | None
    """Clustered (CR1)."""
    degrees: float | None
    """Of freedom of the t distribution: clusters - 1."""
    low: float | None
    high: float | None
    """95 % interval: difference -+ t(0.975) x stderr."""
    p: float | None
    """Two-sided, of the t statistic."""
    permutation_p: float | None
    """Two-sided, from flipping the signs of whole clusters."""
    bootstrap: tuple[float, float] | None
    """95 % percentile interval of the cluster bootstrap, as a cross-check."""
    detectable: float | None
    """Smallest difference found with 80 % power at two-sided 5 %: (t(0.975) + t(0.8)) x stderr
    (Bloom, "Minimum Detectable Effects", 1995)."""
    reason: str | None
    """Why something is None."""
    warnings: tuple[str, ...]


def paired_difference(
    values_a: ArrayLike,
    values_b: ArrayLike,
    clusters: ArrayLike | Sequence[str],
    *,
    resample: bool = True,
) -> PairedEstimate:
    """Mean of B - A over rows, with clustered interval and p.

    Args:
        values_a: A value a row of the baseline, shape (n,).
        values_b: Of the candidate, on the same rows in the same order, shape (n,).
        clusters: What makes rows dependent (a picture): numbers or names, shape (n,).
        resample: Whether to add what takes draws: permutation p and bootstrap.

    Raises:
        ValueError: Shapes differ, or a value is not finite.
    """
    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    names = np.asarray(clusters)
    if a.ndim != 1 or not a.shape == b.shape == names.shape:
        raise ValueError(f"shapes differ: {a.shape}, {b.shape}, {names.shape}")
    differences = b - a
    if not np.isfinite(differences).all():
        raise ValueError("a value is not a finite number")
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return difference_of(differences, codes, resample=resample)


def difference_of(differences: Floats, codes: Codes, *, resample: bool) -> PairedEstimate:
    """As `paired_difference`, for differences and cluster codes from 0."""
    found = clustered_mean(differences, codes)
    reason = found.reason
    if found.n and not differences.any():
        reason = NO_CHANGE
    if found.stderr is None or found.mean is None or found.low is None or found.high is None:
        flipped = _flips(differences, codes, found, resample)
        return without_error(
            reason,
            difference=found.mean,
            n=found.n,
            clusters=found.clusters,
            permutation_p=flipped,
        )
    degrees = found.clusters - 1
    detectable = (t_quantile(0.975, degrees) + t_quantile(0.8, degrees)) * found.stderr
    interval = None
    if resample:
        sizes = np.bincount(codes)
        interval = bootstrap_interval(cluster_sums(differences, codes), sizes[sizes > 0])
    return PairedEstimate(
        difference=found.mean,
        n=found.n,
        clusters=found.clusters,
        stderr=found.stderr,
        degrees=float(degrees),
        low=found.low,
        high=found.high,
        p=t_p_value(found.mean / found.stderr, degrees),
        permutation_p=_flips(differences, codes, found, resample),
        bootstrap=interval,
        detectable=detectable,
        reason=None,
        warnings=tuple(_warnings(found.clusters, (found.low, found.high), interval)),
    )


def without_error(
    reason: str | None,
    *,
    difference: float | None = None,
    n: int = 0,
    clusters: int = 0,
    permutation_p: float | None = None,
) -> PairedEstimate:
    """A difference of which no error can be estimated, if there is one at all."""
    return PairedEstimate(
        difference, n, clusters, None, None, None, None, None, permutation_p, None, None, reason, ()
    )


def _flips(differences: Floats, codes: Codes, found: Estimate, resample: bool) -> float | None:
    if not resample or found.clusters < 2:
        return None
    return sign_flip_p(cluster_sums(differences, codes))


def _warnings(
    clusters: int, interval: tuple[float, float], bootstrap: tuple[float, float] | None
) -> list[str]:
    found = []
    if clusters < FEW_CLUSTERS:
        found.append(
            f"{clusters} clusters: with fewer than {FEW_CLUSTERS} an interval may be short"
        )
    if bootstrap is not None:
        allowed = _APART * (interval[1] - interval[0]) / 2
        ends = zip(interval, bootstrap, strict=True)
        if any(abs(end - other) > allowed for end, other in ends):
            found.append(
                f"the bootstrap's interval differs: {bootstrap[0]:+.3g} to {bootstrap[1]:+.3g}"
            )
    return found


def average_difference(columns: Sequence[Sample], *, resample: bool) -> PairedEstimate:
    """Plain mean of the differences of several columns.

    Columns of one task share clusters, tasks are independent (`harness.statistics.average`).

    Args:
        columns: Differences of each column; at least one column, each with at least one row.
        resample: Whether to add the permutation p.
    """
    found = average(columns)
    tasks = dict.fromkeys(column.task for column in columns)
    mine = ([column for column in columns if column.task == task] for task in tasks)
    influence = np.concatenate([task_influence(part, len(columns)) for part in mine])
    n, clusters = sum(len(column.values) for column in columns), len(influence)
    if found.stderr is None or found.degrees is None:
        nothing = not any(column.values.any() for column in columns)
        reason = NO_CHANGE if nothing else "no error can be estimated"
        return without_error(reason, difference=found.mean, n=n, clusters=clusters)
    half = t_quantile(0.975, found.degrees) * found.stderr
    detectable = half + t_quantile(0.8, found.degrees) * found.stderr
    return PairedEstimate(
        difference=found.mean,
        n=n,
        clusters=clusters,
        stderr=found.stderr,
        degrees=found.degrees,
        low=found.mean - half,
        high=found.mean + half,
        p=t_p_value(found.mean / found.stderr, found.degrees),
        permutation_p=sign_flip_p(influence) if resample else None,
        bootstrap=None,
        detectable=detectable,
        reason=None,
        warnings=(),
    )
