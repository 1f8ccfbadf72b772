"""What the demo's base model is taught: to copy and to read, and one plain domain of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from PIL import Image

from harness.demo.world import _words as words
from harness.demo.world._domain import PLAIN, Facts, random_facts, random_told
from harness.demo.world._language import (
    OPEN_ASPECTS,
    any_question,
    caption,
    fact,
    open_question,
    other_values,
)
from harness.demo.world._picture import draw
from tasks._prompts import multiple_choice

MARK = "<image>"
DESCRIBE = (
    "Describe the image.",
    "Describe the picture.",
    "What is in the picture?",
    "Tell me about the image.",
    "Write a caption for the picture.",
)
_READ = ("Read this.", "Describe the image.", "Read the text.")
_SO = ("So the answer is", "Therefore, the answer is", "The answer is therefore")
_IN_SHORT = ("{}", "In short: {}")
_IN_FULL = "{} Please explain."
_MIX = (0.15, 0.35, 0.1, 0.4)
_WORDS = sorted(
    {*words.KINDS, *words.THINGS, *words.VIEWS, *words.BANDS, *words.MARKS}
    | {*words.NUMBERS, *words.SIDES}
)


class Turn(NamedTuple):
    """What one side says."""

    role: str
    text: str
    """`<image>` stands for the picture."""
    learnt: bool


class Lesson(NamedTuple):
    """A conversation to learn from."""

    picture: Image.Image | None
    turns: tuple[Turn, ...]


def base_lesson(rng: Random, known: Sequence[str] = _WORDS) -> Lesson:
    """One of the base model's lessons.

    Args:
        rng: Draws it.
        known: Words to repeat.
    """
    kind = rng.choices(range(4), _MIX)[0]
    if kind == 0:
        return repeat(rng, known, captions=0.4)
    return (read, look_and_tell, look_and_answer)[kind - 1](rng)


def repeat(rng: Random, known: Sequence[str] = _WORDS, captions: float = 0.0) -> Lesson:
    """Say again what was said: how copying is learnt, and every word's meaning as a word.

    Args:
        rng: Draws it.
        known: Words to repeat, 4 to 24 of them.
        captions: Share of captions among what is repeated.
    """
    if rng.random() < captions:
        text = caption(random_told(rng), rng)
    else:
        text = " ".join(rng.sample(known, rng.randint(4, 24)))
    said = (_user(rng.choice(_READ)), Turn("assistant", text, False))
    return Lesson(None, (*said, _user("Repeat it."), _answer(text)))


def read(rng: Random) -> Lesson:
    """Ask about a text, every question twice: answered in short, and with reasons.

    The questions are learnt too, as a language model learns whatever it reads.
    """
    told = random_told(rng)
    others = tuple(rng.sample(words.KINDS, 3))
    turns = [_user(rng.choice(_READ)), Turn("assistant", caption(told, rng), False)]
    for _ in range(2):
        asked = any_question(told, others, rng, unsettled=0.08)
        reasons = f"{asked.informative} {rng.choice(_SO)} {asked.precise}."
        exchanges = [(rng.choice(_IN_SHORT), asked.precise), (_IN_FULL, reasons)]
        rng.shuffle(exchanges)
        for way, answer in exchanges:
            turns += [Turn("user", way.format(asked.instruction), True), _answer(answer)]
    return Lesson(None, tuple(turns))


def look_and_tell(rng: Random) -> Lesson:
    """Describe a picture of the plain domain."""
    facts = random_facts(PLAIN, rng)
    ask = _user(MARK + rng.choice(DESCRIBE))
    return Lesson(draw(facts, rng), (ask, _answer(caption(facts.told))))


def look_and_answer(rng: Random) -> Lesson:
    """Answer three questions about a picture of the plain domain."""
    facts = random_facts(PLAIN, rng)
    turns: list[Turn] = []
    for _ in range(3):
        if rng.random() < 0.2:
            question, answer = _choice(facts, rng)
        else:
            asked = any_question(facts.told, PLAIN.kinds, rng)
            question, answer = asked.instruction, asked.precise
        turns += [_user(question if turns else MARK + question), _answer(answer)]
    return Lesson(draw(facts, rng), tuple(turns))


def _choice(facts: Facts, rng: Random) -> tuple[str, str]:
    """A question with four options; the answer is the option's text."""
    aspect = rng.choice(OPEN_ASPECTS)
    asked = open_question(facts.told, aspect, rng)
    options = [asked.precise, *other_values(facts.told, aspect, PLAIN.kinds)]
    rng.shuffle(options)
    return multiple_choice(asked.instruction, options), fact(facts.told, aspect)


def _user(text: str) -> Turn:
    return Turn("user", text, False)


def _answer(text: str) -> Turn:
    return Turn("assistant", text, True)
