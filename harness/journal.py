"""The append-only record of responses: what was answered once is never asked again.

One JSON line a response. A line reaches the operating system at once (a killed process loses
nothing) and the disk every two seconds (a power cut loses little). A torn last line is tolerated,
counted, and written after on a line of its own.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from harness.errors import UserError
from harness.requests import Response

JOURNAL_VERSION = 1
_SYNC_SECONDS = 2.0


class Record(NamedTuple):
    """One line of the journal."""

    key: str
    row_id: str
    text: str | None
    finish_reason: str | None
    prompt_tokens: int
    tokens: int
    seconds: float
    error: str | None
    passing: bool
    pixels: str | None
    prompt: str | None
    logprobs: dict[str, float] | None = None


class Journal:
    """Responses of one task in one run, by key.

    Args:
        path: The file; made if missing.

    Raises:
        OSError: The file cannot be opened for appending.
        UserError: A later version of this program has written in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = 0
        """Lines that could not be read: the end of a write that was cut off."""
        self.prompt_tokens = self.tokens = 0
        """Of all answers, those of earlier processes too."""
        self.seconds = 0.0
        """What engines said the answers took, in sum."""
        # An engine may pull requests, and with them look-ups, in a thread of its own.
        self._lock = threading.Lock()
        self._places: dict[bytes, int] = {}
        self._failed: set[bytes] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        end = self._index() if path.exists() else 0
        self._file: IO[bytes] = path.open("ab", buffering=1 << 16)
        if end and not self._ends_in_newline():
            self._file.write(b"\n")
            end += 1
        self._end = end
        self._reader: IO[bytes] | None = None
        self._synced = time.monotonic()

    def _index(self) -> int:
        place = 0
        with self.path.open("rb") as lines:
            for line in lines:
                record = _parse(line, self.path)
                if record is None:
                    self.torn += bool(line.strip())
                else:
                    self._remember(record, place)
                place += len(line)
        return place

    def _ends_in_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _remember(self, record: Record, place: int) -> None:
        self.prompt_tokens += record.prompt_tokens
        self.tokens += record.tokens
        self.seconds += record.seconds
        packed = bytes.fromhex(record.key)
        if _is_final(record):
            self._places[packed] = place
            self._failed.discard(packed)
        elif packed not in self._places:
            self._failed.add(packed)

    def __contains__(self, key: str) -> bool:
        """Whether a final answer (or a final failure) stands for this key."""
        return bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        """Number of keys with a final answer."""
        return len(self._places)

    @property
    def to_retry(self) -> int:
        """Keys whose only records are failures that may pass."""
        return len(self._failed)

    def get(self, key: str) -> Record | None:
        """The final record of a key, read back from the file."""
        with self._lock:
            place = self._places.get(bytes.fromhex(key))
            if place is None:
                return None
            if self._reader is None:
                self._file.flush()
                self._reader = self.path.open("rb")
            self._reader.seek(place)
            record = _parse(self._reader.readline(), self.path)
        if record is None or record.key != key:
            raise OSError(f"{self.path} changed while it was read")
        return record

    def append(self, response: Response, pixels: str | None = None) -> None:
        """Add a response.

        Args:
            response: What the engine gave.
            pixels: Hash of the row's decoded picture, kept so that a resumed run need not decode.
        """
        record = Record(
            key=response.request.key,
            row_id=response.request.row_id,
            text=response.text,
            finish_reason=response.finish_reason,
            prompt_tokens=response.prompt_tokens,
            tokens=response.tokens,
            seconds=round(response.seconds, 6),
            error=response.error,
            passing=response.passing,
            pixels=pixels,
            prompt=response.prompt,
            logprobs=response.logprobs,
        )
        with self._lock:
            self._write(record)

    def _write(self, record: Record) -> None:
        line = _line(record)
        self._file.write(line)
        self._remember(record, self._end)
        self._end += len(line)
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        # An engine's next answers may be a minute away, so nothing waits for them in a buffer.
        self._file.flush()
        now = time.monotonic()
        if now - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = now

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Flush and close."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        """Usable in a `with` block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close, whatever happened."""
        self.close()


class Survey(NamedTuple):
    """What a journal, or its beginning, says in sum."""

    answered: int
    """Keys with a final answer or a final failure."""
    rows: int
    """Lines with an answer."""
    prompt_tokens: int
    """Of those lines together."""
    tokens: int
    seconds: float


NOTHING = Survey(0, 0, 0, 0, 0.0)


def survey(path: Path, most: int | None = None) -> Survey:
    """Read a journal that nobody needs to have open; all zero where there is none.

    Args:
        path: The file.
        most: Lines to be read; None for all.

    Raises:
        UserError: A later version of this program has written in it.
    """
    if not path.is_file():
        return NOTHING
    keys: set[str] = set()
    rows = prompt_tokens = tokens = 0
    seconds = 0.0
    with path.open("rb") as lines:
        for record in (_parse(line, path) for line in islice(lines, most)):
            if record is not None and _is_final(record):
                keys.add(record.key)
            if record is not None and record.text is not None:
                rows += 1
                prompt_tokens += record.prompt_tokens
                tokens += record.tokens
                seconds += record.seconds
    return Survey(len(keys), rows, prompt_tokens, tokens, seconds)


def _is_final(record: Record) -> bool:
    return record.text is not None or not record.passing


def _line(record: Record) -> bytes:
    fields: dict[str, Any] = {
        "v": JOURNAL_VERSION,
        "key": record.key,
        "row": record.row_id,
        "text": record.text,
        "finish_reason": record.finish_reason,
        "prompt_tokens": record.prompt_tokens,
        "tokens": record.tokens,
        "seconds": record.seconds,
        "error": record.error,
        "passing": record.passing,
        "pixels": record.pixels,
        "prompt": record.prompt,
    }
    if record.logprobs is not None:
        fields["logprobs"] = record.logprobs
    # ASCII only: a lone surrogate in a model's text survives as its escape.
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _parse(line: bytes, path: Path) -> Record | None:
    """A record; None if the line is not whole.

    Raises:
        UserError: The line is of a later version: asking its row again would be wrong.
    """
    try:
        fields = json.loads(line)
        version = fields["v"]
        if type(version) is int and version > JOURNAL_VERSION:
            raise UserError(
                f"{path} has answers of journal version {version}; "
                f"this program reads up to {JOURNAL_VERSION}",
                "Continue with the newer program, or start anew with --fresh.",
            )
        bytes.fromhex(fields["key"])
        return Record(
            key=fields["key"],
            row_id=fields["row"],
            text=fields["text"],
            finish_reason=fields["finish_reason"],
            prompt_tokens=int(fields["prompt_tokens"]),
            tokens=int(fields["tokens"]),
            seconds=_finite(fields["seconds"]),
            error=fields["error"],
            passing=fields["passing"],
            pixels=fields["pixels"],
            prompt=fields["prompt"],
            logprobs=fields.get("logprobs"),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number of seconds")
    return number
