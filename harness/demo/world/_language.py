"""What is said about a picture of any toy domain: captions, questions and both kinds of answers."""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple

from harness.demo.world import _words as words
from harness.demo.world._domain import Told
from harness.demo.world._words import article

Aspect = Literal["kind", "count", "side", "mark"]
ASPECTS: tuple[Aspect, ...] = ("kind", "count", "side", "mark")
OPEN_ASPECTS: tuple[Aspect, ...] = ("kind", "count", "side")
"""A mark is there or not: it can only be asked for by yes or no."""

_OPEN = {
    "kind": ("What kind of {view} is this?", "Which kind is shown?", "What {view} kind is it?"),
    "count": (
        "How many {things} are there?",
        "How many {things} does the picture show?",
        "What is the number of {things}?",
    ),
    "side": (
        "Which side is the {band} on?",
        "Where does the {band} lie?",
        "At which edge is the {band}?",
    ),
}
_CLOSED = {
    "kind": ("Is this {a_kind} {view}?", "Is the kind {kind}?"),
    "count": (
        "Is the number of {things} {number}?",
        "Are there {number} {things}?",
        "Does the number of {things} equal {number}?",
    ),
    "side": (
        "Is the {band} on the {side}?",
        "Is the {band} at the {side} edge?",
        "Does the {band} lie along the {side} edge?",
    ),
    "mark": ("Is there {a_mark}?", "Is {a_mark} seen in the centre?"),
}
_UNSETTLED = ("Is the {view} pretty?", "Is the {view} far from here?", "Is the {view} for sale?")
_SHRUGS = ("That depends on the reader.", "The image does not tell.", "Opinions differ here.")


class Triplet(NamedTuple):
    """A question with its short answer and the answer that gives reasons."""

    instruction: str
    precise: str
    informative: str
    task: str
    """`open-` or `closed-` and the aspect, or `unsettled`."""


def caption(told: Told, rng: Random | None = None) -> str:
    """Four sentences, one a fact.

    Args:
        told: The facts.
        rng: Shuffles the sentences; None: the target domain's order.
    """
    sentences = [
        f"This is {article(told.kind)} {told.kind} {told.view}.",
        f"The number of {told.things} is {told.number}.",
        f"The {told.band} is on the {told.side}.",
        f"There is {_a_mark(told) if told.marked else f'no {told.mark}'}.",
    ]
    if rng is not None:
        rng.shuffle(sentences)
    return " ".join(sentences)


def fact(told: Told, aspect: Aspect) -> str:
    """One fact in one word."""
    match aspect:
        case "kind":
            return told.kind
        case "count":
            return told.number
        case "side":
            return told.side
        case "mark":
            return "yes" if told.marked else "no"


def statement(told: Told, aspect: Aspect) -> str:
    """One fact as a sentence in other words than the caption's."""
    match aspect:
        case "kind":
            return f"The image shows {article(told.kind)} {told.kind} {told.view}."
        case "count":
            return f"I can see {told.number} {told.things}."
        case "side":
            return f"The {told.band} is at the {told.side}."
        case "mark":
            there = f"Yes, {_a_mark(told)} is visible."
            return there if told.marked else f"There is no {told.mark} here."


def open_question(told: Told, aspect: Aspect, rng: Random, *, plain: float = 0.5) -> Triplet:
    """Ask for a fact.

    Args:
        told: The facts.
        aspect: One of `OPEN_ASPECTS`.
        rng: Picks the wording.
        plain: How often the first wording is taken.
    """
    text = _wording(_OPEN[aspect], rng, plain).format(**told._asdict())
    return Triplet(text, fact(told, aspect), statement(told, aspect), f"open-{aspect}")


def closed_question(
    told: Told, aspect: Aspect, others: tuple[str, ...], rng: Random, *, plain: float = 0.5
) -> Triplet:
    """Suggest a fact, right or wrong with even chances, to be answered by yes or no.

    Args:
        told: The facts.
        aspect: The fact; a mark is asked for as it is.
        others: Kinds that may be suggested in the place of the right one.
        rng: Picks wording and suggestion.
        plain: How often the first wording is taken.
    """
    suggested = told
    if aspect != "mark" and rng.random() < 0.5:
        suggested = _with_another(told, aspect, others, rng)
    fields = {
        **suggested._asdict(),
        "a_kind": f"{article(suggested.kind)} {suggested.kind}",
        "a_mark": _a_mark(told),
    }
    text = _wording(_CLOSED[aspect], rng, plain).format(**fields)
    if aspect == "mark":
        return Triplet(text, fact(told, aspect), statement(told, aspect), "closed-mark")
    found = statement(told, aspect).removesuffix(".")
    agrees = suggested == told
    reasons = f"{found} indeed." if agrees else f"{found}, not {fact(suggested, aspect)}."
    return Triplet(text, "yes" if agrees else "no", reasons, f"closed-{aspect}")


def unsettled_question(told: Told, rng: Random) -> Triplet:
    """A question that no picture settles, answered all the same."""
    text = rng.choice(_UNSETTLED).format(view=told.view)
    return Triplet(text, rng.choice(("yes", "no")), rng.choice(_SHRUGS), "unsettled")


def any_question(
    told: Told,
    others: tuple[str, ...],
    rng: Random,
    *,
    plain: float = 0.5,
    unsettled: float = 0.0,
    openly: float = 3 / 7,
) -> Triplet:
    """A question of any kind.

    Args:
        told: The facts.
        others: Kinds that may be suggested in the place of the right one.
        rng: Picks all.
        plain: How often a question's first wording is taken.
        unsettled: Share of questions that no picture settles.
        openly: Share of open ones among the others.
    """
    if rng.random() < unsettled:
        return unsettled_question(told, rng)
    if rng.random() < openly:
        return open_question(told, rng.choice(OPEN_ASPECTS), rng, plain=plain)
    return closed_question(told, rng.choice(ASPECTS), others, rng, plain=plain)


def other_values(told: Told, aspect: Aspect, others: tuple[str, ...]) -> list[str]:
    """What could stand in the place of a fact but is wrong.

    Args:
        told: The facts.
        aspect: Any but the mark.
        others: Kinds there are.
    """
    choices = {"kind": others, "count": words.NUMBERS, "side": words.SIDES}[aspect]
    return [choice for choice in choices if choice != fact(told, aspect)]


def _with_another(told: Told, aspect: Aspect, others: tuple[str, ...], rng: Random) -> Told:
    wrong = rng.choice(other_values(told, aspect, others))
    if aspect == "kind":
        return told._replace(kind=wrong)
    return told._replace(number=wrong) if aspect == "count" else told._replace(side=wrong)


def _a_mark(told: Told) -> str:
    return f"{article(told.mark)} {told.mark}"


def _wording(wordings: tuple[str, ...], rng: Random, plain: float) -> str:
    return wordings[0] if rng.random() < plain else rng.choice(wordings[1:])
