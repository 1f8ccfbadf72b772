"""The published quality scores: arXiv:2411.19930v4, Tables 6 to 8, by people on 200 samples."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Published(NamedTuple):
    """One published number."""

    table: str
    domain: str
    """Domain, or source of the captions."""
    data: str
    """Whose triplets."""
    measure: str
    score: float
    """0 to 100."""

    @property
    def whose(self) -> str:
        """`data`, where it does not say who speaks."""
        return "the paper's synthesizer" if self.data == "ours" else self.data


@cache
def published() -> tuple[Published, ...]:
    """All of them, in the tables' order."""
    text = files("synth.quality").joinpath("quality_scores.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        Published(r["table"], r["domain_or_source"], r["data"], r["measure"], float(r["score"]))
        for r in rows
    )
