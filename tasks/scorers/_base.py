"""What several scorers share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tasks._errors import LabelError
from tasks._types import Row


def text_label(row: Row) -> str:
    """The label of a task whose labels are single texts.

    Raises:
        LabelError: The row has a list of labels.
    """
    if isinstance(row.label, str):
        return row.label
    raise LabelError(f"the label is a list of {len(row.label)}, where one text is needed")


def list_label(row: Row) -> tuple[str, ...]:
    """The label of a task whose labels are lists; a single text is a list of one."""
    return (row.label,) if isinstance(row.label, str) else row.label


def spoken(name: str) -> str:
    """A class name as people write it: lower-case, words apart."""
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))


@lru_cache(maxsize=4096)
def whole_word(name: str) -> re.Pattern[str]:
    """Pattern that finds `name` where no letter, digit or underscore touches it."""
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


def whole_words_in(text: str, names: Sequence[str]) -> list[tuple[int, str]]:
    """Find names as whole words, longest first; what one name took no shorter one can have.

    Args:
        text: Text in the case of the names.
        names: Vocabulary; equal lengths are taken in this order.

    Returns:
        (position of the last occurrence, name) of every name found, in order of finding.
    """
    found = []
    for name in sorted((n for n in names if n and n in text), key=len, reverse=True):
        matches = list(whole_word(name).finditer(text))
        if matches:
            found.append((matches[-1].start(), name))
            # Blanked by a sign that no name holds, so that positions stay as they are.
            text = whole_word(name).sub("\0" * len(name), text)
    return found
