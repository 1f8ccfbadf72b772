"""Requests rendered, sorted by length, cut into batches and turned into tensors."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.engines._chat import ChatTemplate
from harness.engines._failures import reason_of
from harness.errors import RowError, UserError
from harness.requests import Request, Response

WINDOW = 8
"""Batches are cut from this many times their size, sorted: little padding, little memory."""


class Asked(NamedTuple):
    """A request and the text it became."""

    request: Request
    prompt: str

    @property
    def kind(self) -> tuple[str, str, bool, bool]:
        """Requests of one batch share this."""
        mine = self.request
        return repr(mine.sampling), mine.form, mine.first_token_logprobs, bool(mine.images)

    @property
    def size(self) -> int:
        """About how many tokens: four letters each, a picture by its area."""
        images = (picture.image for picture in self.request.images)
        return len(self.prompt) // 4 + sum(i.width * i.height for i in images) // 784

    def failed(self, reason: str, *, passing: bool = False) -> Response:
        """The response of a row that cannot be answered."""
        return Response(self.request, None, prompt=self.prompt, error=reason, passing=passing)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are answered together."""

    rows: list[Asked]
    inputs: Any = None
    """What the processor made of them; None if it has yet to."""
    error: Exception | None = None
    """What the processor raised instead."""

    def parts(self, most: int) -> list[Batch]:
        """Itself, or if it has more rows than `most`, smaller ones that have yet to be prepared."""
        if len(self.rows) <= most:
            return [self]
        return [Batch(self.rows[i : i + most]) for i in range(0, len(self.rows), most)]


class Preparer:
    """Chat template, tokenizer and picture processor; usable from several threads in turn.

    Args:
        processor: The checkpoint's.
        system: System text for conversations without one.
    """

    def __init__(self, processor: Any, system: str | None) -> None:
        self._processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.tokenizer.padding_side = "left"
        self.chat = ChatTemplate(processor, system)
        names = ("image_token", "video_token", "boi_token")
        self._marks = [m for n in names if isinstance(m := getattr(processor, n, None), str)]
        self._lock = threading.Lock()

    @property
    def prints_date(self) -> bool:
        """Whether the chat template asks for today's date."""
        return self.chat.prints_date

    def batches(
        self, requests: Iterator[Request], size: Callable[[], int]
    ) -> Iterator[Batch | Response]:
        """Batches ready for the model, and responses of rows that cannot be rendered.

        Args:
            requests: Pulled a window at a time.
            size: Most rows of a batch, looked at for each.

        Raises:
            UserError: The checkpoint has no chat template, and one is needed.
        """
        while asked := [self._render(r) for r in itertools.islice(requests, size() * WINDOW)]:
            yield from (each for each in asked if isinstance(each, Response))
            rows = [each for each in asked if isinstance(each, Asked)]
            asked.clear()
            rows.sort(key=lambda row: (*row.kind, row.size))
            while rows:
                _, alike = next(itertools.groupby(rows, key=lambda row: row.kind))
                batch = list(itertools.islice(alike, size()))
                del rows[: len(batch)]
                yield self._prepared(batch)

    def _render(self, request: Request) -> Asked | Response:
        try:
            text = "\n".join(message.text for message in request.messages)
            for mark in self._marks:
                if mark in text:
                    raise RowError(f"the text holds {mark}, which this model reads as a picture")
            text.encode()  # tokenizers name no reason when they refuse a lone surrogate
            if request.images and self.tokenizer is self._processor:
                raise RowError("this model reads no pictures")
            return Asked(request, self.chat.render(request.messages, request.form))
        except UserError:
            raise  # the checkpoint has no template: no row's fault
        # A template may refuse a conversation with any error of its own.
        except Exception as error:  # noqa: BLE001
            return Response(request, None, error=reason_of(error))

    def _prepared(self, rows: list[Asked]) -> Batch:
        try:
            return Batch(rows, self._process(rows))
        # Kept for whoever answers the batch, and finds the row.
        except Exception as error:  # noqa: BLE001
            return Batch(rows, error=error)

    def inputs(self, batch: Batch) -> Any:
        """The model's inputs for a batch, made now if they have not been.

        Raises:
            Exception: Whatever the processor raised.
        """
        if batch.error is not None:
            raise batch.error
        return self._process(batch.rows) if batch.inputs is None else batch.inputs

    def _process(self, rows: list[Asked]) -> Any:
        from transformers import BatchFeature

        prompts = [asked.prompt for asked in rows]
        images = [[picture.image for picture in asked.request.images] for asked in rows]
        bos = self.tokenizer.bos_token
        with self._lock:
            made = self._processor(
                text=prompts,
                **({"images": images} if any(images) else {}),
                padding=True,
                return_tensors="pt",
                # Most templates write the first token themselves; it must not stand there twice.
                add_special_tokens=not (bos and prompts[0].startswith(bos)),
            )
        # A tokenizer's own kind cannot be moved to a device and a dtype at once.
        return BatchFeature(dict(made))
