"""Seeded chance: the only place where the samples get their random numbers from."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_T = TypeVar("_T")


def seeded(*parts: str | int) -> Random:
    """A generator that gives the same numbers on every machine for the same parts."""
    # A text seed is hashed with SHA-512, so PYTHONHASHSEED has no part in it.
    return Random("/".join(map(str, parts)))  # noqa: S311 - toy pictures, not secrets


def deck(values: Sequence[_T], size: int, rng: Random) -> list[_T]:
    """`size` values in random order, each as often as the others (give or take one)."""
    cards = [values[place % len(values)] for place in range(size)]
    rng.shuffle(cards)
    return cards
