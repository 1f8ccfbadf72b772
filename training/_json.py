"""Records of JSON and JSONL files by number: an index of places, nothing held in memory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import xxhash

from harness.errors import RowError, UserError

_CHUNK = 1 << 22
_BOM = b"\xef\xbb\xbf"
_BETWEEN = re.compile(r"[\s,]*")
_HINT = "Write it again as JSONL, one record a line."


class JsonRecords:
    """A JSON array, or one object a line.

    Args:
        path: The file.
        places: Begin and end of each record in bytes, int64 of shape (records, 2).
        version: Fingerprint of the file's bytes.
    """

    def __init__(self, path: Path, places: Any, version: str) -> None:
        self.name = str(path)
        self._path = path
        self._places = places
        self._version = version
        self._file: int | None = None

    @classmethod
    def open(cls, path: Path) -> JsonRecords:
        """Index a file in one pass.

        Raises:
            UserError: It cannot be read, or is no JSON.
        """
        import numpy as np

        hashed = xxhash.xxh3_128()
        try:
            with path.open("rb") as file:
                # Two machine words a record, not two Python objects.
                found = np.fromiter(_places(file, path, hashed), dtype=np.dtype((np.int64, 2)))
        except OSError as error:
            raise UserError(f"data: {path} cannot be read: {error.strerror}") from error
        records = cls(path, found.reshape(-1, 2), hashed.hexdigest())
        if len(records):
            try:
                records.record(0)
            except RowError as error:
                raise UserError(f"data: {path}: its first record is {error}", _HINT) from error
        return records

    def __len__(self) -> int:
        return len(self._places)

    def __getstate__(self) -> dict[str, Any]:
        """Another process opens the file for itself."""
        return {**self.__dict__, "_file": None}

    def record(self, index: int) -> Mapping[str, Any]:
        """Read and parse one record."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        begin, end = map(int, self._places[index])
        text = os.pread(self._file, end - begin, begin)
        try:
            value = json.loads(text)
        except UnicodeDecodeError as error:
            raise RowError("not UTF-8") from error
        except ValueError as error:
            raise RowError(f"not JSON: {error}") from error
        except RecursionError as error:
            raise RowError("not JSON: nested too deep") from error
        if not isinstance(value, dict):
            raise RowError(f"a JSON {type(value).__name__}, not an object")
        return value

    def fingerprint(self) -> str:
        """Of the file's bytes."""
        return self._version


def _places(file: IO[bytes], path: Path, hashed: Any) -> Iterator[tuple[int, int]]:
    head = file.read(4096).removeprefix(_BOM)
    file.seek(0)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"data: {path} is UTF-16", "Save it as UTF-8.")
    if head.lstrip().startswith(b"["):
        yield from _elements(file, path, hashed)
    else:
        yield from _lines(file, hashed)


def _lines(file: IO[bytes], hashed: Any) -> Iterator[tuple[int, int]]:
    place = 0
    for line in file:
        hashed.update(line)
        begin = 3 if place == 0 and line.startswith(_BOM) else 0
        if line[begin:].strip():
            yield place + begin, place + len(line)
        place += len(line)


def _elements(file: IO[bytes], path: Path, hashed: Any) -> Iterator[tuple[int, int]]:
    """Places of an array's elements; the buffer holds little more than one of them."""
    decode = json.JSONDecoder(strict=False).raw_decode

    def more(size: int) -> str:
        chunk = file.read(size)
        hashed.update(chunk)
        # One letter a byte: JSON's own signs are ASCII, so the places are right, and what the
        # texts say does not matter here.
        return chunk.decode("latin-1")

    text = more(_CHUNK)
    place, before, count = text.index("[") + 1, 0, 0
    while True:
        place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        if text.startswith("]", place):
            while more(_CHUNK):
                pass
            return
        hopeless = False
        try:
            _, end = decode(text, place)
            problem = "it is not closed" if end >= len(text) else None
        except json.JSONDecodeError as error:
            problem, hopeless = str(error), _is_hopeless(error, len(text))
        except RecursionError as error:
            problem = str(error)
        if problem is None:
            yield before + place, before + end
            place, count = end, count + 1
            continue
        # Twice as much each time: an element longer than the buffer is read again seldom.
        added = "" if hopeless else more(max(_CHUNK, len(text) - place))
        if not added:
            raise UserError(
                f"data: {path} is no whole JSON array: after {count:,} records: {problem}", _HINT
            )
        text, before, place = text[place:] + added, before + place, 0


def _is_hopeless(error: json.JSONDecodeError, length: int) -> bool:
    """Whether no further text can mend it: the fault is far from where the text breaks off."""
    return not error.msg.startswith("Unterminated string") and error.pos < length - 64
