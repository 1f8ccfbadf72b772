"""Test rows' texts inside training conversations: whole exchanges, and long answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth._words import Codes, code_of, codes, grams, words
from synth.audit._tests import HeldOut

PASSAGE = 8
"""Words of a run that is looked for, and least words of an answer or exchange that can be
evidence."""
COVERED = 0.5
"""Share of an answer's runs that must stand in one conversation."""
COMMON = 3
"""A question or run of words that belongs to so many different pictures is no evidence."""

_REST = np.uint64(44)
_SAYS_LITTLE = (["yes"], ["no"])
"""Answers that half of all who ask a question get: with another picture they are no evidence."""


class Exchange(NamedTuple):
    """A question and what was answered."""

    question: str
    answer: str


class TextHits(NamedTuple):
    """What one conversation holds of test rows' texts."""

    rows: dict[int, str]
    """Row to what was found, for people."""
    questions: frozenset[int]
    """Codes of its questions."""


class TextIndex:
    """Finds test rows' texts.

    Args:
        rows: All test rows.
    """

    def __init__(self, rows: Sequence[HeldOut]) -> None:
        asked = [words(row.question) for row in rows]
        self.questions: tuple[int, ...] = tuple(map(code_of, asked))
        """Code of each row's question."""
        # Rows of one picture are one: a question about it is not common for being asked twice.
        shown: dict[object, int] = {}
        self._about = [shown.setdefault(row.pictures or n, n) for n, row in enumerate(rows)]
        of_pictures: defaultdict[int, set[int]] = defaultdict(set)
        for code, about in zip(self.questions, self._about, strict=True):
            of_pictures[code].add(about)
        self._exchanges: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        runs: list[Codes] = []
        for number, row in enumerate(rows):
            answers = [words(answer) for answer in row.answers]
            runs.append(_runs(answers))
            code = self.questions[number]
            if len(of_pictures[code]) < COMMON:
                self._exchanges[code] += [
                    (number, _spaced(answer)) for answer in answers
                    if answer
                    and answer not in _SAYS_LITTLE
                    and len(asked[number]) + len(answer) >= PASSAGE
                ]  # fmt: skip
        self._index(runs)

    def _index(self, runs: list[Codes]) -> None:
        """Keep the runs that belong to few pictures, sorted."""
        every = np.concatenate([np.zeros(0, np.uint64), *runs])
        owner = np.repeat(np.arange(len(runs)), [len(part) for part in runs])
        about = np.array(self._about, np.int64)[owner]
        order = np.lexsort((about, every))
        every, owner, about = every[order], owner[order], about[order]
        first = np.ones(len(every), bool)
        first[1:] = every[1:] != every[:-1]
        other_picture = first.copy()
        other_picture[1:] |= about[1:] != about[:-1]
        group = np.cumsum(first) - 1
        rare = np.bincount(group, other_picture)[group] < COMMON if len(every) else first
        self._runs, self._owners = every[rare], owner[rare]
        self._totals = np.bincount(self._owners, minlength=len(runs))
        # A quick no for almost every run: which leading 20 bits occur at all.
        self._leading = np.zeros(1 << 20, bool)
        self._leading[self._runs >> _REST] = True

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Rows that have too little text of their own to be found by it."""
        silent = np.asarray(self._totals == 0)
        for exchanges in self._exchanges.values():
            silent[[number for number, _ in exchanges]] = False
        return silent

    def find(self, exchanges: Iterable[Exchange]) -> TextHits:
        """Look for test rows in one conversation."""
        rows: dict[int, str] = {}
        questions: set[int] = set()
        hit: list[Codes] = []
        for exchange in exchanges:
            answer = words(exchange.answer)
            hit += [self._known(words(exchange.question)), self._known(answer)]
            for code in _question_codes(exchange.question):
                questions.add(code)
                for number, wanted in self._exchanges.get(code, ()):
                    if wanted in _spaced(answer):
                        rows[number] = "question and answer"
        for number, share in self._covered(hit):
            rows.setdefault(number, f"{share:.0%} of the answer's {PASSAGE}-word runs")
        return TextHits(rows, frozenset(questions))

    def _known(self, text: list[str]) -> Codes:
        """The runs of a text that some test row has."""
        if len(text) < PASSAGE or not len(self._runs):
            return np.zeros(0, np.uint64)
        runs = grams(codes(text), PASSAGE)
        return np.asarray(runs[self._leading[runs >> _REST]])

    def _covered(self, hit: list[Codes]) -> list[tuple[int, float]]:
        """Rows enough of whose runs are among these."""
        runs = np.unique(np.concatenate([np.zeros(0, np.uint64), *hit]))
        low = np.searchsorted(self._runs, runs, side="left")
        high = np.searchsorted(self._runs, runs, side="right")
        counts: Counter[int] = Counter()
        for start, end in zip(low.tolist(), high.tolist(), strict=True):
            counts.update(self._owners[start:end].tolist())
        shares = ((number, count / self._totals[number]) for number, count in counts.items())
        return [(number, float(share)) for number, share in shares if share >= COVERED]


def _runs(answers: list[list[str]]) -> Codes:
    parts = [grams(codes(answer), PASSAGE) for answer in answers]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))


def _spaced(text: list[str]) -> str:
    return f" {' '.join(text)} "


def _question_codes(text: str) -> set[int]:
    """Of the whole question and of each of its lines: hints stand on lines of their own."""
    lines = [words(line) for line in (text, *text.split("\n"))]
    return {code_of(line) for line in lines if line}
