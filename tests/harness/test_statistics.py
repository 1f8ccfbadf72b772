"""Errors and intervals against scipy, statsmodels, brute force and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.statistics import Sample, clustered_mean, mean_of_means, t_quantile

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
VALUES = st.one_of(
    st.sampled_from([0.0, 1.0, 100.0]), st.floats(0, 100).map(lambda value: round(value, 6))
)
ROWS = st.lists(st.tuples(VALUES, st.integers(0, 8)), min_size=2, max_size=60)


def arrays(rows: list[tuple[float, int]]) -> tuple[Floats, Codes]:
    return np.array([v for v, _ in rows]), np.array([c for _, c in rows], dtype=np.int64)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=60))
def test_clusters_of_one_row_give_the_plain_error(rows: list[float]) -> None:
    assume(len(set(rows)) > 1)
    values = np.array(rows)
    found = clustered_mean(values, np.arange(len(rows)))
    assert found.mean == pytest.approx(values.mean())
    assert found.stderr == pytest.approx(scipy.stats.sem(values))
    low, high = scipy.stats.t.interval(0.95, len(rows) - 1, values.mean(), scipy.stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.n, found.clusters, found.reason) == (len(rows), len(rows), None)


@settings(deadline=None)
@given(ROWS)
def test_equals_statsmodels(rows: list[tuple[float, int]]) -> None:
    from statsmodels.regression.linear_model import OLS

    values, clusters = arrays(rows)
    found = clustered_mean(values, clusters)
    assume(found.stderr is not None)
    fitted = OLS(values, np.ones_like(values)).fit(
        cov_type="cluster",
        cov_kwds={"groups": clusters, "use_correction": True, "df_correction": True},
        use_t=True,
    )
    # statsmodels adds (N - 1) / (N - K), which is 1 for a mean.
    assert found.mean == pytest.approx(fitted.params[0])
    assert found.stderr == pytest.approx(fitted.bse[0])
    low, high = fitted.conf_int()[0]
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@settings(deadline=None)
@given(ROWS, st.permutations(range(9)), st.randoms(use_true_random=False), st.integers(1, 500))
def test_names_and_order_do_not_matter(
    rows: list[tuple[float, int]], names: list[int], random: Any, apart: int
) -> None:
    found = clustered_mean(*arrays(rows))
    renamed = [(value, apart * names[cluster]) for value, cluster in rows]
    random.shuffle(renamed)
    again = clustered_mean(*arrays(renamed))
    assert again[5:] == (pytest.approx(found.high), found.reason)
    assert again[:5] == tuple(
        None if number is None else pytest.approx(number) for number in found[:5]
    )


@settings(deadline=None)
@given(ROWS)
def test_scale(rows: list[tuple[float, int]]) -> None:
    values, clusters = arrays(rows)
    share, percent = clustered_mean(values / 100, clusters), clustered_mean(values, clusters)
    assert share.reason == percent.reason
    if share.stderr is not None:
        assert 100 * share.stderr == pytest.approx(percent.stderr)


@pytest.mark.parametrize(
    ("values", "clusters", "mean", "reason"),
    [
        ([], [], None, "no rows"),
        ([1.0], [0], 1.0, "one cluster"),
        ([1.0, 0.0, 0.0], [4, 4, 4], 1 / 3, "one cluster"),
        ([0.0, 0.0, 0.0], [0, 1, 2], 0.0, "all rows are equal"),
        ([100.0] * 5, [0, 0, 1, 1, 2], 100.0, "all rows are equal"),
        # The same three values on every picture.
        ([1 / 3, 0.1, 0.7] * 7, [i // 3 for i in range(21)], 1.1333333 / 3, "the same mean"),
    ],
)
def test_no_error_without_spread(
    values: list[float], clusters: list[int], mean: float | None, reason: str
) -> None:
    found = clustered_mean(np.array(values, dtype=float), np.array(clusters, dtype=np.int64))
    assert found.mean == (None if mean is None else pytest.approx(mean))
    assert (found.n, found.clusters) == (len(values), len(set(clusters)))
    assert (found.stderr, found.low, found.high) == (None, None, None)
    assert found.reason is not None
    assert reason in found.reason


COLUMN = st.lists(st.tuples(VALUES, st.integers(0, 5)), min_size=1, max_size=25)


def by_refitting(columns: list[Sample]) -> float:
    """Delta method without its formula: how the mean answers to each cluster's weight."""
    small, variance = 1e-6, 0.0
    for task in {column.task for column in columns}:
        codes = sorted(
            {int(c) for column in columns if column.task == task for c in column.clusters}
        )
        moves = []
        for code in codes:
            ends = []
            for weight in (1 + small, 1 - small):
                means = []
                for column in columns:
                    inside = (column.clusters == code) & (column.task == task)
                    weights = np.where(inside, weight, 1.0)
                    means.append(np.average(column.values, weights=weights))
                ends.append(np.mean(means))
            moves.append((ends[0] - ends[1]) / (2 * small))
        variance += len(codes) / (len(codes) - 1) * float(np.sum(np.square(moves)))
    return math.sqrt(variance)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(COLUMN, st.sampled_from("ab")), min_size=1, max_size=4))
def test_mean_of_means_equals_the_delta_method(
    drawn: list[tuple[list[tuple[float, int]], str]],
) -> None:
    columns = [Sample(*arrays(rows), task) for rows, task in drawn]
    mean, error = mean_of_means(columns)
    assert mean == pytest.approx(np.mean([column.values.mean() for column in columns]))
    lonely = any(
        len({int(c) for x in columns if x.task == task for c in x.clusters}) < 2
        for task in {column.task for column in columns}
    )
    if lonely:
        assert error is None
    else:
        assert (error or 0.0) == pytest.approx(by_refitting(columns), rel=1e-4, abs=1e-7)


@settings(deadline=None)
@given(ROWS)
def test_mean_of_one_column_is_the_column(rows: list[tuple[float, int]]) -> None:
    found = clustered_mean(*arrays(rows))
    mean, error = mean_of_means([Sample(*arrays(rows), "a")])
    assert mean == pytest.approx(found.mean)
    assert error == (None if found.stderr is None else pytest.approx(found.stderr))


@settings(deadline=None)
@given(st.lists(ROWS, min_size=2, max_size=4))
def test_tasks_are_independent(drawn: list[list[tuple[float, int]]]) -> None:
    estimates = [clustered_mean(*arrays(rows)) for rows in drawn]
    assume(all(estimate.stderr is not None for estimate in estimates))
    columns = [Sample(*arrays(rows), f"task {i}") for i, rows in enumerate(drawn)]
    _, error = mean_of_means(columns)
    squares = [estimate.stderr**2 for estimate in estimates if estimate.stderr is not None]
    assert error == pytest.approx(math.sqrt(sum(squares)) / len(drawn))


def test_columns_that_share_pictures_are_not_independent() -> None:
    """The same rows twice are no more than the rows once."""
    rng = np.random.default_rng(0)
    values, clusters = rng.integers(0, 2, 300).astype(float), rng.integers(0, 40, 300)
    once = clustered_mean(values, clusters).stderr
    same = mean_of_means([Sample(values, clusters, "a")] * 2)[1]
    assert same == pytest.approx(once)
    assert once is not None
    apart = mean_of_means([Sample(values, clusters, "a"), Sample(values, clusters, "b")])[1]
    assert apart == pytest.approx(once / math.sqrt(2))


@given(st.floats(0.001, 0.999), st.integers(1, 10_000))
def test_t_quantile(probability: float, degrees: int) -> None:
    wanted = scipy.stats.t.ppf(probability, degrees)
    assert t_quantile(probability, degrees) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_intervals_cover() -> None:
    """On SLAKE's shape (645 open rows, 96 pictures) 95 % is 95 % by picture, and not by row."""
    rng = np.random.default_rng(7)
    times, pictures, rows = 2_000, 96, 645
    # Some pictures have many questions: sizes from 1 to about 25.
    shares = rng.gamma(2.0, size=pictures)
    clusters = np.concatenate([np.arange(pictures), rng.choice(pictures, rows - pictures, p=shares / shares.sum())])  # fmt: skip
    truth, hits, naive = 0.7, 0, 0
    for _ in range(times):
        # Each picture has its own difficulty: correlation within a picture is 0.25.
        chances = rng.beta(3 * truth, 3 * (1 - truth), pictures)
        values = (rng.random(rows) < chances[clusters]).astype(float)
        found = clustered_mean(values, clusters)
        plain = clustered_mean(values, np.arange(rows))
        assert found.low is not None
        assert found.high is not None
        assert plain.low is not None
        assert plain.high is not None
        hits += found.low <= truth <= found.high
        naive += plain.low <= truth <= plain.high
    assert 0.935 <= hits / times <= 0.96
    assert naive / times <= 0.85
