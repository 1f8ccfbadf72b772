"""From rows to requests: what is asked, what is known already, what cannot be asked."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple, get_args

from harness import images
from harness.errors import RowError, UserError
from harness.images import Picture
from harness.journal import Journal
from harness.requests import Message, Request, Sampling, request_key
from tasks import ImageRef, LabelError, Row, RowSource, Task, Unreadable

ImageMode = Literal["given", "blank", "shuffled", "none"]
IMAGE_MODES: tuple[ImageMode, ...] = get_args(ImageMode)
_SHUFFLE_SEED = 0
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


class Asked(NamedTuple):
    """What became of one row."""

    key: str | None
    """Journal key of its answer; None if it could not be asked."""
    pixels: str | None
    failure: str | None


class Owner(NamedTuple):
    """What an engine hands back with a response."""

    asking: Asking
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
    rows: dict[int, Asked] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    passing: dict[str, str] = field(default_factory=dict)
    """Key to reason, for failures that a later run will ask again."""
    known: int = 0
    """Rows whose answer was in the journal."""

    def records(self, *, with_images: bool) -> Iterator[Row | Unreadable]:
        """The source's records up to the limit."""
        return islice(self.source.read(self.task.scorer, images=with_images), self.limit)

    def check_ids(self) -> None:
        """Read all rows once, without pictures, before hours are spent on them.

        Raises:
            UserError: Two rows have one id.
        """
        for _ in self.records(with_images=False):
            pass

    def requests(self) -> Iterator[Request]:
        """Yield a request for every row that has no answer yet; fills `rows`."""
        swaps = self._swaps() if self.mode == "shuffled" else {}
        pending: set[str] = set()
        for row in together(self.records(with_images=True)):
            if isinstance(row, Unreadable):
                self.unreadable.append(row)
                continue
            try:
                request = self._request(row, swaps.get(row.index), pending)
            except (RowError, LabelError) as error:
                self.rows[row.index] = Asked(None, None, str(error))
                continue
            if request is not None:
                pending.add(request.key)
                yield request

    def _request(self, row: Row, swap: ImageRef | None, pending: set[str]) -> Request | None:
        self.task.scorer.check(row)
        if not row.images:
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
        pixels = images.pixel_hash(pictures[0].image)
        if self.mode != "given":
            pictures = self._other_pictures(pictures, swap)
            key = self._key(row, [picture.content for picture in pictures])
            if self._is_known(row, key, pending, pixels):
                return None
        self.rows[row.index] = Asked(key, pixels, None)
        return self._make(row, key, tuple(pictures), pixels)

    def _other_pictures(self, own: list[Picture], swap: ImageRef | None) -> list[Picture]:
        """What is shown instead of the row's own pictures."""
        if self.mode == "none":
            return []
        if self.mode == "blank":
            return [images.blank(picture.image) for picture in own]
        if swap is None:
            raise RowError("no other picture to show instead")
        return [images.load(swap, self.task.image_formats)]

    def _key(self, row: Row, contents: list[str]) -> str:
        return request_key(
            task=self.task.id,
            version=self.task.version,
            messages=[Message("user", row.prompt, len(contents))],
            images=contents,
            sampling=self.sampling,
            model=self.model,
        )

    def _is_known(self, row: Row, key: str, pending: set[str], pixels: str | None = None) -> bool:
        """Whether the answer is in the journal, or on its way for an equal row.

        Args:
            row: The row.
            key: Of its answer.
            pending: Keys that were asked but are not in the journal yet.
            pixels: Hash of the row's own picture. None if it was not decoded: then the record's
                is the same, since the key covers the picture.
        """
        if key in self.journal:
            record = self.journal.get(key)
            self.known += 1
            self.rows[row.index] = Asked(key, pixels or (record.pixels if record else None), None)
            return True
        if key in pending:
            self.rows[row.index] = Asked(key, pixels, None)
            return True
        return False

    def _make(self, row: Row, key: str, pictures: tuple[Picture, ...], pixels: str) -> Request:
        messages = (Message("user", row.prompt, len(pictures)),)
        return Request(key, row.id, messages, self.sampling, pictures, Owner(self, pixels))

    def _swaps(self) -> dict[int, ImageRef]:
        """For every row another picture: the distinct pictures are passed on in one circle.

        Rows that carry their pictures (parquet, hub) keep them in memory for as long as this run
        asks; pictures on disk do not.

        Raises:
            UserError: There are fewer than two different pictures.
        """
        refs: dict[str, ImageRef] = {}
        of_row: dict[int, str] = {}
        for row in self.records(with_images=True):
            if isinstance(row, Row) and row.images:
                try:
                    shown = images.load(row.images[0], self.task.image_formats)
                except RowError:
                    continue  # a damaged picture is nobody else's trouble
                refs.setdefault(shown.content, row.images[0])
                of_row[row.index] = shown.content
        if len(refs) < 2:
            raise UserError(
                f"--images shuffled: {self.task.id} has fewer than two different pictures",
                "Use more rows, or --images blank.",
            )
        circle = list(refs)
        random.Random(_SHUFFLE_SEED).shuffle(circle)  # noqa: S311 - a repeatable order
        following = dict(zip(circle, circle[1:] + circle[:1], strict=True))
        return {index: refs[following[content]] for index, content in of_row.items()}
