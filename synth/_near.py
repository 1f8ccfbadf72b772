"""Exact search for hashes within a few bits of each other (multi-index hashing)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_BANDS = 4
_WIDTH = 64 // _BANDS
_MASK = np.uint64((1 << _WIDTH) - 1)
_AT_ONCE = 1 << 21  # comparisons whose arrays are held at once
_FEW = 512  # hashes that are compared one by one with less work
_WIDEST = 11  # bits; beyond it, comparing all with all is faster


class Hits(NamedTuple):
    """Pairs within the radius, aligned arrays."""

    query: NDArray[np.int64]
    found: NDArray[np.int64]
    distance: NDArray[np.uint8]


class NearIndex:
    """Finds every hash within a radius.

    The 64 bits are cut into 4 bands of 16. Two hashes that differ in at most r bits differ in at
    most r // 4 bits of one band at least, so it is enough to look into the buckets of a band's
    values within that many bits, and to count the bits of what lies there. Nothing is missed.

    Args:
        hashes: What is searched, (n,).
        radius: Bits that may differ.
    """

    def __init__(self, hashes: Hashes, radius: int) -> None:
        self._hashes = hashes
        self._radius = radius
        self._all = len(hashes) <= _FEW or radius > _WIDEST
        self._near = radius // _BANDS
        if self._all:
            return
        self._flips = _flips(self._near)
        self._order, self._sorted, self._starts = [], [], []
        for band in range(_BANDS):
            values = _band(hashes, band)
            order = np.argsort(values.astype(np.uint16), kind="stable")
            counts = np.bincount(values, minlength=1 << _WIDTH)
            self._order.append(order)
            self._sorted.append(hashes[order])
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]))

    def search(self, queries: Hashes) -> Iterator[Hits]:
        """Yield the pairs in pieces of bounded size; each pair once, in no particular order.

        Args:
            queries: (m,).
        """
        if len(queries) == 0 or len(self._hashes) == 0:
            return
        if self._all:
            yield from _compare_all(self._hashes, queries, self._radius)
            return
        for band in range(_BANDS):
            yield from self._through(band, queries)

    def _through(self, band: int, queries: Hashes) -> Iterator[Hits]:
        step = max(1, _AT_ONCE // len(self._flips))
        starts = self._starts[band]
        for first in range(0, len(queries), step):
            part = queries[first : first + step]
            values = (_band(part, band)[:, None] ^ self._flips).ravel()
            begins = starts[values]
            counts = starts[values + 1] - begins
            for low, high in _pieces(counts):
                yield self._count_bits(
                    band, queries, first, begins[low:high], counts[low:high], low
                )

    def _count_bits(
        self,
        band: int,
        queries: Hashes,
        first: int,
        begins: NDArray[np.int64],
        counts: NDArray[np.int64],
        low: int,
    ) -> Hits:
        total = int(counts.sum())
        shift = begins - (np.cumsum(counts) - counts)
        probe = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(total) + shift[probe]
        query = first + (probe + low) // len(self._flips)
        unlike = self._sorted[band][place] ^ queries[query]
        distance = np.bitwise_count(unlike)
        near = np.flatnonzero(distance <= self._radius)
        # A pair that an earlier band has led to was given there.
        for earlier in range(band):
            seen = np.bitwise_count(_band(unlike[near], earlier)) <= self._near
            near = near[~seen]
        return Hits(query[near], self._order[band][place[near]], distance[near])


def _band(hashes: Hashes, band: int) -> NDArray[np.int64]:
    return ((hashes >> np.uint64(band * _WIDTH)) & _MASK).astype(np.int64)


def _flips(most: int) -> NDArray[np.int64]:
    """All band values with at most so many bits set."""
    chosen = (bits for k in range(most + 1) for bits in combinations(range(_WIDTH), k))
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.int64)


def _pieces(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of probes that lead to about `_AT_ONCE` comparisons together."""
    ends = np.cumsum(counts)
    low = 0
    while low < len(counts):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        yield low, high
        low = high


def _compare_all(hashes: Hashes, queries: Hashes, radius: int) -> Iterator[Hits]:
    step = max(1, _AT_ONCE // len(hashes))
    for first in range(0, len(queries), step):
        distance = np.bitwise_count(queries[first : first + step, None] ^ hashes)
        query, found = np.nonzero(distance <= radius)
        yield Hits(query + first, found, distance[query, found])
