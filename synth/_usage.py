"""What the answers that are still to come will cost, by those that a journal has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.journal import Survey

CHARACTERS_A_TOKEN = 4
"""Of English prose, roughly; for prompts that no tokenizer has seen yet."""


class Estimate(NamedTuple):
    """What is still to come."""

    rows: int
    prompt_tokens: int
    tokens: int
    seconds: float | None
    """None: nothing tells the rate."""
    source: str
    """What the figures rest on."""


def project(rows: int, known: Survey, characters: Iterable[int], most_new: int) -> Estimate:
    """Estimate what rows without an answer will cost.

    Args:
        rows: How many have none.
        known: What the others have cost.
        characters: Lengths of a few of their prompts, for where there are no others.
        most_new: Tokens an answer may have.
    """
    if known.rows:
        share = rows / known.rows
        return Estimate(
            rows,
            round(known.prompt_tokens * share),
            round(known.tokens * share),
            known.seconds * share,
            f"as the {known.rows:,} answers so far",
        )
    lengths = list(characters)
    mean = sum(lengths) / len(lengths) / CHARACTERS_A_TOKEN if lengths else 0
    told = f"at most; text prompts at {CHARACTERS_A_TOKEN} characters a token, pictures not counted"
    return Estimate(rows, round(rows * mean), rows * most_new, None, told)


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
