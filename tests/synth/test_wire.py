"""The synthesizer's wire format: what is asked, and what is read out of whatever comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.requests import Message
from synth._types import Pair, Reject, Triplet
from synth.generators._base import Answer
from synth.generators._synthesizer import Synthesizer
from synth.generators._wire import DESCRIBE, INFORMATIVE, KNOWN, PRECISE, separators_of
from tasks import ImageRef

LLAMA_3, CHATML = KNOWN
FAMILIES = {
    "llama_3": (LLAMA_3.to_assistant, LLAMA_3.to_user, "<|eot_id|><|end_of_text|>"),
    "chatml": (CHATML.to_assistant, CHATML.to_user, "<|im_end|>\n<|endoftext|>"),
    "vicuna": (" ASSISTANT: ", "</s>USER: ", "</s>"),
    "gemma": (
        "<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>\n<start_of_turn>user\n",
        "<end_of_turn>",
    ),
}  # fmt: skip
PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=60
).filter(lambda text: text.strip() and not any(mark in text for mark in "<>[]|"))
PIECES = st.sampled_from([
    PRECISE, INFORMATIVE, "\n", "What is it?", "A cat.", "<image>", "<|eot_id|>", "<|im_end|>",
    LLAMA_3.to_user, LLAMA_3.to_assistant, CHATML.to_user, CHATML.to_assistant, "<|end_of_text|>",
    "<|start_header_id|>system<|end_header_id|>\n\n", "\x00", "\ud800", "", " ",
])  # fmt: skip


def pair(caption: str = "A cat on a mat.") -> Pair:
    return Pair(3, "row", ImageRef("a.png"), caption)


def read(
    text: str, finish: str | None = "stop", prompt: str | None = None, of: Pair | None = None
) -> Triplet | Reject:
    return Synthesizer().read(of or pair(), Answer(text, finish, prompt))


def wire(family: str, *exchanges: tuple[str, str, str], ended: bool = True) -> str:
    """What a well-behaved model writes after an opened user's turn."""
    to_assistant, to_user, end = FAMILIES[family]
    turns = [f"{hint}\n{ask}{to_assistant}{said}" for hint, ask, said in exchanges]
    return to_user.join(turns) + (end if ended else "")


def prompt_of(family: str, caption: str) -> str:
    to_assistant, to_user, _ = FAMILIES[family]
    return f"System text. {to_user}<image>\n{DESCRIBE}{to_assistant}{caption}{to_user}"


def both(ask: str = "What is it?") -> list[tuple[str, str, str]]:
    return [(PRECISE, ask, "A cat."), (INFORMATIVE, ask, "It has whiskers. It is a cat.")]


def test_the_request() -> None:
    ask = Synthesizer().ask(pair())
    assert ask.form == "user_turn"
    assert ask.messages == (
        Message("user", "Describe the image.", 1),
        Message("assistant", "A cat on a mat."),
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("swapped", [False, True])
def test_good_output_of_any_family(family: str, swapped: bool) -> None:
    exchanges = both()[:: -1 if swapped else 1]
    triplet = read(wire(family, *exchanges), prompt=prompt_of(family, pair().caption))
    expected = Triplet(pair(), "What is it?", "It has whiskers. It is a cat.", "A cat.")
    assert triplet == expected


@given(st.sampled_from(sorted(FAMILIES)), PLAIN, PLAIN, PLAIN, PLAIN)
def test_rendered_output_parses_back(
    family: str, caption: str, ask: str, precise: str, informative: str
) -> None:
    shown = pair(" ".join(caption.split()))
    text = wire(family, (PRECISE, ask, precise), (INFORMATIVE, ask, informative))
    triplet = read(text, prompt=prompt_of(family, shown.caption), of=shown)
    assert isinstance(triplet, Triplet)
    said = (triplet.instruction, triplet.informative, triplet.precise)
    assert ["".join(t.split()) for t in said] == [
        "".join(t.split()) for t in (ask, informative, precise)
    ]


@pytest.mark.parametrize("family", ["llama_3", "chatml"])
def test_known_families_without_a_prompt(family: str) -> None:
    assert isinstance(read(wire(family, *both())), Triplet)


@given(
    st.lists(PIECES | st.text(max_size=20), max_size=25), st.sampled_from(["stop", "length", None])
)
def test_any_text_gives_a_triplet_or_a_reject(pieces: list[str], finish: str | None) -> None:
    outcome = read("".join(pieces), finish)
    if isinstance(outcome, Reject):
        assert outcome.reason in ("malformed", "truncated", "no matching pair")
        assert (outcome.id, outcome.index) == ("row", 3)
        outcome.detail.encode()
        return
    for text in (outcome.instruction, outcome.informative, outcome.precise):
        assert text.strip()
        assert not any(mark in text for mark in ("<|", "<image>", "\x00", "\ud800"))


def test_the_first_question_with_both_hints_is_taken() -> None:
    text = wire("llama_3", (PRECISE, "Alone?", "Yes"), *both("First?"), *both("Second?"))
    triplet = read(text)
    assert isinstance(triplet, Triplet)
    assert triplet.instruction == "First?"


def test_a_cut_off_last_answer_is_dropped() -> None:
    cut = wire("llama_3", *both(), ended=False)
    outcome = read(cut, "length")
    assert isinstance(outcome, Reject)
    assert outcome.reason == "truncated"
    whole = read(wire("llama_3", *both(), (PRECISE, "And the mat?", "Re"), ended=False), "length")
    assert isinstance(whole, Triplet)
    # The token that ends the text is not always part of it.
    assert isinstance(read(cut, "stop"), Triplet)


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("", "stop", "malformed"),
        ("nothing but words", "stop", "malformed"),
        ("word " * 5_000, "length", "truncated"),
        (f"{PRECISE}\nWhat?", "length", "truncated"),
        (f"{PRECISE}{LLAMA_3.to_assistant}Yes<|eot_id|>", "stop", "malformed"),
        (wire("llama_3", (PRECISE, "What?", "Cat")), "stop", "no matching pair"),
        (wire("llama_3", (PRECISE, "A?", "Cat"), (INFORMATIVE, "B?", "Dog")), "stop", "no matching pair"),
        (wire("llama_3", (PRECISE, "A?", "x"), (PRECISE, "A?", "y")), "stop", "no matching pair"),
        (wire("llama_3", ("Answer briefly.", "A?", "x"), (INFORMATIVE, "A?", "y")), "stop",
         "no matching pair"),
        (wire("llama_3", (PRECISE, "A?", "<image>"), (INFORMATIVE, "A?", "y")), "stop", "malformed"),
        (wire("llama_3", (PRECISE, "A? <|im_start|>system", "x"), (INFORMATIVE, "A?", "y")), "stop",
         "malformed"),
        (wire("llama_3", (PRECISE, "A?", "x"), (INFORMATIVE, "A?", "y " * 9_000)), "stop", "malformed"),
        (wire("llama_3", (PRECISE, "A?", "x\x1b[2J"), (INFORMATIVE, "A?", "y")), "stop", "malformed"),
        (f"{LLAMA_3.to_assistant}{LLAMA_3.to_assistant}", "stop", "malformed"),
    ],
)  # fmt: skip
def test_bad_output_is_a_reject_with_its_text(text: str, finish: str, reason: str) -> None:
    outcome = read(text, finish)
    assert isinstance(outcome, Reject)
    assert outcome.reason == reason
    assert len(outcome.detail) < 1_100


@pytest.mark.parametrize("caption", ["user", "assistant", "a", "image", DESCRIBE, "id", "model"])
@pytest.mark.parametrize("family", FAMILIES)
def test_separators_where_the_caption_stands_in_the_headers_too(family: str, caption: str) -> None:
    to_assistant, to_user, _ = FAMILIES[family]
    found = separators_of(prompt_of(family, caption), caption)
    assert found is not None
    assert (found.to_assistant, found.to_user) == (to_assistant, to_user)


@pytest.mark.parametrize("family", ["qwen2_vl", "llava_next", "mllama"])
def test_separators_of_real_templates(family: str, tiny_models: dict[str, Path]) -> None:
    from transformers import AutoProcessor

    from harness.engines._chat import ChatTemplate

    processor = AutoProcessor.from_pretrained(tiny_models[family])
    prompt = ChatTemplate(processor, None).render(Synthesizer().ask(pair()).messages, "user_turn")
    found = separators_of(prompt, pair().caption)
    expected = CHATML if family == "qwen2_vl" else LLAMA_3
    assert found == expected
    assert isinstance(
        read(wire("chatml" if found == CHATML else "llama_3", *both()), prompt=prompt), Triplet
    )


@pytest.mark.parametrize("text", [" " * 60_000, "\n" * 60_000, LLAMA_3.to_assistant * 3_000])
def test_endless_answers_are_read_in_no_time(text: str) -> None:
    began = time.process_time()
    assert isinstance(Synthesizer().read(pair(), Answer(text, "length", None)), Reject)
    assert time.process_time() - began < 2
