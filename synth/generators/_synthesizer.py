"""A tuned multimodal model that writes question and answers itself."""

from __future__ import annotations

from harness.recipes._synth import SynthesizerInput
from harness.requests import Message, Sampling
from synth._types import Pair, Reject, Triplet
from synth.generators._base import Answer, Ask, checked, rejected
from synth.generators._wire import (
    DESCRIBE,
    KNOWN,
    NO_CAPTION,
    Exchange,
    exchanges_of,
    same,
    separators_of,
)


class Synthesizer:
    """The published synthesizer, or one tuned on seed data.

    Args:
        given: What it was tuned to go by, and is therefore given.
    """

    name = "synthesizer"
    version = 1
    sees = True
    asks = True

    def __init__(self, given: SynthesizerInput = "image_and_caption") -> None:
        self._given = given

    def _caption(self, pair: Pair) -> str:
        return NO_CAPTION if self._given == "image" else pair.caption

    @property
    def config(self) -> dict[str, str | int]:
        """What it is given; a seed moves only what is drawn, and stands in the sampling."""
        return {"input": self._given}

    def sampling(self, drawn: Sampling) -> Sampling:
        """Special tokens stay: they are what separates the turns."""
        return drawn._replace(skip_special_tokens=False)

    def ask(self, pair: Pair) -> Ask:
        """A described picture, and a user's turn that is only opened."""
        described = (Message("user", DESCRIBE, 1), Message("assistant", self._caption(pair)))
        return Ask(described, form="user_turn", blank=self._given == "caption")

    def read(self, pair: Pair, answer: Answer) -> Triplet | Reject:
        """The first question that was answered in both ways."""
        own = separators_of(answer.prompt, self._caption(pair))
        found = exchanges_of(answer.text, answer.finish_reason, (own,) if own else KNOWN)
        whole = [exchange for exchange in found if exchange.whole]
        cut = [exchange for exchange in found if not exchange.whole]
        for exchange in whole:
            both = _answers(whole, exchange.instruction)
            if len(both) == 2:
                return checked(pair, exchange.instruction, both["informative"], both["precise"])
        if answer.finish_reason == "length" and (not whole or _completes(cut, whole)):
            return rejected(pair, "truncated", answer.text)
        return rejected(pair, "no matching pair" if whole else "malformed", answer.text)


def _answers(exchanges: list[Exchange], instruction: str) -> dict[str, str]:
    """Kind to the first answer of that kind to a question."""
    answers: dict[str, str] = {}
    for exchange in exchanges:
        if same(exchange.instruction) == same(instruction):
            answers.setdefault(exchange.kind, exchange.answer)
    return answers


def _completes(cut: list[Exchange], whole: list[Exchange]) -> bool:
    """Whether the answer that was cut off is the one that is missing."""
    return any(
        same(one.instruction) == same(other.instruction) and one.kind != other.kind
        for one in cut
        for other in whole
    )
