"""Where a conversation keeps its pictures: in a list, or among the parts of its messages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.images import MAX_BYTES
from tasks import ImageRef

_PART_FIELDS = ("image_url", "input_image", "image", "path", "bytes", "source")
"""Where a part of type `image`, `image_url` or `input_image` holds its picture."""


def pictures_of(record: Mapping[str, Any], turns: object, root: Path) -> tuple[ImageRef, ...]:
    """A conversation's pictures; none is opened, and no address is followed.

    `images` or `image` holds paths, bytes, `{"bytes", "path"}` or data URIs. A message's parts hold
    the same, or `{"type": "image_url", "image_url": {"url": ...}}`; a part that says only that a
    picture stands there is one of the list.

    Args:
        record: The conversation.
        turns: Its messages.
        root: Folder that paths start from.
    """
    given = record.get("images")
    if given is None:
        given = record.get("image")
    listed = [] if given is None else given if isinstance(given, list) else [given]
    both = [*listed, *_in_parts(turns)]
    return tuple(_picture(one, place, root) for place, one in enumerate(both))


def _in_parts(turns: object) -> Iterator[object]:
    for turn in turns if isinstance(turns, list) else ():
        parts = turn.get("content", turn.get("value")) if isinstance(turn, Mapping) else None
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, Mapping) or part.get("type") == "text":
                continue
            held = [part[name] for name in _PART_FIELDS if part.get(name) is not None]
            if held:
                yield held[0]


def _picture(given: object, place: int, root: Path) -> ImageRef:
    name = f"picture {place}"
    if isinstance(given, Mapping):
        data = given.get("bytes")
        if data is None:
            data = given.get("data")
        path = given.get("path") or given.get("url")
        if isinstance(data, bytes):
            return ImageRef(str(path or name), data=data)
        given = _encoded(data) if isinstance(data, str) else path
    if isinstance(given, bytes):
        return ImageRef(name, data=given)
    if isinstance(given, str) and given[:5].lower() == "data:":
        data = _decoded(given)
        if data is None:
            return ImageRef(f"{name}: a data URI that cannot be read")
        return ImageRef(name, data=data)
    if isinstance(given, str):
        return ImageRef(given, root=root)
    return ImageRef(f"{name}: {type(given).__name__}, neither a path nor a file")


def _encoded(data: str) -> str:
    return data if data[:5].lower() == "data:" else f"data:;base64,{data}"


def _decoded(uri: str) -> bytes | None:
    """The bytes of a base64 data URI."""
    head, comma, body = uri.partition(",")
    marks: Sequence[str] = head.lower().replace(" ", "").split(";")
    if not comma or "base64" not in marks or len(body) > 2 * MAX_BYTES:
        return None
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
