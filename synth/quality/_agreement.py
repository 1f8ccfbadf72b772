"""How far a judge and people agree: on tables of counts, with intervals by bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.quality._types import BEST, scaled

Floats = NDArray[np.float64]
_DRAWS = 2_000
_LEAST_DEFINED = 0.95
_STEPS = np.arange(BEST, dtype=np.float64)


def agreement(
    people: Sequence[int], judge: Sequence[int], clusters: Sequence[str]
) -> dict[str, Any]:
    """Compare two raters' grades of the same samples.

    Args:
        people: Grades, 1 to 5.
        judge: The other's, in the same order.
        clusters: What samples have in common (their picture): these are drawn, not the samples.

    Returns:
        n; `exact` and `within_one`, in percent; `spearman` (rank correlation with ties) and
        `kappa` (Cohen's, with squared weights), each with a 95 % percentile interval or the reason
        why there is none; both means, 0 to 100.
    """
    n = len(people)
    if not n:
        return {"n": 0}
    apart = np.abs(np.subtract(people, judge))
    cells = (np.asarray(people) - 1) * BEST + np.asarray(judge) - 1
    _, codes = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    groups = int(codes.max()) + 1
    per_group = np.zeros((groups, BEST * BEST))
    np.add.at(per_group, (codes, cells), 1.0)
    table = per_group.sum(axis=0).reshape(1, BEST, BEST)
    drawn = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), _DRAWS)
    tables = (drawn @ per_group).reshape(_DRAWS, BEST, BEST)
    return {
        "n": n,
        "clusters": groups,
        "exact": 100.0 * float(np.mean(apart == 0)),
        "within_one": 100.0 * float(np.mean(apart <= 1)),
        "spearman": _with_interval(spearman(table), spearman(tables), groups),
        "kappa": _with_interval(kappa(table), kappa(tables), groups),
        "people": scaled(float(np.mean(people))),
        "judge": scaled(float(np.mean(judge))),
    }


def kappa(tables: Floats) -> Floats:
    """Cohen's kappa with squared weights; NaN where each rater gave one grade throughout.

    Args:
        tables: Counts, shape (k, 5, 5).

    Returns:
        Shape (k,).
    """
    rows, columns, n = _margins(tables)
    weights = (_STEPS[:, None] - _STEPS[None, :]) ** 2
    seen = (tables * weights).sum(axis=(1, 2))
    expected = (rows[:, :, None] * columns[:, None, :] * weights).sum(axis=(1, 2)) / n
    return _ratio(expected - seen, expected)


def spearman(tables: Floats) -> Floats:
    """Rank correlation, equal grades sharing their mean rank; NaN where a rater gave one grade.

    Args:
        tables: Counts, shape (k, 5, 5).

    Returns:
        Shape (k,).
    """
    rows, columns, n = _margins(tables)
    a, b = (_ranks(margin) - (n[:, None] + 1) / 2 for margin in (rows, columns))
    covered = (tables * a[:, :, None] * b[:, None, :]).sum(axis=(1, 2))
    spread = (rows * a**2).sum(axis=1) * (columns * b**2).sum(axis=1)
    return _ratio(covered, np.sqrt(spread))


def _margins(tables: Floats) -> tuple[Floats, Floats, Floats]:
    return tables.sum(axis=2), tables.sum(axis=1), tables.sum(axis=(1, 2))


def _ranks(margin: Floats) -> Floats:
    """Mean rank of each grade, from how often each was given."""
    return np.cumsum(margin, axis=1) - margin + (margin + 1) / 2


def _ratio(over: Floats, under: Floats) -> Floats:
    result = np.full(len(under), np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result


def _with_interval(value: Floats, drawn: Floats, groups: int) -> dict[str, Any]:
    found = float(value[0])
    if np.isnan(found):
        return {"value": None, "reason": "a rater gave one grade throughout"}
    defined = drawn[~np.isnan(drawn)]
    if groups < 2 or len(defined) < _LEAST_DEFINED * len(drawn):
        return {"value": found, "reason": "too few different samples for an interval"}
    low, high = np.percentile(defined, (2.5, 97.5))
    return {"value": found, "low": float(low), "high": float(high)}
