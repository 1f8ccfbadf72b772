"""Intervals and tests keep their word on sets shaped like the published ones; naive ones do not.

`benchmarks/intervals.py` holds the simulation and prints all of it as a table.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

_FILE = Path(__file__).resolve().parents[3] / "benchmarks" / "intervals.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intervals", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["intervals"] = module
    spec.loader.exec_module(module)
    return module


INTERVALS = _load()
REAL = {shape.name: shape for shape in INTERVALS.SHAPES if shape.images >= 30}


def check(name: str, times: int) -> None:
    """Compare with 95 % and 5 % to within three standard errors of the simulation."""
    rates = INTERVALS.simulate(REAL[name], times, 11)
    near = 3 * math.sqrt(0.05 * 0.95 / times)
    assert rates.score == pytest.approx(0.95, abs=near)
    assert rates.difference == pytest.approx(0.95, abs=near)
    assert rates.clustered == pytest.approx(0.05, abs=near)
    # Sums of 0/1 rows come in steps, and an equal sum counts as extreme: it errs less.
    assert 0.05 - 0.015 - near <= rates.flips <= 0.05 + near
    assert rates.score_naive < 0.95 - near
    assert rates.naive > 0.05


def test_slake() -> None:
    check("SLAKE", 500)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_all_shapes(name: str) -> None:
    check(name, 4_000)


@pytest.mark.slow
def test_naive_figures_on_slake() -> None:
    """The figures that the design of this comparison rests on: 73 % and 14 %."""
    rates = INTERVALS.simulate(INTERVALS.SLAKE, 4_000, 12)
    assert rates.score_naive == pytest.approx(0.73, abs=0.03)
    assert rates.mcnemar == pytest.approx(0.13, abs=0.03)


def test_true_scores() -> None:
    """The model of the simulation has the scores it says it has."""
    import numpy as np

    rng = np.random.default_rng(0)
    for shape in (INTERVALS.SLAKE, REAL["SLAKE open (recall)"]):
        world = INTERVALS.make_world(shape, (0.6, 0.65), rng)
        assert len(world.clusters) == shape.questions
        assert len(set(world.clusters.tolist())) == shape.images
        means = np.array([[x.mean() for x in world.draw(rng)] for _ in range(600)])
        error = means.std(axis=0) / math.sqrt(len(means))
        assert (abs(means.mean(axis=0) - (0.6, 0.65)) < 4 * error).all()
