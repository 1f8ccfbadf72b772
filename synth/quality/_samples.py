"""Which triplets are rated, and what can be counted without asking anybody."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.errors import UserError
from synth._lines import read_triplets
from synth._text import number_of
from synth._types import Triplet
from synth._words import words
from synth.quality._types import Sample, Set, Source, sample_key

SAMPLES = 200
"""Of each set; as published."""
TEXTS = ("instruction", "informative", "precise")


def sets_of(source: Source, seed: int, most: int = SAMPLES) -> list[Set]:
    """A source's sets: what was generated, where a filter took some of it away, and the rest.

    Raises:
        UserError: A file of triplets cannot be read.
    """
    if source.kept is None:
        return [_set(source, source.triplets, True, seed, most)]
    before = _set(source, source.triplets, False, seed, most)
    return [before, _set(source, source.kept, True, seed, most)]


def triplets_of(path: Path, images: Path) -> Iterator[Triplet]:
    """The triplets of a file.

    Raises:
        UserError: It holds something else.
    """
    try:
        for triplet in read_triplets(path, images):
            texts = [triplet.pair.id, triplet.pair.image.locator, triplet.pair.caption]
            texts += [triplet.instruction, triplet.informative, triplet.precise]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a text is none")
            yield triplet
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no triplets: {error}",
            "A line has id, index, image, caption, instruction, informative and precise.",
        ) from error


def _set(source: Source, path: Path, final: bool, seed: int, most: int) -> Set:
    """Read a file once; the samples are those whose pairs' ids have the smallest hashes.

    So two generators' samples are about the same pairs, as far as both have triplets of them.
    """
    heap: list[tuple[int, int, Triplet]] = []
    lengths = {name: array("L") for name in TEXTS}
    rows = 0
    for triplet in triplets_of(path, source.images):
        for name in TEXTS:
            lengths[name].append(len(words(getattr(triplet, name))))
        number = -number_of(seed, triplet.pair.id, "quality sample")
        entry = (number, -rows, triplet)
        rows += 1
        if len(heap) < most:
            heapq.heappush(heap, entry)
        elif entry[:2] > heap[0][:2]:
            heapq.heapreplace(heap, entry)
    chosen = [Sample(sample_key(t), t) for _, _, t in sorted(heap, key=lambda e: e[:2])[::-1]]
    return Set(source, final, chosen, rows, {name: _spread(n) for name, n in lengths.items()})


def _spread(lengths: array[int]) -> list[float]:
    """Mean, lower quartile, median, upper quartile; nothing of nothing."""
    if not lengths:
        return []
    values = np.asarray(lengths)
    return [round(float(v), 2) for v in (values.mean(), *np.percentile(values, (25, 50, 75)))]


def distinct_grams(texts: Iterable[str], most: int = 3) -> list[float | None]:
    """Different runs of 1, 2, ... words over all of them, in percent (distinct-n).

    The more text, the fewer are new: compare equal numbers of texts only.
    """
    counts: list[float | None] = []
    split = [words(text) for text in texts]
    for length in range(1, most + 1):
        runs = [tuple(w[i : i + length]) for w in split for i in range(len(w) - length + 1)]
        counts.append(round(100.0 * len(set(runs)) / len(runs), 2) if runs else None)
    return counts


def distinct_words(samples: Sequence[Sample], most: int) -> dict[str, list[float | None]]:
    """Distinct n-grams of each text, over the first `most` samples."""
    return {
        name: distinct_grams(getattr(sample.triplet, name) for sample in samples[:most])
        for name in TEXTS
    }
