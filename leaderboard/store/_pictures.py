"""Pictures of rows: read from the run's own source, shown only if they are what the run saw."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness import images
from harness.errors import RowError, UserError
from harness.export import LoadedRun
from harness.files import replacing
from leaderboard.store._rows import SampleRow
from tasks import TASKS, ImageRef, Row, RowSource, Task
from tasks.sources import JsonlRows, open_source, rows_at

BORROWED = "lmms_eval:"
"""Begins the names of tasks that are lmms-eval's."""
SIDE = 160
"""Of a thumbnail, in pixels."""
_FULL = 1_600
_MOST_BYTES = 256 * 1024 * 1024
_LOOK_EVERY = 500
"""Thumbnails written between two looks at the cache's size."""
_HASH = re.compile(r"[0-9a-f]{32}")
_MOST_SOURCES = 8
_PATIENCE = 60.0
"""Seconds before a source that could not be opened is tried again."""
_DAMAGE = (UserError, RowError, OSError, ValueError, LookupError, TypeError, AttributeError)


class Shown(NamedTuple):
    """A picture as WebP, or why there is none."""

    data: bytes | None
    reason: str | None = None
    size: tuple[int, int] | None = None
    """Of the original: width and height."""


class Pictures:
    """Finds and shrinks pictures; thumbnails are kept by the hash of their pixels.

    Args:
        cache: Folder of thumbnails; may be deleted at any time.
        most_bytes: What they may take.
    """

    def __init__(self, cache: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._cache = cache
        self._most = most_bytes
        self._written = 0
        self._lock = threading.Lock()
        self._refused: dict[tuple[Any, ...], tuple[float, str]] = {}
        self._sources: OrderedDict[tuple[Any, ...], tuple[Task, RowSource]] = OrderedDict()

    def kept(self, rows: Iterable[SampleRow]) -> dict[int, Shown]:
        """What needs no source: thumbnails that are there, and rows without a picture."""
        found = {}
        for row in rows:
            if row.pixels is None:
                found[row.position] = Shown(None, "no picture was read for this row")
            elif (data := self._kept(row.pixels)) is not None:
                found[row.position] = Shown(data)
        return found

    def thumbnails(
        self, run: LoadedRun, task: str, rows: Iterable[SampleRow]
    ) -> Iterator[tuple[int, Shown]]:
        """A small picture for each row, with the row's position, as they are read."""
        for row, picture in self._read(run, task, list(rows)):
            if isinstance(picture, str):
                yield row.position, Shown(None, picture)
            else:
                small = _small(picture.image)
                self._keep(str(row.pixels), small)
                yield row.position, Shown(small, None, picture.image.size)

    def full(self, run: LoadedRun, task: str, row: SampleRow) -> Shown:
        """A row's picture, at most 1,600 pixels wide and high."""
        if row.pixels is None:
            return Shown(None, "no picture was read for this row")
        for _, picture in self._read(run, task, [row]):
            if isinstance(picture, str):
                return Shown(None, picture)
            image = picture.image.copy()
            image.thumbnail((_FULL, _FULL))
            return Shown(_webp(image, 90), None, picture.image.size)
        return Shown(None, "its source has no such row")

    def _read(
        self, run: LoadedRun, task: str, rows: list[SampleRow]
    ) -> Iterator[tuple[SampleRow, images.Picture | str]]:
        """Each row's picture, or a text that says why it is not shown."""
        if not rows:
            return
        if task.startswith(BORROWED):
            yield from ((row, "lmms-eval's code would have to be run for it") for row in rows)
            return
        try:
            found, source = self._source(run, task)
            refs = dict(_refs(found, source, rows))
        except _DAMAGE as error:
            yield from ((row, f"its source cannot be read: {_told(error)}") for row in rows)
            return
        for row in rows:
            yield row, _picture(refs.get(row.position), found, row)

    def _source(self, run: LoadedRun, task: str) -> tuple[Task, RowSource]:
        """The task and where the run took its rows from.

        Raises:
            UserError: It is not to be had here.
        """
        data = run.record.get("data")
        given = data.get("given") if isinstance(data, dict) else None
        folders = run.record.get("task_folders")
        folder = folders.get(task) if isinstance(folders, dict) else None
        key = (task, given, folder)
        with self._lock:
            if key in self._sources:
                self._sources.move_to_end(key)
                return self._sources[key]
            until, reason = self._refused.get(key, (0.0, ""))
        if time.monotonic() < until:
            raise UserError(reason)
        try:
            opened = _open(task, given, folder)
        except _DAMAGE as error:
            self._refused[key] = (time.monotonic() + _PATIENCE, _told(error))
            raise
        with self._lock:
            self._sources[key] = opened
            while len(self._sources) > _MOST_SOURCES:
                self._sources.popitem(last=False)
        return opened

    def _place(self, pixels: str) -> Path:
        return self._cache / pixels[:2] / f"{pixels}.webp"

    def _kept(self, pixels: str | None) -> bytes | None:
        if pixels is None or not _HASH.fullmatch(pixels):
            return None
        try:
            return self._place(pixels).read_bytes() or None
        except OSError:
            return None

    def _keep(self, pixels: str, data: bytes) -> None:
        """Write a thumbnail; a full or read-only disk costs time later and nothing else."""
        try:
            with replacing(self._place(pixels)) as path:
                path.write_bytes(data)
        except OSError:
            return
        with self._lock:
            self._written += 1
            due = self._written % _LOOK_EVERY == 1
        if due:
            bound(self._cache, self._most)


def bound(folder: Path, most: int) -> None:
    """Delete the oldest thumbnails until the rest takes four fifths of `most` bytes."""
    files = []
    for path in folder.glob("*/*.webp"):
        try:
            found = path.stat()
        except OSError:
            continue
        files.append((found.st_mtime, found.st_size, path))
    size = sum(bytes_ for _, bytes_, _ in files)
    if size <= most:
        return
    for _, bytes_, path in sorted(files):
        path.unlink(missing_ok=True)
        size -= bytes_
        if size <= most * 0.8:
            return


def _open(task: str, given: Any, folder: Any) -> tuple[Task, RowSource]:
    if isinstance(folder, str):
        from tasks.custom import load_task

        found = load_task(Path(folder))
        if found.id != task:
            raise UserError(f"{folder} holds another task by now")
    elif task in TASKS:
        found = TASKS[task]
    else:
        raise UserError("nothing says where this task's rows are")
    return found, open_source(found, given if isinstance(given, str) else None)


def _refs(
    task: Task, source: RowSource, rows: Iterable[SampleRow]
) -> Iterator[tuple[int, ImageRef]]:
    if isinstance(source, JsonlRows):
        # The row names its file: nothing else needs to be read.
        root = Path(os.path.realpath(source.path.parent))
        for row in rows:
            if row.image is not None:
                yield row.position, ImageRef(row.image, root=root)
        return
    found: Iterator[Row] = rows_at(source, task.scorer, [row.position for row in rows])
    for full in found:
        if full.images:
            yield full.index, full.images[0]


def _picture(ref: ImageRef | None, task: Task, row: SampleRow) -> images.Picture | str:
    if ref is None:
        return "its source has no such row"
    try:
        picture = images.load(ref, task.image_formats)
    except RowError as error:
        return str(error)
    # What a run's folder says may be a stranger's: without this, a locator in it could show any
    # picture on this machine.
    if images.pixel_hash(picture.image) != row.pixels:
        return "the picture has changed since the run"
    return picture


def _small(image: Any) -> bytes:
    copy = image.copy()
    copy.thumbnail((SIDE, SIDE))
    return _webp(copy, 75)


def _webp(image: Any, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


def _told(error: BaseException) -> str:
    return error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
