"""The fixed word lists of the benchmark, read from the package's own files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_FOODSEG103_UNUSED = frozenset({0, 103})
"""Background and "other ingredients": the published metric leaves both out."""


@cache
def food101() -> tuple[str, ...]:
    """The 101 class names of Food101 in index order, with underscores as in the data set."""
    return _lines("food101_101.txt")


@cache
def foodseg103() -> tuple[str, ...]:
    """The 102 categories of FoodSeg103 that count, in the order of their ids."""
    pairs = (line.split("\t") for line in _lines("foodseg103_category_id.txt"))
    return tuple(name for number, name in pairs if int(number) not in _FOODSEG103_UNUSED)


@cache
def nutrition5k() -> tuple[str, ...]:
    """The 555 ingredient entries of Nutrition5k, 552 of them distinct: position matters."""
    return _lines("nutrition5k_ingredients.txt")


@cache
def clrs() -> tuple[str, ...]:
    """The 25 scene classes of CLRS, spelt as in the data set (`railway-station`)."""
    return _lines("clrs_25.txt")


@cache
def ucmerced() -> tuple[str, ...]:
    """The 21 land-use classes of UC Merced, spelt as in the data set (`parkinglot`)."""
    return _lines("ucmerced_21.txt")


@cache
def contractions() -> dict[str, str]:
    """Words without their apostrophe and what the VQA evaluation makes of them."""
    text = (_DATA / "contractions.json").read_text(encoding="utf-8")
    words: dict[str, str] = json.loads(text)
    return words


def _lines(name: str) -> tuple[str, ...]:
    text = (_DATA / "class_lists" / name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())
