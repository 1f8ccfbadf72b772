"""Which rows changed: the four fields of right and wrong, and the rows to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Floats


class Flips(NamedTuple):
    """Rows of a 0/1 metric by who is right."""

    both_right: int
    only_baseline: int
    only_candidate: int
    both_wrong: int


class ChangedRow(NamedTuple):
    """One row whose value moved, values from 0 to 100."""

    row_id: str
    row_index: int
    baseline: float
    candidate: float


class Changes(NamedTuple):
    """What became of the rows from baseline to candidate."""

    up: int
    down: int
    same: int
    flips: Flips | None
    """None where a metric knows more than right and wrong."""
    gained: tuple[ChangedRow, ...]
    """The rows that gained most, the largest change first."""
    lost: tuple[ChangedRow, ...]


def changes(
    a: Floats, b: Floats, ids: Sequence[str], index: NDArray[np.int64], most: int
) -> Changes:
    """Count rows that moved and pick those to look at.

    Args:
        a: Values under the baseline, 0 to 100, shape (n,).
        b: Under the candidate, shape (n,).
        ids: Row ids.
        index: Positions in the row source.
        most: Rows to pick in either direction.
    """
    moved = b - a
    up, down = int((moved > 0).sum()), int((moved < 0).sum())
    flips = None
    if np.isin(a, (0.0, 100.0)).all() and np.isin(b, (0.0, 100.0)).all():
        right_a, right_b = a > 0, b > 0
        flips = Flips(int((right_a & right_b).sum()), down, up, int((~right_a & ~right_b).sum()))

    def largest(sign: int) -> tuple[ChangedRow, ...]:
        order = np.lexsort((index, -sign * moved))[:most]
        return tuple(
            ChangedRow(ids[i], int(index[i]), float(a[i]), float(b[i]))
            for i in order
            if sign * moved[i] > 0
        )

    return Changes(up, down, len(a) - up - down, flips, largest(1), largest(-1))
