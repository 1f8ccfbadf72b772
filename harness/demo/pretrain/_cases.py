"""What the demo's judge is taught: cases of the consistency filter in the words of toy worlds."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from harness.demo.world import _words as words
from harness.demo.world._domain import Told, random_told
from harness.demo.world._language import (
    ASPECTS,
    Triplet,
    any_question,
    other_values,
    statement,
    unsettled_question,
)

Prompt = Callable[[str, str, str], str]
"""Question, informative and precise answer to the text that the filter asks."""


class Case(NamedTuple):
    """A triplet and the verdict on it."""

    asked: Triplet
    verdict: str


class Document(NamedTuple):
    """The filter's prompt for one case, and the verdict behind it."""

    text: str
    verdict: int
    """Where in `text` the verdict's word begins."""


def document(prompt: Prompt, rng: Random, *, bare: bool = False) -> Document:
    """The filter's prompt for a random case, with its verdict.

    Args:
        prompt: The filter's own.
        rng: Picks the case.
        bare: Leave out what is the same in every prompt: a tenth of the text to learn from.
            Attention sees distances only, so that a case looks the same behind it.
    """
    asked, verdict = random_case(rng)
    text = prompt(asked.instruction, asked.informative, asked.precise)
    if bare:
        text = text[text.rindex("Question:") :]
    return Document(f"{text} {verdict}", len(text) + 1)


def random_case(rng: Random) -> Case:
    """A case; the three verdicts with chances of 0.45, 0.35 and 0.2."""
    told = random_told(rng)
    others = tuple(rng.sample(words.KINDS, 3))
    verdict = rng.choices(("Yes", "No", "Open"), (0.45, 0.35, 0.2))[0]
    if verdict == "Open" and rng.random() < 0.5:
        return Case(unsettled_question(told, rng), verdict)
    asked = any_question(told, others, rng)
    if verdict == "Open":
        beside = rng.choice([aspect for aspect in ASPECTS if not asked.task.endswith(aspect)])
        return Case(asked._replace(informative=statement(told, beside)), verdict)
    return Case(asked if verdict == "Yes" else _contradicted(asked, told, others, rng), verdict)


def _contradicted(asked: Triplet, told: Told, others: tuple[str, ...], rng: Random) -> Triplet:
    """The same question with another short answer, or with reasons for another one."""
    form, _, aspect = asked.task.partition("-")
    if form == "closed":
        return asked._replace(precise="no" if asked.precise == "yes" else "yes")
    field = {"kind": "kind", "count": "number", "side": "side"}[aspect]
    wrong = rng.choice(other_values(told, aspect, others))  # type: ignore[arg-type]
    if rng.random() < 0.5:
        return asked._replace(precise=wrong)
    return asked._replace(informative=statement(told._replace(**{field: wrong}), aspect))  # type: ignore[arg-type]
