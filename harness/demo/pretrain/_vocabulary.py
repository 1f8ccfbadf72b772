"""The words that the demo's checkpoints know: those of the toy worlds and of what is asked."""

from __future__ import annotations

from collections.abc import Iterator

from harness.demo.pretrain._lessons import MARK, base_lesson
from harness.demo.world import _words as words
from harness.demo.world._domain import random_told
from harness.demo.world._files import TASKS
from harness.demo.world._language import any_question
from harness.demo.world._tokenizer import vocabulary
from tasks.sample import sample_records
from tasks.sample._rng import seeded

_CHAT = "You are a helpful assistant. system user assistant"
_CASE = 'Question: "" Explanation: "" Short answer: "" Verdict: Yes No Open'
_OPTIONS = ("A", "B", "C", "D")


def known_words() -> list[str]:
    """Words and marks, in an order that follows from the texts alone."""
    return vocabulary(_texts())


def _texts() -> Iterator[str]:
    lists = (words.KINDS, words.THINGS, words.VIEWS, words.BANDS, words.MARKS)
    for names in (*lists, words.NUMBERS, words.SIDES, _OPTIONS):
        yield " ".join(names)
    yield from (_CHAT, _CASE)
    rng = seeded("demo", "vocabulary")
    for _ in range(300):
        for turn in base_lesson(rng).turns:
            yield turn.text.replace(MARK, "")
        yield from any_question(random_told(rng), words.KINDS[:4], rng, unsettled=0.2)[:3]
    yield from _asked_in_training()
    for task in TASKS:
        for record in sample_records(task):
            fields = ("input", "label", *_OPTIONS)
            yield " ".join(str(record[name]) for name in fields if name in record)


def _asked_in_training() -> Iterator[str]:
    """How synthesis words what it makes of pairs: a checkpoint that must be able to read it.

    Only this program, which is run in a checkout, looks at synthesis from here.
    """
    from synth import _wording
    from synth.generators import _wire

    yield from (_wire.DESCRIBE, _wire.PRECISE, _wire.INFORMATIVE, _wire.NO_CAPTION)
    yield from _wording.CAPTION_QUESTIONS
    for patterns in _wording.PATTERNS.values():
        yield from (pattern.replace("{instruction}", "") for pattern in patterns)
    for answers in ("yes", "The shadow is on the left."):
        for place in range(100):
            yield _wording.answer("It is.", answers, "both", 0, str(place))
