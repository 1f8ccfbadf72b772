"""Do the intervals and tests of `harness compare` keep their word? Simulation on real shapes.

    python benchmarks/intervals.py [--times 2000] [--seed 0]

Two models answer the questions of many drawn test sets in which questions share pictures. How often
the 95 % interval holds the true score and the true difference, and how often equal models are told
apart at 5 %: clustered as `harness compare` does it, and by rows as if they were independent.
"""

from __future__ import annotations

import argparse
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from harness.comparison import paired_difference, sign_flip_p
from harness.statistics import cluster_sums, clustered_mean

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class Shape(NamedTuple):
    """A test set."""

    name: str
    questions: int
    images: int
    spread: float
    """Of the number of questions an image: shape of the gamma it is drawn from; lower is wider."""
    words: int = 1
    """A value is the mean of so many right or wrong words: 1 is accuracy, more is like recall."""


SLAKE = Shape("SLAKE", 1_061, 96, 4.0)
SHAPES = (
    SLAKE,
    Shape("SLAKE open (recall)", 645, 96, 4.0, words=3),
    Shape("PathVQA", 6_719, 858, 1.0),
    Shape("VQA-RAD", 451, 203, 4.0),
    Shape("10 images", 110, 10, 4.0),
)
# Variances of a question's latent ease. They add up to 1, so that a model's score is its chance,
# and are chosen so that naive intervals cover a SLAKE-like score in about 73 % and McNemar's test
# errs in about 13 %.
_PICTURE, _MODEL_ON_PICTURE, _QUESTION, _REST = 0.21, 0.06, 0.26, 0.47


class World(NamedTuple):
    """A test set's questions and two models' true scores."""

    shape: Shape
    clusters: Codes
    """Image of each question, shape (questions,)."""
    chances: tuple[float, float]

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Values of both models on a fresh test set, each of shape (questions,)."""
        shape = self.shape
        picture = rng.normal(0, math.sqrt(_PICTURE), shape.images)
        question = rng.normal(0, math.sqrt(_QUESTION), shape.questions)
        values = []
        for chance in self.chances:
            own = rng.normal(0, math.sqrt(_MODEL_ON_PICTURE), shape.images)
            rest = rng.normal(0, math.sqrt(_REST), (shape.words, shape.questions))
            ease = (picture + own)[self.clusters] + question
            values.append((ease + rest + ndtri(chance) > 0).mean(axis=0))
        return values[0], values[1]


def make_world(shape: Shape, chances: tuple[float, float], rng: np.random.Generator) -> World:
    """Deal the questions to images: each has one, some have many."""
    shares = rng.gamma(shape.spread, size=shape.images)
    more = rng.choice(shape.images, shape.questions - shape.images, p=shares / shares.sum())
    return World(shape, np.append(np.arange(shape.images), more).astype(np.int64), chances)


class Rates(NamedTuple):
    """Shares of the simulated test sets."""

    score: float
    """Clustered interval holds the true score."""
    score_naive: float
    difference: float
    """Clustered interval holds the true difference."""
    difference_naive: float
    clustered: float
    """Equal models told apart by the clustered t test."""
    flips: float
    """By the sign flips of whole clusters."""
    naive: float
    """By the t test over rows."""
    mcnemar: float
    """By McNemar's exact test; NaN for values that are not 0 or 1."""


def simulate(shape: Shape, times: int, seed: int) -> Rates:
    """Draw test sets: `times` with different models, `times` with equal ones."""
    rng = np.random.default_rng(seed)
    better = make_world(shape, (0.60, 0.65), rng)
    equal = better._replace(chances=(0.60, 0.60))
    rows = np.arange(shape.questions)
    hits, errors = np.zeros(4), np.zeros(4)
    for _ in range(times):
        a, b = better.draw(rng)
        for place, (values, truth) in enumerate(((b, 0.65), (b - a, 0.65 - 0.60))):
            for offset, clusters in enumerate((better.clusters, rows)):
                found = clustered_mean(values, clusters)
                if found.low is None or found.high is None:
                    raise RuntimeError("a test set without spread")
                hits[2 * place + offset] += found.low <= truth <= found.high
        a, b = equal.draw(rng)
        clustered = paired_difference(a, b, equal.clusters, resample=False).p
        flips = sign_flip_p(cluster_sums(b - a, equal.clusters), draws=1_999)
        naive = paired_difference(a, b, rows, resample=False).p
        p_values = (clustered, flips, naive, mcnemar(a, b))
        errors += [p is not None and p <= 0.05 for p in p_values]
    if shape.words > 1:
        errors[3] = math.nan
    return Rates(*(float(share) for share in np.append(hits, errors) / times))


def mcnemar(a: Floats, b: Floats) -> float:
    """Two-sided exact p of McNemar's test, which takes rows for independent."""
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    return min(1.0, 2.0 * float(binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))


def main() -> None:
    """Print a table a shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    heads = ("score", "by rows", "difference", "by rows", "t", "flips", "t, rows", "McNemar")
    print(f"{args.times:,} test sets a line, seed {args.seed}; 95 % intervals hold | errors at 5 %")
    error = 200 * math.sqrt(0.05 * 0.95 / args.times)
    print(f"a rate of 95 % or 5 % is known to within {error:.1f} (two standard errors)")
    print(f"{'':32}" + "".join(f"{head:>11}" for head in heads))
    for shape in SHAPES:
        rates = simulate(shape, args.times, args.seed)
        name = f"{shape.name}, {shape.questions:,} on {shape.images}"
        cells = ("-" if math.isnan(rate) else f"{100 * rate:.1f} %" for rate in rates)
        print(f"{name:32}" + "".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
