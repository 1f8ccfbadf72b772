"""Sketches of many pictures: made by a bounded pool, hashes in memory, thumbnails on disk."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import RowError
from harness.images import load
from synth._phash import COLOUR, FLAT, THUMB, WINDOWS, Sketch, sketch
from synth._types import FORMATS
from tasks import ImageRef

_BYTES = THUMB * THUMB + 2 * COLOUR * COLOUR
_Item = TypeVar("_Item")


class Album:
    """Pictures that can be compared; equal pixels are one picture.

    Memory: about 250 bytes a picture. The thumbnails (2,592 bytes each) lie in a temporary file,
    which goes when the album does.
    """

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._flat = bytearray()
        self._known: dict[bytes, int] = {}
        self._thumbs = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the album

    def __len__(self) -> int:
        """Number of different pictures."""
        return len(self._known)

    def add(self, drawn: Sketch) -> int:
        """Keep a sketch; gives the picture's number, or that of its equal."""
        number = self._known.setdefault(drawn.pixels, len(self._known))
        if number == len(self._flat):
            self._hashes += drawn.hashes.tobytes()
            self._flat.append(drawn.contrast < FLAT)
            self._thumbs.write(drawn.thumb.tobytes() + drawn.colour.tobytes())
        return number

    def hashes(self, first: int = 0) -> NDArray[np.uint64]:
        """Of each picture from `first` on, (n, 16)."""
        width = len(WINDOWS)
        part = bytes(memoryview(self._hashes)[first * width * 8 :])
        return np.frombuffer(part, np.uint64).reshape(-1, width)

    @property
    def flat(self) -> NDArray[np.bool_]:
        """Which pictures have too little contrast to be compared."""
        return np.frombuffer(bytes(self._flat), np.bool_)

    def thumbs(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Of these pictures: grey (n, 48, 48), and colours (n, 2, 12, 12)."""
        self._thumbs.flush()
        file = self._thumbs.fileno()
        parts = b"".join(os.pread(file, _BYTES, n * _BYTES) for n in numbers.tolist())
        both = np.frombuffer(parts, np.uint8).reshape(-1, _BYTES)
        grey, colour = np.split(both, [THUMB * THUMB], axis=1)
        return grey.reshape(-1, THUMB, THUMB), colour.reshape(-1, 2, COLOUR, COLOUR)

    def equal(self, other: Album) -> list[tuple[int, int]]:
        """Numbers of pictures here and there whose pixels are equal."""
        known = other._known
        return [(n, known[pixels]) for pixels, n in self._known.items() if pixels in known]


Numbered = int | RowError
"""A picture's number in an album, or why it has none."""


def numbered(
    items: Iterable[_Item],
    pictures_of: Callable[[_Item], tuple[ImageRef, ...]],
    album: Album,
    formats: tuple[str, ...] = FORMATS,
) -> Iterator[tuple[_Item, tuple[Numbered, ...]]]:
    """Put the items' pictures into an album; a path that comes again is not read again.

    Args:
        items: Anything.
        pictures_of: Its pictures.
        album: Where the sketches go.
        formats: Accepted file formats.

    Yields:
        Each item, in order, with its pictures' numbers.
    """
    known: dict[tuple[object, str], list[Numbered]] = {}

    def jobs() -> Iterator[_Job[_Item]]:
        for item in items:
            cells: list[list[Numbered]] = []
            for ref in pictures_of(item):
                place = (ref.root, ref.locator)
                cell = known.get(place) if ref.data is None else None
                cells.append([] if cell is None else cell)
                if ref.data is None:
                    known[place] = cells[-1]
                if cell is None:
                    yield _Job(None, [cells[-1]], ref)
            yield _Job(item, cells, None)

    for job, drawn in sketches(jobs(), lambda job: job.picture, formats):
        if job.picture is not None and drawn is not None:
            job.cells[0].append(drawn if isinstance(drawn, RowError) else album.add(drawn))
        if job.item is not None:
            yield job.item, tuple(cell[0] for cell in job.cells)


@dataclass(frozen=True, slots=True)
class _Job(Generic[_Item]):
    """A picture to be sketched, or an item whose pictures have all been."""

    item: _Item | None
    cells: list[list[Numbered]]
    picture: ImageRef | None


def sketches(
    items: Iterable[_Item],
    picture_of: Callable[[_Item], ImageRef | None],
    formats: tuple[str, ...] = FORMATS,
    workers: int | None = None,
) -> Iterator[tuple[_Item, Sketch | RowError | None]]:
    """Read and sketch the items' pictures, in order; a few are ahead, however many there are.

    Decoding and shrinking run outside Python's lock, so threads are enough.

    Args:
        items: Anything.
        picture_of: Its picture; None where there is none to be sketched.
        formats: Accepted file formats.
        workers: Threads; default: one a core, four at most.
    """
    workers = workers or min(4, os.cpu_count() or 1)

    def work(item: _Item) -> Sketch | RowError | None:
        ref = picture_of(item)
        try:
            return None if ref is None else sketch(load(ref, formats).image)
        except RowError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[_Item, Future[Sketch | RowError | None]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 4 * workers:
                first, done = waiting.popleft()
                yield first, done.result()
        for first, done in waiting:
            yield first, done.result()
