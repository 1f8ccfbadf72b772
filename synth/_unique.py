"""A source's pairs without repetitions, to be read as often as one likes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from harness.recipes import DedupRecipe
from synth._types import Pair, Reject


class Unique:
    """Passes pairs on in order; repetitions become rejects.

    They are looked for in the first full reading, and remembered for those that follow.

    Args:
        pairs: With rejects among them, which are passed on.
        recipe: What counts as a repetition; None: nothing does.
    """

    def __init__(self, pairs: Iterable[Pair | Reject], recipe: DedupRecipe | None) -> None:
        self._pairs = pairs
        self._recipe = recipe
        self._found: dict[int, Reject] | None = None if recipe else {}
        self.repeated_pictures = 0
        """Pairs kept although their picture was there before, since their caption is another."""

    def __iter__(self) -> Iterator[Pair | Reject]:
        """Yield pairs and rejects in the source's order."""
        if self._recipe is not None and self._found is None:
            return self._first(self._recipe)
        found = self._found or {}
        return (found.get(pair.index, pair) for pair in self._pairs)

    def _first(self, recipe: DedupRecipe) -> Iterator[Pair | Reject]:
        from synth.dedup import DedupReport, dedup

        report, found = DedupReport(), {}
        waiting: deque[Reject] = deque()
        for item in dedup(self._only_pairs(waiting), recipe, report):
            while waiting and waiting[0].index < item.index:
                yield waiting.popleft()
            if isinstance(item, Reject):
                found[item.index] = item
            yield item
        yield from waiting
        self._found, self.repeated_pictures = found, report.repeated_pictures

    def _only_pairs(self, waiting: deque[Reject]) -> Iterator[Pair]:
        for pair in self._pairs:
            if isinstance(pair, Reject):
                waiting.append(pair)
            else:
                yield pair
