"""What is asked of an engine, and what comes back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from harness.files import digest
from harness.images import Picture

Role = Literal["system", "user", "assistant"]
Form = Literal["chat", "user_turn", "text"]
"""What stands at the prompt's end. `chat`: the assistant begins to speak. `user_turn`: a user's
turn is opened, so that the model writes the question too. `text`: nothing; the only message's text
is the whole prompt, without a template (base language models)."""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    text: str
    images: int = 0
    """How many pictures it shows."""
    places: tuple[int, ...] = ()
    """Where in the text each of them stands; empty if all stand before it."""

    @property
    def parts(self) -> tuple[str | None, ...]:
        """Texts and pictures (None) in the order in which they are read."""
        if not self.places:
            return (*(None,) * self.images, self.text)
        parts: list[str | None] = []
        for before, here in zip((0, *self.places), self.places, strict=False):
            parts += [self.text[before:here], None] if here > before else [None]
        rest = self.text[self.places[-1] :]
        return (*parts, rest) if rest else tuple(parts)


class Sampling(NamedTuple):
    """How an answer is drawn. Temperature 0 is greedy."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are not part of it."""
    skip_special_tokens: bool = True
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to an engine. Pictures are decoded; `key` names the answer for good."""

    key: str
    row_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    images: tuple[Picture, ...] = ()
    baseline: str | None = None
    """What the majority baseline says, taken from the labels; no model's engine looks at it."""
    owner: Any = None
    """Whatever the caller needs to know again; engines hand it back untouched."""
    form: Form = "chat"
    json_schema: str | None = None
    """JSON Schema the answer must follow. Engines that can make it so do; callers check anyway."""
    first_token_logprobs: bool = False
    """Also tell how likely the first token was, and what else it might have been."""

    @property
    def seed(self) -> int | None:
        """What its answer is drawn with: requests of one seed do not share their luck."""
        if self.sampling.seed is None:
            return None
        return self.sampling.seed ^ zlib.crc32(self.key.encode())


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, or why there is none."""

    request: Request
    text: str | None
    finish_reason: str | None = None
    """`stop` or `length`."""
    prompt: str | None = None
    """The exact text the model was given; None if it is just the messages' text."""
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """The request's share of the engine's time."""
    error: str | None = None
    passing: bool = False
    """The error may not occur again (out of memory, time-out): a resumed run asks again."""
    logprobs: dict[str, float] | None = None
    """Natural logarithms of the probabilities of the first token's likeliest texts, if asked for
    and if the engine can tell."""


def request_key(
    *,
    task: str,
    version: int,
    messages: Sequence[Message],
    images: Sequence[str],
    sampling: Sampling,
    model: str,
    form: Form = "chat",
    json_schema: str | None = None,
    first_token_logprobs: bool = False,
) -> str:
    """Fingerprint of everything that determines an answer, 32 hex digits.

    Args:
        task: Task id.
        version: Task version.
        messages: The conversation, system text included.
        images: Fingerprints of the encoded pictures, in order.
        sampling: How the answer is drawn.
        model: Fingerprint of the model and of the engine settings that move its answers.
        form: What stands at the prompt's end.
        json_schema: What the answer must follow.
        first_token_logprobs: Whether the first token's probabilities are part of the answer.
    """
    # Places are added only where they are, so that the keys of earlier journals stand.
    turns = [[*m[:3], list(m.places)] if m.places else list(m[:3]) for m in messages]
    parts = [task, version, turns, list(images), list(sampling), model]
    # Added only where they differ, so that the keys of earlier journals stand.
    if (form, json_schema, first_token_logprobs) != ("chat", None, False):
        parts.append([form, json_schema, first_token_logprobs])
    return digest(parts)[:32]
