"""Which pictures of one album show the same as which of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth._album import Album
from synth._align import Floats, box_around, box_of, same_picture
from synth._near import NearIndex
from synth._phash import WINDOWS

RADIUS = 7
"""Bits of 64 within which a hash makes a candidate: recompressed and resized copies differ in 0 to
5, parts that lie near one of the windows in 0 to 7."""
_BATCH = 256  # pairs whose pixels are compared at once
_BLOCK = 4_096  # pictures whose windows are looked up at once

_INSIDE = np.array([box_of(window) for window in WINDOWS], np.float32)
_AROUND = np.array([box_around(window) for window in WINDOWS], np.float32)


class _Candidates(NamedTuple):
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    boxes: Floats


def match(first: Album, second: Album, radius: int = RADIUS) -> list[tuple[int, int]]:
    """Find the pairs that show the same, whichever of the two was cut.

    Pictures that are almost flat match by equal pixels alone.

    Args:
        first: Pictures.
        second: Others.
        radius: Bits in which the hashes of candidates may differ.

    Returns:
        Number in `first`, number in `second`; sorted, each pair once.
    """
    found = set(first.equal(second))
    for candidates in _candidates(first, second, radius):
        fresh = [
            place
            for place, pair in enumerate(zip(*map(np.ndarray.tolist, candidates[:2]), strict=True))
            if pair not in found
        ]
        for low in range(0, len(fresh), _BATCH):
            part = np.array(fresh[low : low + _BATCH])
            a, b, boxes = (values[part] for values in candidates)
            same = verify(first, second, a, b, boxes)
            found.update(zip(a[same].tolist(), b[same].tolist(), strict=True))
    return sorted(found)


def verify(
    first: Album,
    second: Album,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    boxes: Floats,
) -> NDArray[np.bool_]:
    """Whether the pixels agree, pair by pair: pictures `a` of `first`, `b` of `second`."""
    return same_picture(first.thumbs(a), second.thumbs(b), boxes)


def _candidates(first: Album, second: Album, radius: int) -> Iterator[_Candidates]:
    """Parts of the first against the second as a whole, then the other way round."""
    for album, other, boxes in ((first, second, _INSIDE), (second, first, _AROUND)):
        textured = np.flatnonzero(~other.flat)
        index = NearIndex(other.hashes()[textured, 0], radius)
        sought, hashes = np.flatnonzero(~album.flat), album.hashes()
        for low in range(0, len(sought), _BLOCK):
            numbers = sought[low : low + _BLOCK]
            one, two, window = _nearest_window(index, hashes[numbers])
            pair = numbers[one], textured[two]
            if album is second:
                pair = pair[1], pair[0]
            yield _Candidates(*pair, boxes[window])


def _nearest_window(
    index: NearIndex, hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Query picture, found picture, and the window of the query that lies nearest to it."""
    width = hashes.shape[1]
    hits = list(index.search(np.ascontiguousarray(hashes).ravel()))
    if not hits:
        none = np.zeros(0, np.int64)
        return none, none, none
    query = np.concatenate([hit.query for hit in hits])
    found = np.concatenate([hit.found for hit in hits])
    distance = np.concatenate([hit.distance for hit in hits])
    picture, window = np.divmod(query, width)
    order = np.lexsort((window, distance, found, picture))
    picture, found, window = picture[order], found[order], window[order]
    new = np.ones(len(picture), bool)
    new[1:] = (picture[1:] != picture[:-1]) | (found[1:] != found[:-1])
    return picture[new], found[new], window[new]
