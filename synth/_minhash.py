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


_SLACK = 0.2  # by which an estimate of 96 hashes falls short once in 10,000 pairs at most


def signatures(shingles: list[Codes]) -> NDArray[np.uint64]:
    """Smallest values of 96 hashes over each text's word triples, (n, 96).

    Two texts share each of them with a probability that is their Jaccard similarity.
    """
    every = [_signature(codes) for codes in shingles]
    return np.stack(every) if every else np.zeros((0, _HASHES), np.uint64)


def band_keys(signature: NDArray[np.uint64], threshold: float) -> NDArray[np.uint64]:
    """Keys of each text, (n, bands): texts that share one may be alike.

    A pair whose Jaccard similarity is the threshold shares one with probability 0.9999, unless so
    small a threshold was asked for that 96 hashes cannot give it.

    Args:
        signature: Of each text, (n, 96).
        threshold: Jaccard similarity that is to be found.
    """
    rows = _rows(threshold)
    bands = _HASHES // rows
    keys = np.zeros((len(signature), bands), np.uint64)
    for row in range(rows):
        part = signature[:, row : bands * rows : rows]
        keys = (keys ^ part) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(31)
    return keys


def short(signature: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """The signatures' last 16 bits, which is enough to estimate with."""
    return signature.astype(np.uint16)


def likely(
    one: NDArray[np.uint16], others: NDArray[np.uint16], threshold: float
) -> NDArray[np.bool_]:
    """Which of some texts may be as like a text as the threshold says.

    Args:
        one: Short signature, (96,).
        others: Short signatures, (n, 96).
        threshold: Jaccard similarity.
    """
    return np.asarray((others == one).mean(1) >= threshold - _SLACK)


def _rows(threshold: float) -> int:
    """Most hashes a band may join; more make fewer false candidates."""
    fits = [
        rows for rows in range(1, 13)
        if (1 - threshold**rows) ** (_HASHES // rows) <= _MISSED
    ]  # fmt: skip
    return max(fits, default=1)


def _signature(codes: Codes) -> NDArray[np.uint64]:
    if len(codes) == 0:
        return np.zeros(_HASHES, np.uint64)
    return np.asarray((codes[:, None] * _ODD + _ADD).min(0))
