"""MinHash: finds texts that may share most of their word triples, without comparing all pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth._words import Codes

_HASHES = 96
_MISSED = 1e-4  # chance at which a pair right at the threshold may be overlooked
_random = np.random.default_rng(20241129)
_ODD = _random.integers(0, 1 << 63, _HASHES, np.uint64) * np.uint64(2) + np.uint64(1)
_ADD = _random.integers(0, 1 << 63, _HASHES, np.uint64)


def band_keys(shingles: list[Codes], threshold: float) -> NDArray[np.uint64]:
    """Keys of each text, (n, bands): texts that share one may be alike.

    A pair whose Jaccard similarity is the threshold shares one with probability 0.9999, unless so
    small a threshold was asked for that 96 hashes cannot give it.

    Args:
        shingles: Of each text.
        threshold: Jaccard similarity that is to be found.
    """
    rows = _rows(threshold)
    bands = _HASHES // rows
    signature = np.stack([_signature(codes, bands * rows) for codes in shingles])
    keys = np.zeros((len(shingles), bands), np.uint64)
    for row in range(rows):
        part = signature[:, row::rows][:, :bands]
        keys = (keys ^ part) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(31)
    return keys


def _rows(threshold: float) -> int:
    """Most hashes a band may join; more make fewer false candidates."""
    fits = [
        rows for rows in range(1, 13)
        if (1 - threshold**rows) ** (_HASHES // rows) <= _MISSED
    ]  # fmt: skip
    return max(fits, default=1)


def _signature(codes: Codes, count: int) -> NDArray[np.uint64]:
    if len(codes) == 0:
        return np.zeros(count, np.uint64)
    return np.asarray((codes[:, None] * _ODD[:count] + _ADD[:count]).min(0))
