"""From rows to requests: what is asked, what is known already, what cannot be asked."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from harness import images
from harness.controls import OptionOrder, OtherPictures
from harness.errors import RowError
from harness.files import digest
from harness.images import Picture
from harness.journal import Journal
from harness.requests import Message, Request, Sampling, request_key
from tasks import LabelError, Row, RowSource, Split, Task, Unreadable

if TYPE_CHECKING:
    from harness.generation import Questions

ImageMode = Literal["given", "blank", "shuffled", "none"]
IMAGE_MODES: tuple[ImageMode, ...] = get_args(ImageMode)
_WINDOW_ROWS = 2_048
_WINDOW_BYTES = 256 * 1024 * 1024


def together(
    records: Iterable[Row | Unreadable], most: int = _WINDOW_ROWS, most_bytes: int = _WINDOW_BYTES
) -> Iterator[Row | Unreadable]:
    """Let rows of one picture follow each other, so that an engine encodes it once.

    A window slides over the records; when it is full, all of its rows that show the oldest row's
    picture leave it. Only the order changes. Pictures are not decoded here.

    Args:
        records: In the source's order.
        most: Rows the window holds.
        most_bytes: Encoded pictures it holds, as far as rows carry them.
    """
    window: dict[Hashable, list[Row]] = {}
    rows = size = 0
    for record in records:
        if isinstance(record, Unreadable):
            yield record
            continue
        window.setdefault(_picture_of(record), []).append(record)
        rows, size = rows + 1, size + _carried(record)
        while rows >= most or size >= most_bytes:
            oldest = window.pop(next(iter(window)))
            rows, size = rows - len(oldest), size - sum(map(_carried, oldest))
            yield from oldest
    for left in window.values():
        yield from left


def _picture_of(row: Row) -> Hashable:
    """What rows of one picture have in common; the encoded file is its own fingerprint."""
    if row.image_id is not None:
        return row.image_id
    if not row.images:
        return row.index
    first = row.images[0]
    return first.locator if first.data is None else first.data


def _carried(row: Row) -> int:
    return sum(len(ref.data) for ref in row.images if ref.data is not None)


def _message(row: Row, shown: int) -> Message:
    """A row's question; pictures that were swapped or left out no longer have their places."""
    places = row.places if shown == len(row.places) else ()
    return Message("user", row.prompt, shown, places)


class Asked(NamedTuple):
    """What became of one row."""

    key: str | None
    """Journal key of its answer; None if it could not be asked."""
    pixels: str | None
    failure: str | None


class Owner(NamedTuple):
    """What an engine hands back with a response."""

    asking: Questions
    pixels: str | None


@dataclass
class Asking:
    """The requests of one task in one run."""

    task: Task
    source: RowSource
    journal: Journal
    model: str
    """Fingerprint of the model and of the settings that move its answers."""
    sampling: Sampling
    mode: ImageMode = "given"
    limit: int | None = None
    order: OptionOrder | None = None
    """How lettered options are ordered; None as given."""
    baseline: Mapping[Split | None, str] | None = None
    """What each column's rows are answered with (majority baseline only)."""
    rows: dict[int, Asked] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    passing: dict[str, str] = field(default_factory=dict)
    """Key to reason, for failures that a later run will ask again."""
    known: int = 0
    """Rows whose answer was in the journal."""

    @property
    def name(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def total(self) -> int | None:
        """Number of records to be read, where it is known."""
        count = self.source.count()
        return count if count is None or self.limit is None else min(count, self.limit)

    def records(self, *, with_images: bool) -> Iterator[Row | Unreadable]:
        """The source's records up to the limit, as they are asked: with options reordered."""
        return map(self._as_asked, self._given(with_images=with_images))

    def _given(self, *, with_images: bool) -> Iterator[Row | Unreadable]:
        most = None if self.limit is None else min(self.limit, sys.maxsize)
        return islice(self.source.read(self.task.scorer, images=with_images), most)

    def _as_asked(self, record: Row | Unreadable) -> Row | Unreadable:
        if self.order is None or isinstance(record, Unreadable):
            return record
        try:
            return self._reordered(record)
        except (RowError, LabelError):
            return record  # it was not asked: its failure says why

    def _reordered(self, row: Row) -> Row:
        self.task.scorer.check(row)
        if self.order is None or not row.options:
            return row
        return self.order.applied(row, self.task.id)

    def check_ids(self) -> None:
        """Read all rows once, without pictures, before hours are spent on them.

        Raises:
            UserError: Two rows have one id.
        """
        if self.task.borrowed is not None:
            return  # its ids are positions, and its prompts cost as much as the pictures
        for _ in self.records(with_images=False):
            pass

    def requests(self) -> Iterator[Request]:
        """Yield a request for every row that has no answer yet; fills `rows`."""
        pending: set[str] = set()
        with ExitStack() as stack:
            others = None
            if self.mode == "shuffled":
                others = stack.enter_context(OtherPictures(self.journal.path.parent))
                others.read(self._given(with_images=True), self.task)
            for row in together(self._given(with_images=True)):
                if isinstance(row, Unreadable):
                    self.unreadable.append(row)
                    continue
                try:
                    request = self._request(row, others, pending)
                except (RowError, LabelError) as error:
                    self.rows[row.index] = Asked(None, None, str(error))
                    continue
                if request is not None:
                    pending.add(request.key)
                    yield request

    def _request(self, row: Row, others: OtherPictures | None, pending: set[str]) -> Request | None:
        row = self._reordered(row)
        if row.fault is not None:
            raise RowError(row.fault)
        if not row.images and self.task.borrowed is None:
            raise RowError("the row has no image")
        formats = self.task.image_formats
        files = [images.read(ref) for ref in row.images]
        contents = [images.fingerprint(data) for data in files]
        key = self._key(row, contents)
        if self.mode == "given" and self._is_known(row, key, pending):
            return None
        pictures = [
            Picture(images.decode(data, formats, ref.locator), data, content)
            for data, content, ref in zip(files, contents, row.images, strict=True)
        ]
        pixels = images.pixel_hash(pictures[0].image) if pictures else None
        if self.mode != "given":
            pictures = self._instead_of(pictures, others) if pictures else []
            key = self._key(row, [picture.content for picture in pictures])
            if self._is_known(row, key, pending, pixels):
                return None
        self.rows[row.index] = Asked(key, pixels, None)
        return self._make(row, key, tuple(pictures), pixels)

    def _instead_of(self, own: list[Picture], others: OtherPictures | None) -> list[Picture]:
        """What is shown instead of the row's own pictures."""
        if self.mode == "none":
            return []
        if self.mode == "blank":
            return [images.blank(picture.image) for picture in own]
        if others is None:
            raise RowError("no other picture to show instead")
        shown = others.instead_of([images.pixel_hash(picture.image) for picture in own])
        return [images.load(ref, self.task.image_formats) for ref in shown]

    def _key(self, row: Row, contents: list[str]) -> str:
        model, said = self.model, self._said(row)
        return request_key(
            task=self.task.id,
            version=self.task.version,
            messages=[_message(row, len(contents))],
            images=contents,
            sampling=self.sampling,
            model=model if said is None else digest([model, said])[:32],
        )

    def _said(self, row: Row) -> str | None:
        return None if self.baseline is None else self.baseline.get(row.split)

    def _is_known(self, row: Row, key: str, pending: set[str], pixels: str | None = None) -> bool:
        """Whether the answer is in the journal, or on its way for an equal row.

        Args:
            row: The row.
            key: Of its answer.
            pending: Keys that were asked in this run, answered by now or not.
            pixels: Hash of the row's own picture. None if it was not decoded: then the record's
                is the same, since the key covers the picture.
        """
        if key in pending:  # looked at first: an answer of this very run was not known before
            self.rows[row.index] = Asked(key, pixels, None)
            return True
        if key in self.journal:
            record = self.journal.get(key)
            self.known += 1
            self.rows[row.index] = Asked(key, pixels or (record.pixels if record else None), None)
            return True
        return False

    def _make(
        self, row: Row, key: str, pictures: tuple[Picture, ...], pixels: str | None
    ) -> Request:
        messages = (_message(row, len(pictures)),)
        return Request(
            key,
            row.id,
            messages,
            self.sampling,
            pictures,
            baseline=self._said(row),
            owner=Owner(self, pixels),
        )
