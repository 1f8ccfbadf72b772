"""Leaving out pairs that repeat an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RowError
from harness.recipes import DedupRecipe
from synth._album import Album, sketches
from synth._align import whole_boxes
from synth._matching import verify
from synth._minhash import band_keys, likely, short, signatures
from synth._near import NearIndex
from synth._phash import Sketch
from synth._text import shortened
from synth._types import Pair, Reject
from synth._words import Codes, jaccard, shingles

_BLOCK = 4_096  # pairs that are looked at together
_BATCH = 256  # pictures whose pixels are compared at once
_MANY = 32  # captions beyond which MinHash says which are worth comparing
# Captions of one template share keys with all others: no more of a key's are looked at. A pair that
# is alike shares keys of its own, unless little more than the template is in it.
_CROWD = 4_096
_Candidates = Callable[[int], Sequence[int]]


@dataclass
class DedupReport:
    """What was seen on the way."""

    repeated_pictures: int = 0
    """Pairs kept although their picture was there before: its caption is another one."""


def dedup(
    pairs: Iterable[Pair], recipe: DedupRecipe, report: DedupReport | None = None
) -> Iterator[Pair | Reject]:
    """Pass pairs through, in order; of those that say the same, the first stays.

    A pair repeats an earlier one that was kept if its picture does and its caption does. Pictures
    repeat each other if their pixels are equal (`exact`), or if their hashes differ in at most
    `radius` bits and then their pixels agree (`near`); with `off` they are not opened. Captions
    repeat each other by the Jaccard similarity of their word triples. One picture with several
    captions of its own stays several pairs, which is counted in `report`.

    Args:
        pairs: In their source's order; read once.
        recipe: What counts as the same.
        report: Counts are added to it.

    Yields:
        Each pair, or a reject: `duplicate`, with the row it repeats, or `unusable image`.
    """
    report = report or DedupReport()
    if recipe.images == "off" and recipe.text is None:
        yield from pairs
        return
    seen = _Seen(recipe)
    source = iter(pairs)
    while block := list(islice(source, _BLOCK)):
        yield from seen.sift(block, report)


def _unusable(pair: Pair, error: RowError) -> Reject:
    return Reject(pair.id, pair.index, "unusable image", shortened(str(error)))


class _Seen:
    """The pairs so far: names, text codes, sketches; nothing that holds a picture's bytes."""

    def __init__(self, recipe: DedupRecipe) -> None:
        self._recipe = recipe
        self._album = Album()
        self._ids: list[str] = []
        self._kept = bytearray()
        self._texts: list[Codes] = []
        self._keys = np.zeros((0, 0), np.uint64)
        self._signatures = np.zeros((0, 0), np.uint16)
        self._pictures: list[int] = []
        self._owners: dict[int, list[int]] = {}  # picture to the kept pairs that show it

    def sift(self, block: list[Pair], report: DedupReport) -> Iterator[Pair | Reject]:
        """Decide on some pairs, in order."""
        rejected: dict[int, Reject] = {}
        usable: list[Pair] = []
        first = len(self._ids)
        for pair, drawn in self._drawn(block):
            if isinstance(drawn, RowError):
                rejected[pair.index] = _unusable(pair, drawn)
                continue
            self._ids.append(pair.id)
            self._kept.append(True)
            self._texts.append(shingles(pair.caption))
            if drawn is not None:
                self._pictures.append(self._album.add(drawn))
            usable.append(pair)
        self._add_keys(first)
        candidates = self._by_text(first) if self._recipe.images == "off" else self._by_look(first)
        for number, pair in enumerate(usable, first):
            earlier = self._repeated(number, candidates(number), report)
            if earlier is not None:
                self._kept[number] = False
                detail = f"repeats row {self._ids[earlier]}"
                rejected[pair.index] = Reject(pair.id, pair.index, "duplicate", detail)
            elif self._pictures:
                self._owners.setdefault(self._pictures[number], []).append(number)
        for pair in block:
            yield rejected.get(pair.index, pair)

    def _drawn(self, block: list[Pair]) -> Iterator[tuple[Pair, Sketch | RowError | None]]:
        if self._recipe.images == "off":
            return ((pair, None) for pair in block)
        return sketches(block, lambda pair: pair.image)

    def _add_keys(self, first: int) -> None:
        if self._recipe.text is not None and first < len(self._ids):
            found = signatures(self._texts[first:])
            self._keys = _longer(self._keys, band_keys(found, self._recipe.text))
            self._signatures = _longer(self._signatures, short(found))

    def _repeated(self, number: int, candidates: Sequence[int], report: DedupReport) -> int | None:
        """The first of some kept pairs that this one repeats."""
        threshold = self._recipe.text
        if threshold is None:
            return candidates[0] if candidates else None
        worth = candidates
        if len(candidates) > _MANY:
            others = np.asarray(candidates)
            near = likely(self._signatures[number], self._signatures[others], threshold)
            worth = others[near].tolist()
        for earlier in worth:
            if jaccard(self._texts[earlier], self._texts[number]) >= threshold:
                return earlier
        report.repeated_pictures += len(candidates) > 0 and self._recipe.images != "off"
        return None

    def _by_look(self, first: int) -> _Candidates:
        """What finds, for a new pair, the kept ones before it that show the same."""
        near = self._near_pictures(first) if self._recipe.images == "near" else {}

        def candidates(number: int) -> list[int]:
            picture = self._pictures[number]
            found = (self._owners.get(other, ()) for other in (picture, *near.get(picture, ())))
            return sorted(chain.from_iterable(found))

        return candidates

    def _near_pictures(self, first: int) -> dict[int, list[int]]:
        """Pictures of the new pairs to those that look the same, verified by their pixels."""
        textured = np.flatnonzero(~self._album.flat)
        hashes = self._album.hashes()[textured, 0]
        new = np.flatnonzero(np.isin(textured, np.unique(self._pictures[first:])))
        found: dict[int, list[int]] = {}
        for hits in NearIndex(hashes, self._recipe.radius).search(hashes[new]):
            a, b = textured[new[hits.query]], textured[hits.found]
            a, b = a[a != b], b[a != b]
            for low in range(0, len(a), _BATCH):
                one, two = a[low : low + _BATCH], b[low : low + _BATCH]
                same = verify(self._album, self._album, one, two, whole_boxes(len(one)))
                for x, y in zip(one[same].tolist(), two[same].tolist(), strict=True):
                    found.setdefault(x, []).append(y)
        return found

    def _by_text(self, first: int) -> _Candidates:
        """What finds, for a new pair, the kept ones before it whose captions may be the same."""
        before = np.flatnonzero(np.frombuffer(bytes(self._kept[:first]), np.bool_))
        found: dict[int, list[NDArray[np.int64]]] = {}
        for band in self._keys.T:
            order = before[np.argsort(band[before], kind="stable")]
            ranked = band[order]
            low = np.searchsorted(ranked, band[first:], side="left")
            high = np.searchsorted(ranked, band[first:], side="right")
            for place in np.flatnonzero((high > low) & (high - low <= _CROWD)).tolist():
                found.setdefault(first + place, []).append(order[low[place] : high[place]])
        # Of the block's own, those that stay: thousands of equal captions have one entry.
        fresh: dict[tuple[int, int], list[int]] = {}

        def candidates(number: int) -> list[int]:
            last = number - 1
            if last >= first and self._kept[last]:
                for place in enumerate(self._keys[last].tolist()):
                    fresh.setdefault(place, []).append(last)
            alike = np.zeros(number, np.bool_)
            for earlier in found.get(number, ()):
                alike[earlier] = True
            for place in enumerate(self._keys[number].tolist()):
                alike[fresh.get(place, [])] = True
            numbers: list[int] = np.flatnonzero(alike).tolist()
            return numbers

        return candidates


def _longer(rows: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([rows.reshape(-1, more.shape[1]), more])
