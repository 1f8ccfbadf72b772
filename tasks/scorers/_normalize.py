"""Normalising of short answers, as the VQA evaluation does it, quirks included."""

from __future__ import annotations

import re

from tasks._vocabulary import contractions

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
# The released scoring passes a flag whose value is 32 where a count is expected.
_FULL_STOPS_DELETED = 32
_NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
_ARTICLES = frozenset(("a", "an", "the"))


def normalize(text: str) -> str:
    """Normalise lower-cased text once.

    A mark is deleted where it stands next to a blank anywhere in the text (or the text holds a
    number like 1,000) and becomes a blank otherwise; number words become digits; articles go.

    Args:
        text: Text that is already lower-cased.

    Returns:
        Words joined by single blanks.
    """
    delete_all = _DIGIT_COMMA_DIGIT.search(text) is not None
    out = text
    for mark in _MARKS:
        if mark in out:
            near_blank = f"{mark} " in text or f" {mark}" in text
            out = out.replace(mark, "" if delete_all or near_blank else " ")
    out = _FULL_STOP.sub("", out, count=_FULL_STOPS_DELETED)
    words = (_NUMBERS.get(word, word) for word in out.split())
    expand = contractions()
    return " ".join(expand.get(word, word) for word in words if word not in _ARTICLES)
