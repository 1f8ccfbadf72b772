"""From lmms-eval's messages to a prompt and its pictures."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from tasks._errors import UnreadableRow
from tasks._types import ImageRef

PICTURE_FORMAT = "PPM"
"""What pictures are handed on as: the pixels as they are, nothing is compressed."""


class Question(NamedTuple):
    """What one document asks."""

    prompt: str
    places: tuple[int, ...]
    """Where in the prompt the pictures stand; empty if all stand before it."""
    pictures: tuple[Any, ...]


def read_messages(messages: Any) -> Question:
    """Take a conversation of lmms-eval apart.

    Args:
        messages: As its `doc_to_messages` gives them.

    Raises:
        UnreadableRow: It is more than one user's turn, or holds other things than texts and
            decoded pictures.
    """
    if not isinstance(messages, list) or len(messages) != 1 or messages[0].get("role") != "user":
        raise UnreadableRow("it asks in several turns")
    prompt, places, pictures = "", [], []
    for part in messages[0]["content"]:
        kind = part.get("type")
        if kind == "text":
            prompt += str(part["text"])
        elif kind == "image":
            if not hasattr(part["url"], "tobytes"):
                raise UnreadableRow("its picture is a path or an address, which is not followed")
            places.append(len(prompt))
            pictures.append(part["url"])
        else:
            raise UnreadableRow(f"it shows {kind}; only pictures and texts can be asked here")
    return Question(prompt, tuple(places) if any(places) else (), tuple(pictures))


def references(pictures: tuple[Any, ...], index: int) -> tuple[ImageRef, ...]:
    """The pictures of a row, as the image loader takes them."""
    several = len(pictures) > 1
    return tuple(
        ImageRef(f"row {index}, picture {place}" if several else f"row {index}", data=_pixels(each))
        for place, each in enumerate(pictures, start=1)
    )


def _pixels(picture: Any) -> bytes:
    data = io.BytesIO()
    picture.convert("RGB").save(data, PICTURE_FORMAT)
    return data.getvalue()
