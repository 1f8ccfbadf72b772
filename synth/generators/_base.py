"""What a generator is, and the checks every generator's text has to pass."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from harness.requests import Form, Message, Sampling
from synth._text import fault_of, shortened, tidy
from synth._types import Pair, Reason, Reject, Triplet

MOST_INSTRUCTION = 1_000
MOST_ANSWER = 6_000
MOST_PRECISE = 1_000
"""Characters: what the consistency filter reads in full, so nothing unread is trained on."""


class Ask(NamedTuple):
    """What is asked of an engine for one pair."""

    messages: tuple[Message, ...]
    form: Form = "chat"
    json_schema: str | None = None
    blank: bool = False
    """Show a blank picture instead of the pair's."""


class Answer(NamedTuple):
    """What an engine said."""

    text: str
    finish_reason: str | None
    prompt: str | None
    """The exact text the model was given."""


class Generator(Protocol):
    """From pairs to triplets. Pure: the same pair and answer give the same triplet."""

    @property
    def name(self) -> str:
        """As a recipe has it, or `captions`."""

    @property
    def version(self) -> int:
        """Counted up when a prompt changes."""

    @property
    def sees(self) -> bool:
        """Whether the model is shown the picture."""

    @property
    def asks(self) -> bool:
        """Whether there is a model to ask at all."""

    @property
    def config(self) -> dict[str, str | int]:
        """What of the recipe moves its triplets, beside model and sampling, as JSON values."""

    def sampling(self, drawn: Sampling) -> Sampling:
        """What the recipe's sampling becomes."""

    def ask(self, pair: Pair) -> Ask:
        """What to ask about a pair; shows its picture where the generator sees."""

    def read(self, pair: Pair, answer: Answer) -> Triplet | Reject | None:
        """Read the answer; whatever it holds, nothing is raised.

        A generator without a model is given an empty one. None: no triplet was wanted.
        """


def rejected(pair: Pair, reason: Reason, detail: str) -> Reject:
    """A pair's reject, its detail shortened."""
    return Reject(pair.id, pair.index, reason, shortened(detail, 1_000))


def checked(pair: Pair, instruction: str, informative: str, precise: str) -> Triplet | Reject:
    """A triplet of texts that may become part of a training row; else a reject."""
    texts = [tidy(text) for text in (instruction, informative, precise)]
    most = (MOST_INSTRUCTION, MOST_ANSWER, MOST_PRECISE)
    names = ("instruction", "informative answer", "precise answer")
    for name, text, limit in zip(names, texts, most, strict=True):
        if (fault := fault_of(text, limit)) is not None:
            return rejected(pair, "malformed", f"{name}: {fault}: {text}")
    return Triplet(pair, *texts)
