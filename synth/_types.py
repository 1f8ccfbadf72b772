"""The nouns of synthesis: pair, triplet, conversation, reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tasks import ImageRef

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""Picture files that are read, in Pillow's names."""
AUDITED = (*FORMATS, "BMP", "GIF")
"""Those that an audit reads too, since other programs train on them; of a GIF its first frame."""

Reason = Literal[
    "no image",
    "unusable image",
    "no caption",
    "unusable caption",
    "duplicate",
    "malformed",
    "truncated",
    "no matching pair",
    "no template",
    "failed",
    "inconsistent",
    "open",
    "contaminated",
]
"""Why a row went no further; details stand beside it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and what was written about it."""

    index: int
    """0-based position in its source."""
    id: str
    """The record's own id, else its index as text."""
    image: ImageRef
    caption: str


@dataclass(frozen=True, slots=True)
class Triplet:
    """A question about a pair, with a reasoned and a short answer."""

    pair: Pair
    instruction: str
    informative: str
    precise: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that went no further."""

    id: str
    index: int
    reason: Reason
    detail: str = ""
    """For people: what the model wrote, which row it repeats, what is wrong with the picture."""


class Turn(NamedTuple):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: str
    """`<image>` stands where a picture is shown."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A training row: turns, and the paths of their pictures under one root."""

    id: str
    messages: tuple[Turn, ...]
    images: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The `messages` + `images` form."""
        return {
            "id": self.id,
            "messages": [turn._asdict() for turn in self.messages],
            "images": list(self.images),
        }
