"""From a record of any accepted form to a pair."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from synth._text import fault_of, shortened, tidy
from synth._types import Pair, Reason, Reject
from tasks import ImageRef
from tasks._paths import is_plain_path

MOST_CAPTION = 20_000
"""Characters. Longer captions leave no room for an answer in the context, and are most often
whole pages that were caught by mistake."""
IMAGE_FIELDS = (
    "image", "images", "image_path", "img", "img_path", "image_file", "file_name", "filename",
)  # fmt: skip
_CAPTION_FIELDS = ("caption", "text", "captions", "caption_text")
_TURN_FIELDS = ("messages", "conversations")
_SPEAKERS = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}
_SHOWN = re.compile(r"<image>")


class Refused(Exception):
    """A record that is no pair."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason: Reason = reason
        self.detail = detail


class Turn(NamedTuple):
    """Who said what, whatever the fields are called."""

    speaker: str
    text: str


def read_pair(record: Mapping[str, Any], index: int, root: Path | None) -> Pair | Reject:
    """Make a pair of a record, or say why it is none.

    Args:
        record: With a picture and a caption, or messages and images.
        index: 0-based position in the source.
        root: Folder that paths start from.
    """
    row_id = id_of(record, index)
    try:
        image = image_of(record, index, root)
        return Pair(index, row_id, image, checked_caption(_caption_of(record)))
    except Refused as refusal:
        return Reject(row_id, index, refusal.reason, shortened(refusal.detail))


def id_of(record: Mapping[str, Any], index: int) -> str:
    """The record's own id, else its position."""
    own = record.get("id")
    if isinstance(own, bool) or not isinstance(own, (str, int)):
        return str(index)
    return shortened(str(own), 200).strip() or str(index)


def image_of(record: Mapping[str, Any], index: int, root: Path | None) -> ImageRef:
    """The record's one picture: bytes, or a path under a folder. It is not opened.

    Raises:
        Refused: There is none, or several, or a path leads elsewhere.
    """
    given = next((record[name] for name in IMAGE_FIELDS if record.get(name) is not None), None)
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        if len(given) > 1:
            raise Refused("unusable image", f"{len(given)} pictures; a pair has one")
        given = given[0] if given else None
    path: object = given
    if isinstance(given, Mapping):
        path = given.get("path") if given.get("bytes") is None else given["bytes"]
    if isinstance(path, bytes):
        return ImageRef(f"row {index}", data=path)
    if path is None or path == "":
        raise Refused("no image")
    if not isinstance(path, str):
        raise Refused("unusable image", f"a {type(path).__name__} is no path")
    if "://" in path or path.startswith("data:"):
        raise Refused("unusable image", f"{path!r} is an address; pictures are read from a folder")
    if root is None:
        raise Refused("no image", f"no folder is given that {path!r} starts from")
    if not is_plain_path(path):
        raise Refused("unusable image", f"{path!r} is not a path inside the pictures' folder")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Refused("unusable image", f"the path {path!r} is not UTF-8") from None
    return ImageRef(path, root=root)


def checked_caption(caption: object) -> str:
    """A caption that may become part of a training row.

    Raises:
        Refused: None, no text, or what no training row may hold.
    """
    if caption is None:
        raise Refused("no caption")
    if not isinstance(caption, str):
        raise Refused("unusable caption", f"a {type(caption).__name__}, not text")
    text = tidy(caption)
    if not text:
        raise Refused("no caption")
    if (fault := fault_of(text, MOST_CAPTION)) is not None:
        raise Refused("unusable caption", f"{fault}: {text}")
    return text


def _caption_of(record: Mapping[str, Any]) -> object:
    given = next((record[name] for name in _CAPTION_FIELDS if record.get(name) is not None), None)
    if isinstance(given, list):
        return given[0] if given else None
    if given is not None:
        return given
    return described(turns_of(record))


def turns_of(record: Mapping[str, Any]) -> list[Turn]:
    """The conversation of a record, in role and content or in from and value; none if unclear."""
    given = next((record[name] for name in _TURN_FIELDS if record.get(name) is not None), None)
    if given is None or isinstance(given, (str, bytes, Mapping)) or not hasattr(given, "__iter__"):
        return []
    turns = []
    for entry in given:
        if not isinstance(entry, Mapping):
            return []
        speaker = entry.get("role", entry.get("from"))
        text = entry.get("content", entry.get("value"))
        if not isinstance(speaker, str) or not isinstance(text, str):
            return []
        turns.append(Turn(speaker_of(speaker), text))
    return turns


def speaker_of(role: str) -> str:
    """`user` or `assistant`, however a data set spells them; any other role as it is."""
    return _SPEAKERS.get(role.lower(), role)


def described(turns: Sequence[Turn]) -> str | None:
    """The first answer to a question that shows the picture."""
    for asked, answered in pairwise(turns):
        if (asked.speaker, answered.speaker) == ("user", "assistant") and _SHOWN.search(asked.text):
            return answered.text
    return None
