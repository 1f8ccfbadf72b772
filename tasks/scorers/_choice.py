"""Multiple choice: letters with texts (PMC-VQA), class indices with names (Food101)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tasks._errors import LabelError
from tasks._types import Column, ProtocolName, Row, Rules, Scored
from tasks.scorers._base import spoken, text_label, whole_words_in

_ENDS = ",.!?;:'"
_LETTERS = "ABCDEFGHIJ"
_IS = r"(?:\s+(?:is|would\s+be|must\s+be|should\s+be))?\s*[:=]?\s*(?:(?:option|choice|letter)\s+)?"
# "answer: B", "the correct option is (B)": what follows is the answer.
_ANSWER = re.compile(
    rf"\b(?:answer|(?:correct|right|best|final)\s+(?:option|choice|one)){_IS}", re.IGNORECASE
)
_OPTION = re.compile(rf"\b(?:option|choice){_IS}", re.IGNORECASE)
_AFTER_A = "because|since|as|and|for|due|which|is|was|the|based"
_MARKUP = re.compile(r"[*_`~#$]+|\\boxed|\\text")


class Choice(NamedTuple):
    """What was read from an answer."""

    position: int | None
    """Index of the option, or None."""
    guessed: bool = False


def choose_paper(text: str, letters: Sequence[str], texts: Sequence[str], index: int) -> Choice:
    """Read a choice as the published scoring does.

    Args:
        text: The model's answer, as it came.
        letters: What stands for each option.
        texts: Each option's text.
        index: The row's 0-based position, which seeds the guess.
    """
    for mark in _ENDS:
        text = text.strip(mark)
    text = f" {text} "
    found = [(text.rfind(f"({x})"), i) for i, x in enumerate(letters) if f"({x})" in text]
    if not found:
        found = [(text.rfind(f" {x} "), i) for i, x in enumerate(letters) if f" {x} " in text]
    if not found and len(text) > 5:
        low = text.lower()
        places = ((low.rfind(option.lower()), i) for i, option in enumerate(texts))
        found = [(place, i) for place, i in places if place >= 0]
    if not found:
        # Not secrecy but the published guess, digit for digit.
        letter = random.Random(index).choice(letters)  # noqa: S311
        return Choice(letters.index(letter), guessed=True)
    latest = max(place for place, _ in found)
    return Choice(next(i for place, i in found if place == latest))


def choose_strict(text: str, texts: Sequence[str]) -> int | None:
    """Read a lettered choice without guessing; None if it says none, or more than one.

    A letter counts where it stands for a choice: alone, marked up (`**B**`, `(B)`, `B)`,
    `B.`), or behind a cue (`Answer: B`). In running text "A" is an article and "vitamin C" a
    vitamin. Without a letter, the one option whose whole text is said.
    """
    letters = _LETTERS[: len(texts)]
    plain = _MARKUP.sub(" ", text).strip()
    alone = re.fullmatch(rf"\W*([{letters}{letters.lower()}])\W*", plain)
    if alone:
        return letters.index(alone.group(1).upper())
    cues = list(_ANSWER.finditer(plain))
    for cue in reversed(cues):
        if letter := _letter_at(plain, cue.end(), letters):
            rest = plain[cue.end() :].split(letter, 1)[1]
            return None if _goes_on(rest, letters) else letters.index(letter)
    leading = re.match(rf"([({{\[]?)([{letters}])([)\]}}.:,]|\s+[-\u2013\u2014])(?!\w)", plain)
    if leading:
        opening, letter, closing = leading.groups()
        # "A) lung B) heart": letters in the same form are a list of the options, not a choice.
        form = rf"(?<![\w({{\[]){re.escape(opening)}([{letters}]){re.escape(closing)}(?!\w)"
        listed = set(re.findall(form, plain)) - {letter}
        if listed or _goes_on(plain[leading.end(2) :], letters):
            return None
        return letters.index(letter)
    bold = set(re.findall(rf"(?:\*\*|__)\(?([{letters}])[).:]?(?:\*\*|__)", text))
    named = {_letter_at(plain, cue.end(), letters) for cue in _OPTION.finditer(plain)} - {None}
    for marked in (bold, named, set(re.findall(rf"\(([{letters}])\)", plain))):
        if marked:
            return letters.index(str(marked.pop())) if len(marked) == 1 else None
    for passage in (*(plain[cue.end() :] for cue in reversed(cues)), plain):
        said = _said(passage, texts)
        if len(said) == 1:
            return said.pop()
    return None


def _goes_on(rest: str, letters: str) -> bool:
    """Whether another letter is joined on: `B or C`, `A, B`."""
    joined = rf"[\s)\]}}.*]*(?:(?:or|and|,|/|&)\s*)+[({{\[]?[{letters}](?![\w'])"
    return re.match(joined, rest) is not None


def _letter_at(text: str, start: int, letters: str) -> str | None:
    """The letter that begins `text[start:]`; an "A" before a word is an article."""
    found = re.match(rf"[\s({{\[\"']*([{letters}])(?![\w'])(\s+(?!{_AFTER_A})[a-z])?", text[start:])
    if not found or (found.group(1) == "A" and found.group(2)):
        return None
    return found.group(1)


def _said(text: str, texts: Sequence[str]) -> set[int]:
    names = [spoken(option) for option in texts]
    return {names.index(name) for _, name in whole_words_in(spoken(text), names)}


@dataclass(frozen=True)
class MultipleChoice:
    """Lettered options that come with the row; the label is a letter."""

    needs: frozenset[str] = frozenset(("options",))
    columns: tuple[Column, ...] = (Column(None, "accuracy"),)
    rules: Rules = Rules()

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Accuracy alone."""
        return (column.metric,)

    def check(self, row: Row) -> None:
        """The label must be the letter of one of the row's options."""
        label = text_label(row)
        if label not in tuple(_LETTERS[: len(row.options)]):
            letters = ", ".join(_LETTERS[: len(row.options)])
            raise LabelError(f"the label {label!r} is none of the row's options {letters}")

    def paper(self, row: Row, text: str) -> Scored:
        """Letters first, then option texts, then a seeded guess."""
        letters = _LETTERS[: len(row.options)]
        choice = choose_paper(text, letters, row.options, row.index)
        letter = letters[choice.position] if choice.position is not None else None
        return Scored({"accuracy": float(letter == row.label)}, letter, guessed=choice.guessed)

    def strict(self, row: Row, text: str) -> Scored:
        """No guess: an answer that names no single option is wrong and unparsed."""
        position = choose_strict(text, row.options)
        letter = None if position is None else _LETTERS[position]
        return Scored({"accuracy": float(letter == row.label)}, letter, unparsed=letter is None)


@dataclass(frozen=True)
class ClassChoice:
    """One class of a fixed list, scored as a choice among "0", "1", ... (Food101)."""

    vocabulary: Callable[[], Sequence[str]]
    needs: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = (Column(None, "accuracy"),)
    rules: Rules = Rules()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(name.replace("_", " ") for name in self.vocabulary())

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {spoken(name): place for place, name in enumerate(self._names)}

    @cached_property
    def _indices(self) -> tuple[str, ...]:
        return tuple(str(place) for place in range(len(self._names)))

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Accuracy alone."""
        return (column.metric,)

    def check(self, row: Row) -> None:
        """The label must be a class name; underscores count as spaces."""
        if spoken(text_label(row)) not in self._places:
            raise LabelError(f"the label {row.label!r} is not one of the task's classes")

    def paper(self, row: Row, text: str) -> Scored:
        """A free-standing number is read as a class index first, then class names."""
        choice = choose_paper(text, self._indices, self._names, row.index)
        return self._scored(row, choice.position, guessed=choice.guessed)

    def strict(self, row: Row, text: str) -> Scored:
        """The one class that is named; behind "the answer is" if several are."""
        plain = spoken(_MARKUP.sub(" ", text))
        places = {self._places[name] for _, name in whole_words_in(plain, tuple(self._places))}
        if len(places) > 1:
            cues = list(_ANSWER.finditer(plain))
            after = plain[cues[-1].end() :] if cues else ""
            places = {self._places[n] for _, n in whole_words_in(after, tuple(self._places))}
        return self._scored(row, places.pop() if len(places) == 1 else None)

    def _scored(self, row: Row, position: int | None, *, guessed: bool = False) -> Scored:
        right = position is not None and position == self._places[spoken(text_label(row))]
        name = None if position is None else self._names[position]
        return Scored({"accuracy": float(right)}, name, unparsed=name is None, guessed=guessed)
