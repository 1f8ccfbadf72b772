"""The wire format of the published synthesizer: hint lines, and turns in a model's own words.

The model is shown `Describe the image.` and the caption, then a user's turn is opened and it writes
both sides: questions that begin with one of two hint lines, and their answers. Facts of the
published format; the texts must not change.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from synth._text import forged_mark

DESCRIBE = "Describe the image."
PRECISE = "Answer with a precise response."
INFORMATIVE = "Answer with an informative response."
NO_CAPTION = "No description is given."
"""Stands for the caption where a synthesizer is to go by the picture alone (an ablation)."""
Kind = Literal["precise", "informative"]
HINTS: dict[str, Kind] = {PRECISE: "precise", INFORMATIVE: "informative"}

_LLAMA_3 = ("<|eot_id|>", "<|start_header_id|>{}<|end_header_id|>\n\n")
_CHATML = ("<|im_end|>\n", "<|im_start|>{}\n")
_LONGEST_SEPARATOR = 300
_SPACE = re.compile(r"\s+")
_END = re.compile(r"<\|[^|<>\s]{1,64}\|>|</s>|<eos>|<end_of_turn>")


class Separators(NamedTuple):
    """What stands between turns."""

    to_assistant: str
    to_user: str


KNOWN = tuple(
    Separators(end + header.format("assistant"), end + header.format("user"))
    for end, header in (_LLAMA_3, _CHATML)
)
"""Of families whose prompts are not at hand."""


def separators_of(prompt: str | None, caption: str) -> Separators | None:
    """Read a template's separators off a prompt that it has rendered.

    Args:
        prompt: The question for a description, the caption as its answer, an opened user's turn.
        caption: As it was given.

    Returns:
        None if the prompt holds no such thing.
    """
    if not prompt or not caption:
        return None
    end = prompt.rfind(caption)
    begin = prompt.find(DESCRIBE)
    if begin < 0 or end < 0:
        return None
    begin += len(DESCRIBE)
    best: tuple[int, Separators] | None = None
    # A caption such as "user" stands in the headers too: the right place is where both
    # separators look alike.
    place = prompt.find(caption, begin)
    while 0 <= place <= begin + _LONGEST_SEPARATOR:
        found = Separators(prompt[begin:place], prompt[place + len(caption) :])
        if all(part.strip() and len(part) <= _LONGEST_SEPARATOR for part in found):
            alike = _alike(*found)
            if best is None or alike > best[0]:
                best = alike, found
        place = prompt.find(caption, place + 1)
    return best[1] if best else None


def _alike(first: str, second: str) -> int:
    """Characters that two texts share at their ends."""
    shared = 0
    for one, other in ((first, second), (first[::-1], second[::-1])):
        for a, b in zip(one, other, strict=False):
            if a != b:
                break
            shared += 1
    return shared


class Exchange(NamedTuple):
    """A question with its hint, and what the model answered itself."""

    kind: Kind
    instruction: str
    answer: str
    whole: bool
    """The answer was ended, not cut off."""


def exchanges_of(
    text: str, finish_reason: str | None, separators: tuple[Separators, ...] = KNOWN
) -> list[Exchange]:
    """Read what a model wrote after an opened user's turn.

    Reading ends where the turns stop to alternate or a mark of another kind appears; an exchange
    without hint, question or answer is left out.

    Args:
        text: With special tokens.
        finish_reason: `length` if the text was cut off.
        separators: What may stand between turns.
    """
    found = []
    turns, ended = _turns(text, separators)
    for number in range(0, len(turns) - 1, 2):
        asked, answer = turns[number], turns[number + 1]
        if forged_mark(asked) or forged_mark(answer):
            break
        hint, _, instruction = asked.strip().partition("\n")
        kind = HINTS.get(hint.strip())
        last = number + 2 >= len(turns)
        whole = not last or ended or finish_reason != "length"
        if kind is not None and instruction.strip() and answer.strip():
            found.append(Exchange(kind, instruction.strip(), answer.strip(), whole))
    return found


def _turns(text: str, separators: tuple[Separators, ...]) -> tuple[list[str], bool]:
    """Turns in order, the user's first, and whether the last one was ended."""
    to_assistant = "|".join(_loosely(pair.to_assistant) for pair in separators)
    to_user = "|".join(_loosely(pair.to_user) for pair in separators)
    between = re.compile(f"(?P<assistant>{to_assistant})|(?P<user>{to_user})")
    turns: list[str] = []
    place, expected = 0, "assistant"
    for found in between.finditer(text):
        if found.lastgroup != expected:
            return [*turns, text[place : found.start()]], True
        turns.append(text[place : found.start()])
        place, expected = found.end(), "user" if expected == "assistant" else "assistant"
    rest = text[place:]
    end = _END.search(rest)
    return [*turns, rest[: end.start()] if end else rest], end is not None


def _loosely(separator: str) -> str:
    """A pattern for a separator in which white space may differ."""
    parts = [re.escape(part) for part in _SPACE.split(separator.strip())]
    # White space before it is left to whoever strips the turns: looking for it costs a square.
    return r"\s+".join(parts) + r"\s*"


def same(instruction: str) -> str:
    """What two spellings of one question have in common."""
    return " ".join(instruction.split())
