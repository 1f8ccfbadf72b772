"""Looking at rows before they are trained on: in this process or in another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness import images
from harness.errors import RowError
from training._pictures import FORMATS, size_of
from training.masks import Encoder, Measured
from training.rows import Conversation, TrainingRows


class Fitted(NamedTuple):
    """As much of a conversation as the context holds."""

    conversation: Conversation
    measured: Measured


@dataclass
class Look:
    """What was found at some rows; the lists have an entry a row."""

    indices: list[int]
    lengths: list[int] = field(default_factory=list)
    label_tokens: list[int] = field(default_factory=list)
    exchanges: list[int] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    shortened: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, fitted: Fitted | None) -> None:
        """Write a row down; None is one that is left out."""
        if fitted is None:
            fitted = _NOTHING
        self.lengths.append(fitted.measured.length)
        self.label_tokens.append(fitted.measured.label_tokens)
        self.exchanges.append(fitted.conversation.exchanges)
        self.pictures.append(len(fitted.conversation.images))


_NOTHING = Fitted(Conversation(-1, (), ()), Measured(0, 0))


class Looker:
    """Measures rows.

    Args:
        rows: The data.
        encoder: What makes tokens of them.
        max_length: Tokens that a conversation may have.
    """

    def __init__(self, rows: TrainingRows, encoder: Encoder, max_length: int) -> None:
        self._rows = rows
        self._encoder = encoder
        self._max_length = max_length

    def look(self, indices: Iterable[int], decoded: Iterable[int]) -> Look:
        """Measure rows.

        Args:
            indices: Which.
            decoded: Those of them whose pictures are decoded too, and that are encoded whole.
        """
        found = Look(list(indices))
        whole = set(decoded)
        for index in found.indices:
            try:
                fitted = self._look(index, found)
                if fitted is not None and index in whole:
                    self._try(fitted)
            except RowError as error:
                found.problems.append((index, str(error)))
                fitted = None
            found.add(fitted)
        return found

    def _look(self, index: int, found: Look) -> Fitted | None:
        conversation = self._rows[index]
        fitted = self.fit(conversation, [size_of(ref) for ref in conversation.images])
        found.shortened += fitted is not None and fitted.conversation is not conversation
        return fitted

    def fit(self, conversation: Conversation, sizes: list[tuple[int, int]]) -> Fitted | None:
        """The most exchanges that fit; None if not even the least that are needed do.

        Args:
            conversation: The whole.
            sizes: Height and width of its pictures.

        Raises:
            RowError: It cannot be encoded.
        """

        def measured(exchanges: int) -> Fitted:
            part = conversation.shortened(exchanges)
            return Fitted(part, self._encoder.measure(part, sizes[: len(part.images)]))

        best = measured(conversation.exchanges)
        if best.measured.length <= self._max_length:
            return best
        least = self._encoder.least_exchanges
        fits, too_many, kept = least - 1, conversation.exchanges, None
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            tried = measured(middle)
            if tried.measured.length <= self._max_length:
                fits, kept = middle, tried
            else:
                too_many = middle
        return kept

    def _try(self, fitted: Fitted) -> None:
        conversation = fitted.conversation
        pictures: list[Any] = [images.load(ref, FORMATS).image for ref in conversation.images]
        length = len(self._encoder.encode(conversation, pictures).ids)
        if length != fitted.measured.length:
            raise RowError(f"measured {fitted.measured.length} tokens, encoded {length}")
