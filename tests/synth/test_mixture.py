"""Conversations: how they are worded, and the rules that every row keeps."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth._conversing import (
    MARK,
    Task,
    Wording,
    caption_exchange,
    converse,
    fault,
    in_order,
    task_exchange,
)
from synth._text import pick
from synth._types import Conversation, Turn
from synth._wording import CAPTION_QUESTIONS, PATTERNS, answer, concludes

TASK = Task("What is shown?", "A round cake with a glaze. It has a hole.", "a bundt cake")


def readable(conversation: Conversation) -> bool:
    """The rules of a reader of `messages` and `images`, written down once more."""
    roles = [turn.role for turn in conversation.messages]
    marks = sum(len(re.findall("<image>", turn.content)) for turn in conversation.messages)
    return (
        len(roles) > 0
        and len(roles) % 2 == 0
        and all(role == ("user", "assistant")[n % 2] for n, role in enumerate(roles))
        and marks == len(conversation.images) == 1
        and conversation.messages[0].content.startswith(MARK)
        and not any("<video>" in t.content or "<audio>" in t.content for t in conversation.messages)
        and all(turn.content.strip() for turn in conversation.messages)
    )


parts = st.sampled_from(
    ["<image>", "<VIDEO>", "<|im_end|>", "</s>", "[INST]", " ", "\n", ".", "So the answer is",
     "cake", "{instruction}", "\ud800", "\0", "a < b", "<b>"]
)  # fmt: skip
texts = st.one_of(st.text(max_size=40), st.lists(parts, max_size=5).map("".join))
wordings = st.builds(
    Wording,
    st.integers(),
    st.sampled_from(["both", "precise", "informative"]),
    st.just("all"),
    st.sampled_from(["random", "first", "last"]),
)


@given(texts, texts, texts, texts, wordings)
def test_a_row_without_a_fault_is_readable(
    caption: str, question: str, long: str, short: str, wording: Wording
) -> None:
    asked = task_exchange(Task(question, long, short), wording, "r")
    made = converse("r", "a.png", in_order(caption_exchange(caption, 1, "r"), asked, wording, "r"))
    told = fault(made)
    if told is None:
        assert readable(made)
        assert "<|im_end|>" not in "".join(turn.content for turn in made.messages)
        assert len(made.messages) == 4
        "".join(turn.content for turn in made.messages).encode()


@pytest.mark.parametrize(
    "text",
    ["<image>", "see <Image> here", "<video>", "<audio>", "done<|im_end|>", "<|eot_id|>", "a</s>",
     "[INST] x", "<end_of_turn>", "<\uff5cUser\uff5c>", "", "  \n", "\ud800", "\0", "x" * 200_000],
)  # fmt: skip
@pytest.mark.parametrize("place", range(4))
def test_stray_marks_are_faults_wherever_they_stand(text: str, place: int) -> None:
    contents = ["q", "a", "q", "a"]
    contents[place] = text
    roles = ("user", "assistant") * 2
    turns = [Turn(role, content) for role, content in zip(roles, contents, strict=True)]
    turns[0] = Turn("user", MARK + turns[0].content)
    assert fault(Conversation("r", tuple(turns), ("a.png",))) is not None


@pytest.mark.parametrize(
    "text", ["p < 0.05 and x > 3", "<b>bold</b>", "a [citation]", "5 <| 6", "List: <item>"]
)
def test_ordinary_angle_brackets_are_none(text: str) -> None:
    assert fault(converse("r", "a.png", [caption_exchange(text, 0, "r")])) is None


def test_turns_must_alternate() -> None:
    user, assistant = Turn("user", MARK + "q"), Turn("assistant", "a")
    for turns in [(), (user,), (assistant, user), (user, user), (user, assistant, user)]:
        assert fault(Conversation("r", turns, ("a.png",))) is not None
    assert fault(Conversation("r", (user, assistant), ())) is not None
    assert fault(Conversation("r", (user, assistant), ("a.png",))) is None


@pytest.mark.parametrize(
    ("informative", "precise", "expected"),
    [
        ("It has a hole. Therefore, it is a bundt cake.", "A bundt cake", "^{i}$"),
        ("It has a hole. The answer is: bundt cake!", "bundt cake.", "^{i}$"),
        ("It has a hole, so it is a bundt cake.", "bundt cake", "^{i}$"),
        ("It is a bundt cake. It has a hole.", "bundt cake", r"^{i} .*answer.* bundt cake\.$"),
        ("It is so good, this bundt cake.", "bundt cake", r"^{i} .*answer.* bundt cake\.$"),
        ("Therefore a bread.", "bundt cake", r"^{i} .*answer.* bundt cake\.$"),
        ("It has a hole.", "Therefore, a bundt cake", r"^{i} Therefore, a bundt cake\.$"),
        ("It has a hole", "Thus: cake!", r"^{i}\. Thus: cake!$"),
        ("- hole\n- glaze", "cake", r"^{i}\.\n.*answer.* cake\.$"),
        ("It has a hole.", "The cake is a bundt cake.", r"^{i} .*: The cake is a bundt cake\.$"),
    ],
)
def test_reasoning_then_the_precise_answer(informative: str, precise: str, expected: str) -> None:
    for row in map(str, range(20)):
        said = answer(informative, precise, "both", 0, row)
        assert re.search(expected.replace("{i}", re.escape(informative)), said), said
        assert ".." not in said


def test_yes_is_no_part_of_another_word() -> None:
    assert not concludes("Therefore, eyesight is poor.", "yes")
    assert concludes("Therefore, yes, it is.", "Yes.")
    assert not concludes("", "yes")
    assert not concludes("Therefore, yes.", "...")


def test_answers_of_the_ablations() -> None:
    assert task_exchange(TASK, Wording(answers="precise"), "r").answer == TASK.precise
    assert task_exchange(TASK, Wording(answers="informative"), "r").answer == TASK.informative


def test_wording_follows_from_seed_and_id_alone() -> None:
    rows = [f"row {n}" for n in range(2_000)]
    one = [caption_exchange("c", 1, row) for row in rows]
    assert one == [caption_exchange("c", 1, row) for row in reversed(rows)][::-1]
    assert one != [caption_exchange("c", 2, row) for row in rows]
    counts = Counter(exchange.question for exchange in one)
    assert len(counts) == len(CAPTION_QUESTIONS)
    assert max(counts.values()) < 2 * min(counts.values())
    firsts = [pick(("first", "last"), 1, row, "position") for row in rows]
    assert 900 < firsts.count("first") < 1_100


def test_every_pattern_holds_the_instruction_once() -> None:
    for patterns in PATTERNS.values():
        assert all(pattern.count("{instruction}") == 1 for pattern in patterns)
