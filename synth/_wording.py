"""How training conversations are worded. Every choice follows from the seed and the row's id."""

from __future__ import annotations

import re
from typing import Literal

from synth._text import pick

Answers = Literal["both", "precise", "informative"]

WORDING_VERSION = 1
"""Part of the mixture's fingerprint: counted up when a phrase or a rule here changes."""

CAPTION_QUESTIONS = (
    "Describe the image.",
    "What does this picture show?",
    "Write a caption for this image.",
    "Tell me what is in the picture.",
    "Give an account of what the image contains.",
    "What can be seen here?",
    "Put this picture into words.",
    "Describe this image so that someone who cannot see it understands it.",
    "Summarise the content of the image.",
    "How would you caption this picture?",
    "Please explain what this image is about.",
    "What is this image of?",
    "Give a description of the picture.",
    "Which text would go well below this image?",
    "Share what you see in this picture.",
    "Report what can be made out in this image.",
)

_REASONED = (
    "{instruction}",
    "{instruction}",
    "{instruction}",
    "{instruction} Give your reasons first.",
    "{instruction} Explain how you get there, then answer.",
    "{instruction}\nReason about the image before you answer.",
    "Look at the image closely. {instruction}",
    "Think before you reply: {instruction}",
    "{instruction} Say what leads you to the answer.",
    "{instruction}\nFirst the reasoning, then the answer.",
)
_SHORT = (
    "{instruction}",
    "{instruction} Answer briefly.",
    "{instruction}\nA short answer is enough.",
    "{instruction} Reply with the answer only.",
    "{instruction}\nKeep the answer to a few words.",
    "In short: {instruction}",
)
_EXPLAINED = (
    "{instruction}",
    "{instruction} Please explain.",
    "{instruction}\nAnswer in detail.",
    "{instruction} Tell me more than just the answer.",
    "Look at the image closely. {instruction}",
    "{instruction} Include what you base it on.",
)
PATTERNS: dict[Answers, tuple[str, ...]] = {
    "both": _REASONED,
    "precise": _SHORT,
    "informative": _EXPLAINED,
}

_BEFORE_WORDS = (
    "So the answer is",
    "Therefore, the answer is",
    "Hence the answer is",
    "That makes the answer",
    "The answer is therefore",
    "Thus, the answer is",
)
_BEFORE_SENTENCES = (
    "In short:",
    "To sum up:",
    "In conclusion:",
    "The answer, then:",
    "Altogether:",
    "To answer the question:",
)
_CONCLUDES = re.compile(
    r"(?:^|(?<=[,;] ))so\b|\b(?:therefore|thus|hence|consequently|accordingly|overall|altogether|"
    r"in (?:short|conclusion|summary|brief|sum)|to (?:conclude|summari[sz]e|sum up)|"
    r"as a result|for (?:this|that|these|those) reasons?|"
    r"the (?:correct |final |best )?answer(?: is|:)|"
    r"(?:this|that|it|which|these|all of this) (?:means|shows|indicates|suggests|implies|confirms|"
    r"points to|follows)|it follows|we can conclude|it can be concluded)(?!\w)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]]*\s+|\n+")


def ask(instruction: str, answers: Answers, seed: int, row: str) -> str:
    """The user's turn of a task."""
    pattern = pick(PATTERNS[answers], seed, row, "instruction")
    return pattern.replace("{instruction}", instruction.strip())


def answer(informative: str, precise: str, answers: Answers, seed: int, row: str) -> str:
    """The assistant's turn of a task.

    With both, the informative answer is the reasoning and the precise one the conclusion: an
    informative answer that has concluded already stands alone, a precise one that is worded as
    a conclusion follows it, and any other is led up to.
    """
    reasoning, short = informative.strip(), precise.strip()
    if answers == "precise":
        return short
    if answers == "informative" or concludes(reasoning, short):
        return reasoning
    gap = "\n" if "\n" in reasoning else " "
    if reasoning[-1:] not in tuple(".!?:;\u3002\uff01\uff1f"):
        reasoning += "."
    if _CONCLUDES.match(short):
        return f"{reasoning}{gap}{_ended(short)}"
    is_sentence = len(short.split()) > 3 and (short[-1:] in ".!?" or short[:1].isupper())
    phrases = _BEFORE_SENTENCES if is_sentence else _BEFORE_WORDS
    if _words(short) in (["yes"], ["no"]):
        short = short.lower()
    return f"{reasoning}{gap}{pick(phrases, seed, row, 'conclusion')} {_ended(short)}"


def _ended(text: str) -> str:
    return text if text[-1:] in tuple(".!?\u3002\uff01\uff1f") else f"{text}."


def concludes(informative: str, precise: str) -> bool:
    """Whether the last sentence gives the precise answer, and as a conclusion."""
    sentences = [s for s in _SENTENCE_END.split(informative.strip()) if s.strip()]
    last = sentences[-1] if sentences else ""
    wanted, given = _words(precise), _words(last)
    if not wanted or _CONCLUDES.search(last) is None:
        return False
    return f" {' '.join(wanted)} " in f" {' '.join(given)} "


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
