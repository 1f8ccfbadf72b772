"""Agreement of two raters, against scipy's and scikit-learn's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from synth.quality._agreement import agreement, kappa, spearman


def grades(seed: int, n: int, noise: float) -> tuple[list[int], list[int]]:
    rng = random.Random(seed)
    people = [rng.randint(1, 5) for _ in range(n)]
    judge = [rng.randint(1, 5) if rng.random() < noise else grade for grade in people]
    return people, judge


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_the_libraries(seed: int) -> None:
    from scipy.stats import spearmanr
    from sklearn.metrics import cohen_kappa_score

    people, judge = grades(seed, 20 + 30 * seed, 0.2 * seed)
    found = agreement(people, judge, [str(n) for n in range(len(people))])
    assert found["spearman"]["value"] == pytest.approx(spearmanr(people, judge).statistic)
    wanted = cohen_kappa_score(people, judge, weights="quadratic")
    assert found["kappa"]["value"] == pytest.approx(wanted)
    assert found["exact"] == pytest.approx(100 * np.mean(np.equal(people, judge)))
    for name in ("spearman", "kappa"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


def test_intervals_cover_as_often_as_they_say() -> None:
    truth = agreement(*grades(1, 200_000, 0.5), ["x"] * 200_000)["kappa"]["value"]
    hits = 0
    for seed in range(60):
        found = agreement(*grades(1_000 + seed, 120, 0.5), [str(n) for n in range(120)])["kappa"]
        hits += found["low"] <= truth <= found["high"]
    assert hits >= 52


def test_pictures_are_drawn_not_samples() -> None:
    people, judge = grades(0, 200, 0.6)
    alone = agreement(people, judge, [str(n) for n in range(200)])["kappa"]
    both = agreement(people * 4, judge * 4, [str(n % 200) for n in range(800)])
    assert both["clusters"] == 200
    assert both["kappa"]["low"] == pytest.approx(alone["low"], abs=0.02)


def test_what_is_not_defined_has_a_reason() -> None:
    assert agreement([], [], []) == {"n": 0}
    found = agreement([5, 5, 5], [5, 5, 5], ["a", "b", "c"])
    assert found["exact"] == 100
    assert found["kappa"]["value"] is None
    assert "reason" in agreement([1, 2, 3], [1, 2, 3], ["a", "a", "a"])["kappa"]
    empty = np.zeros((1, 5, 5))
    with np.errstate(invalid="ignore"):
        assert np.isnan(kappa(empty)).all()
        assert np.isnan(spearman(empty)).all()
