"""What the consistency filter asks, and how its answer is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from harness.requests import Message
from synth.generators._base import MOST_ANSWER, MOST_INSTRUCTION, MOST_PRECISE

PROMPT_VERSION = 1
"""Part of every answer's key: counted up when a word of the prompt changes."""
Verdict = Literal["yes", "no", "open"]
Style = Literal["base", "instruct"]
VERDICTS: tuple[Verdict, ...] = ("yes", "no", "open")

_LEAST_MASS = 0.01
"""Below it the three words are noise among other first tokens."""

_TASK = (
    "Each case below holds a question about a picture, an explanation that somebody gave, and a "
    "short answer. The picture is not shown. Judge from the explanation alone whether the short "
    "answer follows from it.\n"
    "Yes: the explanation states or implies the short answer.\n"
    "No: the explanation leads to a different answer.\n"
    "Open: the explanation does not settle the question."
)


class _Example(NamedTuple):
    question: str
    explanation: str
    answer: str
    verdict: str


_EXAMPLES = (
    _Example(
        "Which side of the chest shows the fluid?",
        "The right costophrenic angle is blunted and a meniscus rises along the right lateral "
        "wall, while the left angle stays sharp. Fluid has gathered in the right pleural space.",
        "The right side",
        "Yes",
    ),
    _Example(
        "What is the main ingredient of this salad?",
        "Most of the bowl is filled with small round chickpeas. Some diced cucumber and parsley "
        "are scattered between them and a lemon wedge lies on the rim.",
        "Lentils",
        "No",
    ),
    _Example(
        "In which season was this area recorded?",
        "The tile shows a river bend with farmland on both banks. A road crosses the water over a "
        "narrow bridge and a few farm buildings stand beside it.",
        "Late summer",
        "Open",
    ),
    _Example(
        "Is there an airport in this scene?",
        "Two long paved strips cross at an angle. Aircraft are parked beside a terminal with "
        "finger-like piers, and a taxiway joins the apron to both runways.",
        "Yes",
        "Yes",
    ),
    _Example(
        "How was this tissue section stained?",
        "Nuclei appear blue to purple and the surrounding cytoplasm is pink, the usual look of "
        "haematoxylin and eosin.",
        "Ziehl-Neelsen",
        "No",
    ),
    _Example(
        "How long should the loaf stay in the oven?",
        "The loaf has a deep brown crust with a cross cut into its top. Flour is dusted over it, "
        "and it rests on a wire rack next to a folded towel.",
        "45 minutes",
        "Open",
    ),
)


def prompt(style: Style, instruction: str, informative: str, precise: str) -> tuple[Message, ...]:
    """The messages for one triplet; only their end differs from row to row.

    Args:
        style: `base` gives one text to be continued, `instruct` a conversation.
        instruction: The question.
        informative: The answer with its reasons.
        precise: The short answer.
    """
    case = _case(
        one_line(instruction, MOST_INSTRUCTION),
        one_line(informative, MOST_ANSWER),
        one_line(precise, MOST_PRECISE),
    )
    if style == "base":
        return (Message("user", _BASE_PREFIX + case + "\nVerdict:"),)
    return (*_CHAT_PREFIX, Message("user", case))


def _case(question: str, explanation: str, answer: str) -> str:
    return f'Question: "{question}"\nExplanation: "{explanation}"\nShort answer: "{answer}"'


_BASE_PREFIX = (
    _TASK
    + "\n\n"
    + "".join(f"{_case(*example[:3])}\nVerdict: {example.verdict}\n\n" for example in _EXAMPLES)
)


def _chat_prefix() -> tuple[Message, ...]:
    turns: list[Message] = []
    for example in _EXAMPLES:
        opening = "" if turns else f"{_TASK}\nReply with one word: Yes, No or Open.\n\n"
        turns.append(Message("user", opening + _case(*example[:3])))
        turns.append(Message("assistant", example.verdict))
    return tuple(turns)


_CHAT_PREFIX = _chat_prefix()
# A tokenizer would take `<|im_end|>`, `</s>` or `[INST]` out of a text for a mark of its own.
_MARK = re.compile(r"([<\[])(?=\S)")


def one_line(text: str, most: int) -> str:
    """A stranger's text as one line that can close no quotation and forge no mark.

    Args:
        text: What a model or a data set says.
        most: Characters; of a longer text the middle is left out, since answers conclude at
            their end.
    """
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]} ... {text[-half:]}"
    flat = " ".join(text.split()).replace('"', "'")
    visible = "".join(c if c.isprintable() else " " for c in flat)
    return _MARK.sub(r"\1 ", visible)


class Judgement(NamedTuple):
    """What the judge said of one triplet."""

    verdict: Verdict | None
    """None: it said none of the three."""
    shares: dict[Verdict, float] | None
    """Probabilities among the three; None if the engine tells none or they are all unlikely."""

    @property
    def p_yes(self) -> float | None:
        """Probability of Yes among Yes, No and Open."""
        return self.shares["yes"] if self.shares else None


def judge(
    text: str | None, logprobs: Mapping[str, float] | None, threshold: float | None = None
) -> Judgement:
    """Read a judge's answer.

    Args:
        text: What it wrote.
        logprobs: Of its first token's likeliest texts.
        threshold: Least share of Yes; None: Yes must be likelier than No and Open.
    """
    shares = _shares(logprobs or {})
    if shares is None:
        return Judgement(_read(text or ""), None)
    # Where two are equally likely, the doubtful one counts.
    other: Verdict = "open" if shares["open"] >= shares["no"] else "no"
    if threshold is None:
        return Judgement("yes" if shares["yes"] > shares[other] else other, shares)
    return Judgement("yes" if shares["yes"] >= threshold else other, shares)


def _shares(logprobs: Mapping[str, float]) -> dict[Verdict, float] | None:
    mass: dict[Verdict, float] = dict.fromkeys(VERDICTS, 0.0)
    for token, logprob in logprobs.items():
        verdict = _word(token)
        if verdict is not None and not math.isnan(logprob):
            mass[verdict] += math.exp(min(logprob, 0.0))
    whole = sum(mass.values())
    if whole < _LEAST_MASS:
        return None
    return {verdict: round(mass[verdict] / whole, 6) for verdict in VERDICTS}


def _word(token: str) -> Verdict | None:
    """The verdict that a token's text is, or begins: no two of them begin alike."""
    text = token.strip(" \t\r\n*_`'\".:,!\u2581\u0120").casefold()
    if not text:
        return None
    return next((verdict for verdict in VERDICTS if verdict.startswith(text)), None)


def _read(text: str) -> Verdict | None:
    found = re.match(r"\W*(yes|no|open)\b", text, re.IGNORECASE)
    if found is None:
        return None
    word = found[1].casefold()
    return next(verdict for verdict in VERDICTS if verdict == word)
