"""From a pair and its kept triplet to conversations, and the rules every one of them keeps."""

from __future__ import annotations

from typing import Literal, NamedTuple

from synth._text import fault_of, pick
from synth._types import Conversation, Turn
from synth._wording import CAPTION_QUESTIONS, Answers, answer, ask

Content = Literal["all", "tasks", "captions"]
Position = Literal["random", "first", "last"]
MARK = "<image>"
MOST_CHARACTERS = 100_000
"""Of one turn; what is longer than any context is no training text."""


class Exchange(NamedTuple):
    """What a user asks and an assistant answers."""

    question: str
    answer: str


class Task(NamedTuple):
    """The words of a kept triplet."""

    instruction: str
    informative: str
    precise: str


class Wording(NamedTuple):
    """What the recipe says about conversations."""

    seed: int = 0
    answers: Answers = "both"
    content: Content = "all"
    caption_position: Position = "random"


def caption_exchange(caption: str, seed: int, row: str) -> Exchange:
    """The question for a description, and the caption."""
    return Exchange(pick(CAPTION_QUESTIONS, seed, row, "caption"), caption.strip())


def task_exchange(task: Task, wording: Wording, row: str) -> Exchange:
    """A kept triplet as one question and one answer."""
    question = ask(task.instruction, wording.answers, wording.seed, row)
    return Exchange(
        question, answer(task.informative, task.precise, wording.answers, wording.seed, row)
    )


def in_order(caption: Exchange, task: Exchange, wording: Wording, row: str) -> list[Exchange]:
    """Both exchanges, the caption's first or last."""
    position = wording.caption_position
    if position == "random":
        position = pick(("first", "last"), wording.seed, row, "position")
    return [caption, task] if position == "first" else [task, caption]


def converse(row: str, image: str, exchanges: list[Exchange]) -> Conversation:
    """One conversation about one picture, shown in the very first turn."""
    turns: list[Turn] = []
    for exchange in exchanges:
        opening = "" if turns else MARK
        turns.append(Turn("user", opening + exchange.question))
        turns.append(Turn("assistant", exchange.answer))
    return Conversation(row, tuple(turns), (image,))


def fault(conversation: Conversation) -> str | None:
    """What keeps a conversation out of training, or None.

    The rules are those of the usual readers of `messages` and `images` (LLaMA-Factory among
    them): turns alternate, a user begins and an assistant ends, there are as many `<image>`
    marks as pictures, nothing else in a text looks like a mark, no turn is empty.
    """
    turns = conversation.messages
    roles = [turn.role for turn in turns]
    if not turns or roles != ["user", "assistant"] * (len(turns) // 2):
        return "turns do not alternate between user and assistant"
    first = turns[0].content
    if not first.startswith(MARK) or len(conversation.images) != 1:
        return "the first turn does not show the one picture"
    texts = [first.removeprefix(MARK), *(turn.content for turn in turns[1:])]
    problems = (fault_of(text, MOST_CHARACTERS) for text in texts)
    return next((f"a turn: {problem}" for problem in problems if problem), None)
