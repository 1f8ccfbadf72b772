"""Rows from a folder: `test.jsonl` with pictures beside it, or parquet files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks._errors import UnreadableRow, UserError
from tasks._paths import is_plain_path
from tasks._types import ImageRef, Row, Scorer, Unreadable
from tasks.sources._records import parse_record, refuse_repeated_ids

_FEW = 256  # parquet rows held at once: each carries a picture


class JsonlRows:
    """`FOLDER/test.jsonl`, one row a line; `image` is a path relative to the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def describe(self) -> str:
        """The file's path."""
        return str(self.path)

    def fingerprint(self) -> str:
        """Hash of the lines, and of each picture's size and time of change.

        Pictures are hashed one by one when their answer is looked up in the journal; reading
        all of them twice would cost as much as the evaluation's own overhead.
        """
        digest = hashlib.sha256()
        with self.path.open("rb") as lines:
            for line in lines:
                digest.update(line)
                digest.update(self._picture_stat(line))
        return digest.hexdigest()

    def _picture_stat(self, line: bytes) -> bytes:
        try:
            image = json.loads(line).get("image")
            if not is_plain_path(image):
                return b"?"
            stat = (self.path.parent / image).stat()
        except (ValueError, TypeError, AttributeError, OSError, RecursionError):
            return b"?"
        return f"{stat.st_size} {stat.st_mtime_ns}".encode()

    def count(self) -> int:
        """Lines that are not blank."""
        with self.path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Yield rows in file order; a line that is no row is yielded as unreadable."""
        yield from refuse_repeated_ids(self._read(scorer), self.describe())

    def _read(self, scorer: Scorer) -> Iterator[Row | Unreadable]:
        root = self.path.parent
        for index, record in enumerate(read_jsonl(self.path)):
            try:
                if isinstance(record, UnreadableRow):
                    raise record
                image = record.get("image")
                refs = () if image is None else (ImageRef(str(image), root=root),)
                yield parse_record(record, index, scorer, refs)
            except UnreadableRow as error:
                yield Unreadable(index, str(error))


def read_jsonl(path: Path) -> Iterator[dict[str, Any] | UnreadableRow]:
    """Yield the object of every line that is not blank, or what is wrong with the line."""
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                yield UnreadableRow(f"not JSON: {error}")
                continue
            except RecursionError:
                yield UnreadableRow("not JSON: nested too deep")
                continue
            yield record if isinstance(record, dict) else UnreadableRow("not a JSON object")


def hash_files(files: Iterable[Path], root: Path) -> str:
    """Hash of files' contents and of their paths under `root`, 32 hex digits."""
    import xxhash

    hashed = xxhash.xxh3_128()
    for path in sorted(files):
        hashed.update(os.path.relpath(path, root).encode() + b"\0")
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                hashed.update(chunk)
    return hashed.hexdigest()


class ParquetRows:
    """`FOLDER/*.parquet` as the hub stores it: `image` is a struct of `bytes` and `path`."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.folder = folder
        self.files = files

    def describe(self) -> str:
        """The folder and how many files it holds."""
        return f"{self.folder} ({len(self.files)} parquet)"

    def fingerprint(self) -> str:
        """Hash of the files' names and contents."""
        return hash_files(self.files, self.folder)

    def count(self) -> int:
        """Rows as the files' footers say."""
        return sum(self._open(path).metadata.num_rows for path in self.files)

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Yield rows in file-name order; memory holds a few hundred of them."""
        yield from refuse_repeated_ids(self._read(scorer, images), self.describe())

    def _read(self, scorer: Scorer, images: bool) -> Iterator[Row | Unreadable]:
        index = 0
        for path in self.files:
            file = self._open(path)
            columns = [n for n in file.schema_arrow.names if images or n != "image"]
            batches = file.iter_batches(batch_size=_FEW, columns=columns)
            while records := self._next(batches, path):
                for record in records:
                    try:
                        refs = embedded_image(record, index, self.folder, images=images)
                        yield parse_record(record, index, scorer, refs)
                    except UnreadableRow as error:
                        yield Unreadable(index, str(error))
                    index += 1

    @staticmethod
    def _open(path: Path) -> Any:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        try:
            return pq.ParquetFile(path)
        except (ArrowException, OSError) as error:
            raise _damaged(path, error) from error

    @staticmethod
    def _next(batches: Iterator[Any], path: Path) -> list[dict[str, Any]]:
        """Records of the next batch that holds any; none at the end."""
        from pyarrow import ArrowException

        try:
            return next((batch.to_pylist() for batch in batches if batch.num_rows), [])
        # A text that is not UTF-8 is found only when it becomes a Python one.
        except (ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read as parquet: {error}", "Fetch or write the file again.")


def embedded_image(
    record: Mapping[str, Any], index: int, root: Path | None, *, images: bool
) -> tuple[ImageRef, ...]:
    """The picture of a hub-style record: its bytes, or a path under `root`.

    Args:
        record: The record.
        index: Its position, which names the picture.
        root: Folder of pictures that are given by path.
        images: Whether the record was read with its picture; else only the name is given.
    """
    if not images:
        return (ImageRef(f"row {index}"),)
    image = record.get("image")
    if image is None:
        return ()
    if isinstance(image, bytes):
        return (ImageRef(f"row {index}", data=image),)
    if isinstance(image, Mapping):
        path, data = image.get("path"), image.get("bytes")
        if isinstance(data, bytes):
            return (ImageRef(f"row {index}", data=data),)
        image = path
    if isinstance(image, str) and root is not None:
        return (ImageRef(image, root=root),)
    # Named but not there: the row fails when its picture is read.
    return (ImageRef(f"row {index}"),)
