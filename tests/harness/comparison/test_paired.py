"""The difference of two models on the same rows, against other programs and by its properties."""

from __future__ import annotations

import math
import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.comparison import (
    PairedEstimate,
    average_difference,
    bootstrap_interval,
    paired_difference,
    sign_flip_p,
)
from harness.statistics import Sample, average, holm, mean_of_means, t_p_value

Floats = NDArray[np.float64]
VALUES = st.one_of(
    st.sampled_from([0.0, 100.0]), st.floats(0, 100).map(lambda value: round(value, 6))
)
ROWS = st.lists(st.tuples(VALUES, VALUES, st.integers(0, 8)), min_size=2, max_size=60)
Rows = list[tuple[float, float, int]]


def compare(rows: Rows, *, resample: bool = True) -> PairedEstimate:
    a, b, clusters = zip(*rows, strict=True)
    return paired_difference(a, b, clusters, resample=resample)


def close(a: PairedEstimate, b: PairedEstimate) -> None:
    for name, one, other in zip(a._fields, a, b, strict=True):
        if name == "warnings":
            assert len(a.warnings) == len(b.warnings)
        elif isinstance(one, float | tuple):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-7), name
        else:
            assert one == other, name


@given(st.lists(st.tuples(VALUES, VALUES), min_size=3, max_size=60))
def test_single_rows_give_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    found = paired_difference(a, b, np.arange(len(a)), resample=False)
    assume(found.stderr is not None)
    wanted = scipy.stats.ttest_rel(b, a)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-6, abs=1e-12)
    interval = wanted.confidence_interval(0.95)
    assert (found.low, found.high) == (
        pytest.approx(interval.low, abs=1e-7), pytest.approx(interval.high, abs=1e-7)
    )  # fmt: skip
    assert (found.degrees, found.n, found.clusters) == (len(a) - 1, len(a), len(a))


@given(ROWS)
def test_equals_statsmodels(rows: Rows) -> None:
    from statsmodels.regression.linear_model import OLS

    found = compare(rows, resample=False)
    assume(found.stderr is not None)
    a, b, clusters = (np.array(column) for column in zip(*rows, strict=True))
    fitted = OLS(b - a, np.ones(len(a))).fit(
        cov_type="cluster",
        cov_kwds={"groups": clusters, "use_correction": True, "df_correction": True},
        use_t=True,
    )
    assert found.difference == pytest.approx(fitted.params[0], abs=1e-9)
    assert found.stderr == pytest.approx(fitted.bse[0])
    assert found.p == pytest.approx(fitted.pvalues[0], rel=1e-6, abs=1e-12)
    low, high = fitted.conf_int()[0]
    assert (found.low, found.high) == (
        pytest.approx(low, abs=1e-7), pytest.approx(high, abs=1e-7)
    )  # fmt: skip


@given(ROWS)
def test_the_other_way_round(rows: Rows) -> None:
    found, back = compare(rows), compare([(b, a, cluster) for a, b, cluster in rows])
    assert back.difference == pytest.approx(-float(found.difference or 0.0), abs=1e-9)
    if found.low is not None and found.high is not None:
        assert (back.low, back.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    if found.bootstrap is not None:
        assert back.bootstrap == pytest.approx((-found.bootstrap[1], -found.bootstrap[0]), abs=1e-7)
    assert back[-2] == found[-2]
    assert back.p == (None if found.p is None else pytest.approx(found.p))
    assert (back.permutation_p, back.detectable) == (found.permutation_p, found.detectable)


@given(ROWS, st.permutations(range(9)), st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(rows: Rows, names: list[int], random: Any) -> None:
    found = compare(rows)
    renamed = [(a, b, 7 * names[cluster]) for a, b, cluster in rows]
    random.shuffle(renamed)
    close(compare(renamed), found)
    a, b, clusters = zip(*renamed, strict=True)
    close(paired_difference(a, b, [f"picture {cluster}" for cluster in clusters]), found)


@given(ROWS)
def test_p_values_are_probabilities(rows: Rows) -> None:
    found = compare(rows)
    for p in (found.p, found.permutation_p):
        assert p is None or 0 < p <= 1 or (p == 0 and abs(found.difference or 0) > 1)
    assert found.permutation_p is None or found.permutation_p > 0


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=11))
def test_few_flips_are_all_looked_at(terms: list[int]) -> None:
    assume(any(terms))
    sums = np.array(terms, dtype=float)
    every = [abs(sum(s * t for s, t in zip(signs, terms, strict=True)))
             for signs in product((1, -1), repeat=len(terms))]  # fmt: skip
    wanted = np.mean(np.array(every) >= abs(sum(terms)))
    assert sign_flip_p(sums) == pytest.approx(wanted)
    scipys = scipy.stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    # Scipy doubles the smaller tail: the same, as the flips are symmetric.
    assert sign_flip_p(sums) == pytest.approx(min(1.0, scipys.pvalue))


def test_many_flips_are_drawn() -> None:
    rng = np.random.default_rng(3)
    sums = rng.normal(0.25, 1, 80)
    scipys = scipy.stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=19_999, vectorized=True, rng=4
    )
    found = sign_flip_p(sums)
    assert found is not None
    assert abs(found - scipys.pvalue) < 4 * math.sqrt(2 * found * (1 - found) / 20_000)
    assert sign_flip_p(sums[::-1]) == found == sign_flip_p(-sums)
    # The least it can say is that none of the draws was as extreme.
    assert sign_flip_p(np.ones(60)) == pytest.approx(1 / 20_000)
    assert sign_flip_p(np.zeros(5)) is None


@pytest.mark.parametrize("kind", ["few kinds", "many kinds"])
def test_the_bootstrap_finds_the_interval(kind: str) -> None:
    rng = np.random.default_rng(1)
    groups = 400
    sizes = rng.integers(1, 4, groups)
    sums = (
        rng.binomial(sizes, 0.6).astype(float) if kind == "few kinds" else rng.normal(2, 1, groups)
    )
    low, high = bootstrap_interval(sums, sizes, draws=4_000)
    ratio = sums.sum() / sizes.sum()
    error = math.sqrt(float(np.square(sums - ratio * sizes).sum())) / sizes.sum()
    assert (low, high) == (
        pytest.approx(ratio - 1.96 * error, abs=0.25 * error),
        pytest.approx(ratio + 1.96 * error, abs=0.25 * error),
    )


def test_smallest_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(2)
    rows, times, found = 60, 3_000, 0
    spread = 10.0
    degrees = rows - 1
    real = scipy.stats.t.ppf(0.975, degrees) + scipy.stats.t.ppf(0.8, degrees)
    shift = real * spread / math.sqrt(rows)
    reports = []
    for _ in range(times):
        b = rng.normal(shift, spread, rows)
        one = paired_difference(np.zeros(rows), b, np.arange(rows), resample=False)
        assert one.p is not None
        assert one.detectable is not None
        found += one.p < 0.05
        reports.append(one.detectable)
    assert found / times == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / times))
    assert np.mean(reports) == pytest.approx(shift, rel=0.01)


@pytest.mark.parametrize(
    ("a", "b", "clusters", "difference", "reason", "flips"),
    [
        ([], [], [], None, "no rows", None),
        ([0.0], [100.0], [0], 100.0, "one cluster", None),
        ([0.0, 0.0, 100.0], [100.0, 0.0, 0.0], [4, 4, 4], 0.0, "one cluster", None),
        ([50.0, 0.0, 100.0], [50.0, 0.0, 100.0], [0, 1, 2], 0.0, "all differences are 0", None),
        ([0.0] * 3, [100.0] * 3, [0, 1, 2], 100.0, "all rows are equal", 0.25),
        ([0.0] * 4, [0.0, 100.0] * 2, [0, 0, 1, 1], 50.0, "the same mean", 0.5),
    ],
)
def test_what_cannot_be_estimated(
    a: list[float], b: list[float], clusters: list[int], difference: float | None,
    reason: str, flips: float | None,
) -> None:  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired_difference(a, b, clusters)
    assert found.difference == difference
    assert found.reason is not None
    assert reason in found.reason
    assert (found.stderr, found.low, found.high, found.p, found.detectable) == (None,) * 5
    assert found.permutation_p == flips


def test_bad_arrays() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        paired_difference([1.0, 2.0], [1.0], [0, 1])
    with pytest.raises(ValueError, match="not a finite number"):
        paired_difference([1.0, math.nan], [1.0, 1.0], [0, 1])


def test_few_clusters_and_odd_bootstraps_are_told() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 300)) * 100.0
    assert paired_difference(a, b, np.arange(300)).warnings == ()
    few = paired_difference(a, b, np.arange(300) % 12)
    assert "fewer than 30" in few.warnings[0]
    assert few.low is not None
    # One huge picture holds nearly all of the change.
    b = a.copy()
    b[:200] += 40 * rng.random(200)
    skewed = paired_difference(a, b, np.maximum(np.arange(300) - 199, 0))
    assert any("bootstrap" in warning for warning in skewed.warnings)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_equals_statsmodels(p_values: list[float | None]) -> None:
    from statsmodels.stats.multitest import multipletests

    found = holm(p_values)
    assert [p is None for p in found] == [p is None for p in p_values]
    tested = [p for p in p_values if p is not None]
    if tested:
        wanted = multipletests(tested, method="holm")[1]
        assert [p for p in found if p is not None] == pytest.approx(list(wanted))


@given(st.floats(-40, 40), st.floats(1, 10_000))
def test_t_p_value(statistic: float, degrees: float) -> None:
    wanted = 2 * scipy.stats.t.sf(abs(statistic), degrees)
    assert t_p_value(statistic, degrees) == pytest.approx(wanted, rel=1e-7)


@given(st.lists(ROWS, min_size=1, max_size=3), st.booleans())
def test_an_average_of_differences(drawn: list[Rows], shared: bool) -> None:
    samples = [
        Sample(
            np.array([b - a for a, b, _ in rows]),
            np.array([cluster for *_, cluster in rows]),
            "one task" if shared else f"task {place}",
        )
        for place, rows in enumerate(drawn)
    ]
    found = average_difference(samples, resample=True)
    mean, error = mean_of_means(samples)
    assert found.difference == mean
    assert found.stderr == error
    if error is not None and found.degrees is not None:
        groups = [len(set(sample.clusters.tolist())) - 1 for sample in samples]
        assert found.degrees <= (max(groups) if not shared else 8) * len(samples) + 1e-6
        assert found.permutation_p is None or 0 < found.permutation_p <= 1
    if len(samples) == 1:
        alone = compare(drawn[0])
        assert found.degrees == (None if alone.degrees is None else pytest.approx(alone.degrees))
        if alone.p is not None:
            assert found.p == pytest.approx(alone.p, rel=1e-6, abs=1e-12)
            assert found.permutation_p == pytest.approx(alone.permutation_p)


def test_two_equal_tasks_have_twice_the_degrees() -> None:
    rng = np.random.default_rng(5)
    values, clusters = rng.normal(0, 1, 100), np.arange(100) % 20
    both = average([Sample(values, clusters, "a"), Sample(values, clusters, "b")])
    assert both.degrees == pytest.approx(2 * 19)


def test_averages_with_columns_without_spread_cover_as_often_as_they_say() -> None:
    # Pictures, rows a picture, chances that a row gets better and worse; two are near their ceiling.
    columns = [("s", 26, 3, 0.004, 0.0), ("s", 26, 4, 0.35, 0.05), ("v", 8, 3, 0.0, 0.01),
               ("v", 8, 4, 0.25, 0.15), ("m", 15, 4, 0.1, 0.08)]  # fmt: skip
    truth = np.mean([better - worse for *_, better, worse in columns])
    rng = np.random.default_rng(0)
    covered = []
    while len(covered) < 2_000:
        samples = []
        for task, pictures, rows, better, worse in columns:
            shape = (pictures, rows)
            luck = np.where(rng.random(shape) < 0.5, rng.random((pictures, 1)), rng.random(shape))
            values = ((luck < better) * 1.0 - (luck > 1 - worse)).ravel()
            samples.append(Sample(values, np.repeat(np.arange(pictures), rows), task))
        if all(sample.values.any() for sample in samples):
            continue
        found = average_difference(samples, resample=False)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= truth <= found.high)
    assert 0.935 < np.mean(covered) < 0.965
