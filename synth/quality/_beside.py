"""The same pairs under every generator, and single triplets with what the judge said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import RowError
from harness.images import load
from synth._page import thumbnail
from synth._types import FORMATS, Pair, Triplet
from synth.quality._rating import Rated
from synth.quality._samples import triplets_of
from synth.quality._types import Set, Source, sample_key

SHOWN = 8


class Written(NamedTuple):
    """What one generator wrote about a pair."""

    source: str
    triplet: Triplet | None
    """None: it has none."""
    kept: bool | None
    """Whether its filter kept it; None: it has no filter."""
    rated: Rated | None


class Beside(NamedTuple):
    """One pair under every generator."""

    pair: Pair
    picture: str | None
    """As a data URI; None if it cannot be used."""
    written: list[Written]


def side_by_side(
    sets: Sequence[Set], rated: Mapping[str, Rated], most: int = SHOWN
) -> list[Beside]:
    """A few sampled pairs, those first of which every generator has a triplet.

    A pair is the same if its id and its caption are.
    """
    sources = list({id(set_.source): set_.source for set_ in sets}.values())
    wanted: dict[tuple[str, str], Pair] = {}
    first = [set_ for set_ in sets if set_.source is sources[0]]
    for sample in (sample for set_ in first for sample in set_.samples):
        wanted.setdefault(_name(sample.triplet), sample.triplet.pair)
    found = {id(source): _written(source, wanted) for source in sources}
    order = {name: place for place, name in enumerate(wanted)}

    def rank(name: tuple[str, str]) -> tuple[int, int]:
        return -sum(name in found[id(source)] for source in sources), order[name]

    return [
        Beside(
            wanted[name],
            _picture(wanted[name]),
            [_one(source, found[id(source)].get(name), rated) for source in sources],
        )
        for name in sorted(wanted, key=rank)[:most]
    ]


def _name(triplet: Triplet) -> tuple[str, str]:
    return triplet.pair.id, triplet.pair.caption


def _written(
    source: Source, wanted: Mapping[tuple[str, str], Pair]
) -> dict[tuple[str, str], tuple[Triplet, bool | None]]:
    """A source's triplets of some pairs, and whether they were kept."""
    mine = {
        _name(triplet): triplet
        for triplet in triplets_of(source.triplets, source.images)
        if _name(triplet) in wanted
    }
    if source.kept is None:
        return {name: (triplet, None) for name, triplet in mine.items()}
    kept = {name for t in triplets_of(source.kept, source.images) if (name := _name(t)) in wanted}
    return {name: (triplet, name in kept) for name, triplet in mine.items()}


def _one(
    source: Source, found: tuple[Triplet, bool | None] | None, rated: Mapping[str, Rated]
) -> Written:
    if found is None:
        return Written(source.name, None, None, None)
    triplet, kept = found
    return Written(source.name, triplet, kept, rated.get(sample_key(triplet)))


def _picture(pair: Pair) -> str | None:
    try:
        return thumbnail(load(pair.image, FORMATS))
    except RowError:
        return None
