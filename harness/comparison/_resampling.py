"""Sign flips and resamples of whole clusters, drawn alike for alike clusters in any order."""

from __future__ import annotations

import math

import numpy as np

from harness.statistics import Codes, Floats

EXACT_CLUSTERS = 14
"""Up to so many clusters that differ, all sign flips are looked at."""
FLIPS = 19_999
RESAMPLES = 2_000
_BLOCK = 10
"""Clusters whose sign flips are drawn together, out of a table of all 2^10 sums."""
_CELLS = 2**20
"""Numbers held at once while resampling."""
_DIGITS = 12
_TIE = 1e-8
"""Sums nearer than this share of the largest cluster's are equal but for arithmetic."""


def sign_flip_p(sums: Floats, *, draws: int = FLIPS) -> float | None:
    """Two-sided p of a sum of independent terms, each of which could as well be negative.

    Up to 14 terms that are not 0 every flip is looked at; else random ones, counting the observed
    one among them: (k + 1) / (draws + 1) (Phipson and Smyth, 2010). The draws are the same
    for the same terms, whatever their order and signs.

    Args:
        sums: The terms: sums of differences over whole clusters, shape (G,).
        draws: Random flips.

    Returns:
        None if all terms are 0.
    """
    size = float(np.abs(sums).max(initial=0.0))
    if size == 0.0:
        return None
    scaled = np.round(sums / size, _DIGITS)
    terms = np.sort(np.abs(scaled[scaled != 0]))[::-1]
    enough = abs(math.fsum(scaled)) - _TIE
    if len(terms) <= EXACT_CLUSTERS:
        # The other half of the flips has the same sums with the other sign.
        return float(np.mean(np.abs(terms[0] + _signed_sums(terms[1:])) >= enough))
    rng = np.random.default_rng(0)
    totals = np.zeros(draws)
    for start in range(0, len(terms), _BLOCK):
        table = _signed_sums(terms[start : start + _BLOCK])
        totals += table[rng.integers(0, len(table), draws, dtype=np.uint16)]
    return float((np.count_nonzero(np.abs(totals) >= enough) + 1) / (draws + 1))


def _signed_sums(terms: Floats) -> Floats:
    """Sums of the terms under all choices of signs, shape (2^len(terms),)."""
    sums = np.zeros(1)
    for term in terms:
        sums = np.concatenate((sums + term, sums - term))
    return sums


def bootstrap_interval(
    sums: Floats, sizes: Floats | Codes, *, draws: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of a mean over rows, whole clusters being drawn.

    Args:
        sums: Sum of the values of each cluster, shape (G,).
        sizes: Rows of each cluster, shape (G,).
        draws: Resamples. They are the same for the same clusters, whatever their order, and
            mirrored for mirrored values.
    """
    scale = float(np.abs(sums).max(initial=0.0)) or 1.0
    # Adding 0 turns -0 into 0.
    rounded = np.round(sums / scale, _DIGITS) + 0.0
    kinds, mirror = _kinds(sizes, rounded), _kinds(sizes, 0.0 - rounded)
    unlike = (kinds - mirror)[kinds != mirror]
    mirrored = bool(len(unlike)) and unlike[0] < 0
    if mirrored:
        kinds = mirror
    means = _resampled(kinds[:, :2], kinds[:, 2].astype(np.int64), draws) * scale
    low, high = (float(end) for end in np.quantile(means, (0.025, 0.975)))
    return (-high, -low) if mirrored else (low, high)


def _kinds(sizes: Floats | Codes, sums: Floats) -> Floats:
    """Size, sum and number of the clusters of each kind, in their order, shape (kinds, 3)."""
    kinds, counts = np.unique(np.column_stack((sizes, sums)), axis=0, return_counts=True)
    return np.column_stack((kinds, counts))


def _resampled(kinds: Floats, counts: Codes, draws: int) -> Floats:
    """Means of resamples, shape (draws,), from (size, sum) of each kind of cluster."""
    groups = int(counts.sum())
    rng = np.random.default_rng(0)
    few = len(kinds) * 8 <= groups
    width = len(kinds) if few else groups
    each = np.repeat(kinds, counts, axis=0)
    sizes, sums = each[:, 0].copy(), each[:, 1].copy()
    means = []
    for start in range(0, draws, max(1, _CELLS // width)):
        times = min(max(1, _CELLS // width), draws - start)
        if few:
            totals = rng.multinomial(groups, counts / groups, size=times) @ kinds
            means.append(totals[:, 1] / totals[:, 0])
        else:
            drawn = rng.integers(0, groups, (times, groups))
            means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)
