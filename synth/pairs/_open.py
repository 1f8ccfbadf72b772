"""Finding the pairs: which file or data set, what they are, whether they have changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.errors import UserError
from synth._types import Pair, Reject
from synth.pairs._json import Broken, read_records
from synth.pairs._record import Refused, image_of, read_pair
from tasks import ImageRef

Record = Mapping[str, Any]
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*(:[\w.-]+){0,2}")


class Records(Protocol):
    """A source of records; reading is repeatable and streams."""

    def describe(self) -> str:
        """One line for people."""

    def version(self) -> str:
        """Changes when a record does."""

    def read(self) -> Iterator[Record | Broken]:
        """Yield the records in the source's order."""

    def count(self) -> int | None:
        """Number of records, where it is known without reading them."""


class _Scan(NamedTuple):
    rows: int
    pictures: str


class Pairs:
    """Pairs of one source, in its order; can be read as often as one likes.

    Args:
        records: The source.
        folder: Folder that pictures' paths start from.
        embedded: Whether the source carries its pictures: they then have no common folder.
        limit: Only the first.
    """

    def __init__(
        self, records: Records, folder: Path | None, *, embedded: bool, limit: int | None
    ) -> None:
        self._records = records
        self._folder = folder
        self._embedded = embedded
        self._limit = limit

    @property
    def root(self) -> Path | None:
        """Folder that every picture's path starts from; None where they are embedded."""
        return None if self._embedded else self._folder

    def describe(self) -> str:
        """One line for people."""
        return self._records.describe()

    def __iter__(self) -> Iterator[Pair | Reject]:
        """Yield pairs, and rejects for what is none, in the source's order."""
        for index, record in enumerate(self._limited()):
            if isinstance(record, Broken):
                yield Reject(str(index), index, "malformed", str(record))
            else:
                yield read_pair(record, index, self._folder)

    def count(self) -> int:
        """Number of records."""
        known = self._records.count()
        if known is None:
            return self._scan.rows
        return known if self._limit is None else min(known, self._limit)

    def fingerprint(self) -> str:
        """Changes when a record or a picture does; 32 hex digits.

        Of pictures that lie in a folder, sizes and times of change are taken.
        """
        parts = f"{self._records.version()} {self._limit} "
        parts += "" if self._carries_pictures() else self._scan.pictures
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    def _carries_pictures(self) -> bool:
        """As its first record tells: parquet may hold paths as well as bytes."""
        first = next(self._limited(), None) if self._embedded else None
        picture = _picture(first, self._folder) if isinstance(first, Mapping) else None
        return picture is not None and picture.data is not None

    def _limited(self) -> Iterator[Record | Broken]:
        return islice(self._records.read(), self._limit)

    @cached_property
    def _scan(self) -> _Scan:
        """One pass over all records; a torn file is found here, before anything is spent."""
        hashed, rows = hashlib.sha256(), 0
        for record in self._limited():
            rows += 1
            if isinstance(record, Mapping) and self._folder is not None:
                hashed.update(_picture_stat(record, self._folder))
        return _Scan(rows, hashed.hexdigest())


def _picture(record: Record, folder: Path | None) -> ImageRef | None:
    try:
        return image_of(record, 0, folder)
    except Refused:
        return None


def _picture_stat(record: Record, folder: Path) -> bytes:
    picture = _picture(record, folder)
    if picture is None or picture.data is not None:
        return b"?"
    try:
        stat = (folder / picture.locator).stat()
    except (OSError, ValueError):
        return b"?"
    return f"{stat.st_size} {stat.st_mtime_ns};".encode()


class _File:
    """A JSON array, or one object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def describe(self) -> str:
        return str(self.path)

    def version(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self) -> Iterator[Record | Broken]:
        return read_records(self.path)

    def count(self) -> int | None:
        return None


def open_pairs(where: str, images: Path | None = None, limit: int | None = None) -> Pairs:
    """Find image-caption pairs.

    Args:
        where: A JSON array or JSONL file whose records have a picture's path and a caption, or
            messages and images; a parquet file or a folder of them; or a hub id, as
            `org/name[:config[:split]]`.
        images: Folder that pictures' paths start from; default: beside the file.
        limit: Only the first.

    Raises:
        UserError: Nothing is there, or it is of no known form.
    """
    path = Path(where).expanduser()
    if images is not None and not images.is_dir():
        raise UserError(f"images: {images} is no folder")
    if path.is_file() and path.suffix == ".parquet":
        return _parquet([path], path.parent, images, limit)
    if path.is_file():
        return Pairs(_File(path), images or path.parent, embedded=False, limit=limit)
    if path.is_dir():
        if found := sorted(path.glob("*.parquet")):
            return _parquet(found, path, images, limit)
        raise UserError(
            f"pairs: the folder {where} holds no parquet files",
            "Name a JSON or JSONL file with image and caption.",
        )
    if _HUB_ID.fullmatch(where) and path.suffix not in (".json", ".jsonl", ".parquet"):
        from synth.pairs._table import HubTable

        return Pairs(HubTable.of(where), images, embedded=True, limit=limit)
    raise UserError(
        f"pairs: no such file: {where}",
        "Give a JSON, JSONL or parquet file, or a hub id such as org/name.",
    )


def _parquet(files: list[Path], folder: Path, images: Path | None, limit: int | None) -> Pairs:
    from synth.pairs._table import ParquetTable

    return Pairs(ParquetTable(files, folder), images or folder, embedded=True, limit=limit)
