"""Training conversations, found by number, whatever the file's form and size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from harness.errors import RowError, UserError
from harness.files import digest
from tasks import ImageRef

MARK = "<image>"
"""Stands in a user's turn where a picture is shown."""
Role = Literal["system", "user", "assistant"]

_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*(:[\w.-]+){0,2}")
_FILES = (".json", ".jsonl", ".parquet")
TOGETHER = ".together.json"
"""How the name of a file ends that lists several sources."""


class Turn(NamedTuple):
    """One message."""

    role: Role
    content: str
    """`<image>` stands where a picture is shown."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A training row: an optional system turn, then users' and assistants' turns in pairs."""

    index: int
    """0-based position in the source."""
    messages: tuple[Turn, ...]
    images: tuple[ImageRef, ...]
    """One for every mark, in order."""

    @property
    def exchanges(self) -> int:
        """Pairs of a user's and an assistant's turn."""
        return len(self.messages) // 2

    def shortened(self, exchanges: int) -> Conversation:
        """The first exchanges, with the pictures shown in them."""
        if exchanges >= self.exchanges:
            return self
        kept = self.messages[: len(self.messages) % 2 + 2 * exchanges]
        shown = sum(turn.content.count(MARK) for turn in kept)
        return Conversation(self.index, kept, self.images[:shown])


class Records(Protocol):
    """A source of records that can be asked for by number; it can be pickled."""

    name: str
    """What a person calls it."""

    def __len__(self) -> int:
        """Number of records."""

    def record(self, index: int) -> Mapping[str, Any]:
        """One record.

        Raises:
            RowError: There is something else at this place.
        """

    def fingerprint(self) -> str:
        """Changes when a record does, 32 hex digits."""


class TrainingRows:
    """Conversations of one source, in its order.

    Args:
        records: The source.
        root: Folder that pictures' paths start from.
    """

    def __init__(self, records: Records, root: Path | None) -> None:
        self._records = records
        self._root = root

    def __len__(self) -> int:
        """Number of rows, good or bad."""
        return len(self._records)

    def __getitem__(self, index: int) -> Conversation:
        """A row, checked but for its pictures.

        Raises:
            RowError: It is no conversation that can be trained on.
        """
        record = self._records.record(index)
        messages = _messages(record)
        _check_turns(messages)
        images = _images(record, index, self._root)
        _check_marks(messages, len(images))
        return Conversation(index, messages, images)

    def describe(self) -> str:
        """One line for people: the file, or the hub's name for it."""
        return self._records.name

    def fingerprint(self) -> str:
        """Changes when a record does, 32 hex digits.

        Pictures that lie in a folder are not looked at; those inside the records are.
        """
        return self._records.fingerprint()


def open_rows(where: str, images: Path | None = None) -> TrainingRows:
    """Find training conversations.

    Args:
        where: A JSON array or a JSONL file, a parquet file or a folder of them, or a hub id as
            `org/name[:config[:split]]`. Records hold `messages` (role, content) or
            `conversations` (from, value), and `images` or `image`. Or several of these together: a
            file `*.together.json` that lists `{"data", "images"}`.
        images: Folder that pictures' paths start from; default: beside the file.

    Raises:
        UserError: Nothing is there, it holds no rows, or it is of no known form.
    """
    path = Path(where).expanduser()
    if path.name.endswith(TOGETHER) and path.is_file():
        return _together(path)
    if images is not None and not images.is_dir():
        raise UserError(f"images: {images} is no folder")
    rows = TrainingRows(_records(where, path), images or (path.parent if path.is_file() else path))
    if not len(rows):
        raise UserError(f"data: {rows.describe()} holds no rows")
    return rows


class RowsTogether(TrainingRows):
    """The rows of several sources, one after the other, each with its own folder of pictures.

    Args:
        name: What a person calls them.
        parts: The sources.
    """

    def __init__(self, name: str, parts: tuple[TrainingRows, ...]) -> None:
        self._name = name
        self._parts = parts

    def __len__(self) -> int:
        """Number of rows, good or bad."""
        return sum(len(part) for part in self._parts)

    def __getitem__(self, index: int) -> Conversation:
        """A row, by its place among all.

        Raises:
            RowError: It is no conversation that can be trained on.
        """
        place = index
        for part in self._parts:
            if place < len(part):
                return replace(part[place], index=index)
            place -= len(part)
        raise IndexError(index)

    def describe(self) -> str:
        """The file that lists them."""
        return self._name

    def fingerprint(self) -> str:
        """Changes when a record of any does, 32 hex digits."""
        return digest([part.fingerprint() for part in self._parts])[:32]


def _together(path: Path) -> RowsTogether:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        parts = [(str(e["data"]), Path(e["images"]) if e.get("images") else None) for e in listed]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"data: {path} cannot be read: {error}",
            'It is a JSON list of {"data": FILE, "images": FOLDER}.',
        ) from error
    if not parts:
        raise UserError(f"data: {path} lists nothing")
    return RowsTogether(str(path), tuple(open_rows(*part) for part in parts))


def _records(where: str, path: Path) -> Records:
    if path.is_file() and path.suffix != ".parquet":
        from training._json import JsonRecords

        return JsonRecords.open(path)
    from training._tables import hub_table, parquet_table

    if path.is_file():
        return parquet_table([path], where)
    if path.is_dir():
        if files := sorted(path.glob("*.parquet")):
            return parquet_table(files, where)
        raise UserError(
            f"data: the folder {where} holds no parquet files",
            "Name a JSON or JSONL file with messages and images.",
        )
    if _HUB_ID.fullmatch(where) and path.suffix not in _FILES:
        return hub_table(where)
    raise UserError(
        f"data: no such file: {where}",
        "Give a JSON, JSONL or parquet file, or a hub id such as org/name.",
    )


def _messages(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    given = next((record[k] for k in ("messages", "conversations") if record.get(k)), None)
    if given is None:
        raise RowError("neither `messages` nor `conversations`")
    if not isinstance(given, list):
        raise RowError(f"its messages are a {type(given).__name__}, not a list")
    return tuple(_turn(entry, place) for place, entry in enumerate(given, 1))


def _turn(entry: Any, place: int) -> Turn:
    if not isinstance(entry, Mapping):
        raise RowError(f"turn {place} is a {type(entry).__name__}, not role and content")
    said = entry.get("role", entry.get("from"))
    role = _ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise RowError(f"turn {place}: the role {said!r} is none of system, user, assistant")
    content = entry.get("content", entry.get("value"))
    if not isinstance(content, str):
        raise RowError(f"turn {place}: its content is a {type(content).__name__}, not text")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise RowError(f"turn {place}: its text is no valid Unicode") from None
    return Turn(role, content)


def _check_turns(messages: tuple[Turn, ...]) -> None:
    if not any(turn.role == "assistant" for turn in messages):
        raise RowError("no assistant turn, so there is nothing to learn from")
    start = messages[0].role == "system"
    for place, turn in enumerate(messages[start:]):
        due = "assistant" if place % 2 else "user"
        if turn.role != due:
            raise RowError(
                f"roles do not alternate: turn {place + start + 1} is {turn.role}, not {due}"
            )
    if messages[-1].role == "user":
        raise RowError("its last turn is the user's, without an answer")


def _check_marks(messages: tuple[Turn, ...], images: int) -> None:
    for place, turn in enumerate(messages, 1):
        if turn.role != "user" and MARK in turn.content:
            raise RowError(f"turn {place}: {MARK} in a turn that is not the user's")
    marks = sum(turn.content.count(MARK) for turn in messages)
    if marks > images:
        raise RowError(f"{marks} {MARK} marks, but {_pictures(images)}")
    if marks < images:
        raise RowError(f"{_pictures(images)}, but {marks} {MARK} marks")


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _images(record: Mapping[str, Any], index: int, root: Path | None) -> tuple[ImageRef, ...]:
    given = record.get("images")
    if given is None:
        given = record.get("image")
    if given is None:
        return ()
    many = given if isinstance(given, list) else [given]
    return tuple(_image(one, index, root) for one in many)


def _image(given: Any, index: int, root: Path | None) -> ImageRef:
    if isinstance(given, Mapping):
        data, path = given.get("bytes"), given.get("path")
        if isinstance(data, bytes):
            return ImageRef(f"row {index}", data=data)
        given = path
    if isinstance(given, bytes):
        return ImageRef(f"row {index}", data=given)
    if not isinstance(given, str) or not given:
        raise RowError(f"an image is a {type(given).__name__}, not a path")
    return ImageRef(given, root=root)
