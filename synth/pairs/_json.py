"""Records of JSON and JSONL files, one at a time whatever the file's size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from harness.errors import UserError

_CHUNK = 1 << 20
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BETWEEN = re.compile(r"[\s,]*")
_PLAIN = re.compile(r"[\s\ufeff]*")


class Broken(ValueError):
    """A line that is no record; the others stand."""


def read_records(path: Path) -> Iterator[dict[str, Any] | Broken]:
    """Yield the objects of a JSON array, or of a file with one object a line.

    UTF-8, or what a byte order mark says. Bytes that are neither become lone surrogates, so that
    the text they spoil is refused and the others stand.

    Raises:
        UserError: The file cannot be read, or is an array that ends or breaks midway.
    """
    try:
        with path.open("rb") as start:
            head = start.read(4)
        encoding = next((name for bom, name in _BOMS.items() if head.startswith(bom)), "utf-8")
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        with path.open(encoding=encoding, errors=errors, newline="\n") as file:
            yield from _array(file, path) if _is_array(path, encoding) else _lines(file)
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _is_array(path: Path, encoding: str) -> bool:
    """Whether the first thing in the file opens an array."""
    with path.open(encoding=encoding, errors="replace") as file:
        while chunk := file.read(4096):
            if rest := chunk[_PLAIN.match(chunk).end() :]:  # type: ignore[union-attr]
                return rest[0] == "["
    return False


def _lines(file: IO[str]) -> Iterator[dict[str, Any] | Broken]:
    for line in file:
        if line.strip():
            yield _object(line)


def _object(line: str) -> dict[str, Any] | Broken:
    try:
        value = json.loads(line)
    except ValueError as error:
        return Broken(f"not JSON: {error}")
    except RecursionError:
        return Broken("not JSON: nested too deep")
    return value if isinstance(value, dict) else Broken("not a JSON object")


def _array(file: IO[str], path: Path) -> Iterator[dict[str, Any] | Broken]:
    """The elements of an array; the buffer holds little more than one of them."""
    decode = json.JSONDecoder().raw_decode
    text = file.read(_CHUNK)
    place, count = text.index("[") + 1, 0
    while True:
        place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        if text.startswith("]", place):
            rest = text[place + 1 :]
            while rest or (rest := file.read(_CHUNK)):
                if rest.strip():
                    raise UserError(
                        f"{path}: something follows the array's end, after {count:,} records",
                        "Write one array, or one record a line.",
                    )
                rest = ""
            return
        try:
            value, end = decode(text, place)
            # A number may go on in the next chunk; an object or a text cannot.
            whole = end < len(text)
        except (ValueError, RecursionError) as error:
            whole, problem = False, error
        else:
            problem = ValueError("the array is not closed")
        if not whole:
            # Twice as much each time: an element longer than the buffer is read again seldom.
            more = file.read(max(_CHUNK, len(text) - place))
            if not more:
                raise UserError(
                    f"{path} is no whole JSON array: after {count:,} records: {problem}",
                    "Fetch or write the file again; JSONL (one record a line) survives a torn end.",
                )
            text, place = text[place:] + more, 0
            continue
        place, count = end, count + 1
        yield value if isinstance(value, dict) else Broken("not a JSON object")
