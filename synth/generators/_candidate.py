"""A question that a rule has found, and small tools for wording."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ABBREVIATIONS = ("approx", "e.g", "i.e", "Fig", "vs", "ca", "Dr")
_SENTENCE_END = re.compile(
    r"(?<=[.!?])" + "".join(rf"(?<!\b{re.escape(a)}\.)" for a in _ABBREVIATIONS) + r"\s+"
)


class Candidate(NamedTuple):
    """A question whose answer the caption states."""

    kind: str
    questions: tuple[str, ...]
    """Wordings of one question."""
    informative: str
    precise: str


def sentences_of(text: str) -> list[str]:
    """A text's sentences, each with its mark at the end."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def ended(text: str) -> str:
    """With a full stop, where no mark ends it."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def lowered(text: str) -> str:
    """With a small first letter, unless the first word is an abbreviation or a name's initial."""
    first = text.split(maxsplit=1)[0] if text.split() else ""
    return text if len(first) > 1 and first[1:2].isupper() else text[:1].lower() + text[1:]


def raised(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]
