"""ROUGE-L of recipes and captions: summary level (`paper`) and sentence level (`strict`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from tasks._types import Column, ProtocolName, Row, Rules, Scored
from tasks.scorers._base import list_label
from tasks.scorers._lcs import backtrace, lcs_length, positions

_EPSILON = 1e-8  # of the `rouge` package, part of the published numbers
# The package recurses once a step; with Python's default limit of 1,000 frames it fails near here.
_STEPS_THAT_STILL_RECURSE = 900
_TOO_DEEP = (
    "true ROUGE-L: the rouge package may fail on a passage this long without a full stop, "
    "and its callers then score 0"
)
_NOT_WORD = re.compile(r"[^a-z0-9]+")


class SummaryRouge(NamedTuple):
    """Summary-level ROUGE-L of one pair."""

    f: float
    steps: int
    """Longest walk back through one table: what the package would have recursed."""


class _Segment(NamedTuple):
    words: tuple[str, ...]
    distinct: frozenset[str]
    masks: dict[str, int]


@lru_cache(maxsize=256)
def _segments(text: str) -> tuple[_Segment, ...]:
    segments = []
    for part in text.split("."):
        if part:
            # A segment of nothing but white space is one empty word, and counts.
            words = tuple(" ".join(part.split()).split(" "))
            segments.append(_Segment(words, frozenset(words), positions(words)))
    return tuple(segments)


def rouge_l_summary(label: str, prediction: str) -> SummaryRouge:
    """Summary-level ROUGE-L F as the `rouge` package 1.0.1 defines it.

    For every pair of segments the words of one longest common subsequence; their union as a set
    over the distinct words of each side.
    """
    wanted, said = _segments(label), _segments(prediction)
    if not wanted or not said:
        return SummaryRouge(0.0, 0)
    union: set[str] = set()
    deepest = 0
    for reference in wanted:
        for answer in said:
            common = reference.distinct & answer.distinct
            long = len(reference.words) + len(answer.words) > _STEPS_THAT_STILL_RECURSE
            if common <= union and not long:
                continue  # nothing this pair could add
            words, steps = backtrace(reference.words, answer.words, answer.masks)
            union.update(words)
            deepest = max(deepest, steps)
    precision = len(union) / len(frozenset().union(*(s.distinct for s in said)))
    recall = len(union) / len(frozenset().union(*(s.distinct for s in wanted)))
    return SummaryRouge(2 * precision * recall / (precision + recall + _EPSILON), deepest)


@lru_cache(maxsize=256)
def _tokens(text: str) -> tuple[str, ...]:
    """Words as the `rouge-score` package splits them, without stemming."""
    return tuple(_NOT_WORD.sub(" ", text.lower()).split())


def rouge_l_sentence(label: str, prediction: str) -> float:
    """Sentence-level ROUGE-L F as the `rouge-score` package defines it, without stemming."""
    wanted, said = _tokens(label), _tokens(prediction)
    if not wanted or not said:
        return 0.0
    common = lcs_length(wanted, said)
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall) if common else 0.0


@dataclass(frozen=True)
class RougeL:
    """ROUGE-L F against one reference, or the best (or mean) over several."""

    references: Literal["one", "best", "mean"] = "one"
    columns: tuple[Column, ...] = (Column(None, "rouge_l"),)

    @property
    def needs(self) -> frozenset[str]:
        """Several references come as a list; one text is a list of one."""
        return frozenset() if self.references == "one" else frozenset(("references",))

    @property
    def rules(self) -> Rules:
        """How several references become one value is not published."""
        if self.references == "one":
            return Rules()
        rule = f"references: {self.references} of them"
        return Rules(rule, rule)

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """ROUGE-L alone."""
        return (column.metric,)

    def check(self, row: Row) -> None:
        """Any text is a label."""

    def paper(self, row: Row, text: str) -> Scored:
        """Summary-level F; case-sensitive, the answer never stripped."""
        scores = [rouge_l_summary(label, text) for label in list_label(row)]
        too_deep = any(score.steps > _STEPS_THAT_STILL_RECURSE for score in scores)
        value = self._reduce([score.f for score in scores])
        return Scored({"rouge_l": value}, reason=_TOO_DEEP if too_deep else None)

    def strict(self, row: Row, text: str) -> Scored:
        """Sentence-level F, lower-cased alphanumeric words."""
        value = self._reduce([rouge_l_sentence(label, text) for label in list_label(row)])
        return Scored({"rouge_l": value}, unparsed=not _tokens(text))

    def _reduce(self, values: list[float]) -> float:
        if not values:
            return 0.0
        return sum(values) / len(values) if self.references == "mean" else max(values)
