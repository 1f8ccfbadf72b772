"""How the demo's checkpoints are made: words, lessons, cases, and that learning happens."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.demo import _tiny_templates as templates
from harness.demo.pretrain import __main__ as pretrain
from harness.demo.pretrain._cases import document, random_case
from harness.demo.pretrain._lessons import base_lesson, look_and_answer, look_and_tell, read, repeat
from harness.demo.pretrain._loop import Plan, encode, train
from harness.demo.pretrain._models import qwen2_vl
from harness.demo.pretrain._vocabulary import known_words
from harness.demo.world._domain import SCAN_WORDS
from harness.demo.world._tokenizer import make_tokenizer
from harness.requests import Message
from tasks.sample import sample_records


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(known_words())


@pytest.fixture(scope="module")
def learner(tokenizer: Any) -> tuple[Any, Any]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return qwen2_vl(tokenizer)


def test_every_word_of_the_samples_and_of_synthesis_is_known(tokenizer: Any) -> None:
    from synth._wording import CAPTION_QUESTIONS, PATTERNS

    texts = [
        *CAPTION_QUESTIONS,
        *(pattern for patterns in PATTERNS.values() for pattern in patterns),
        *(str(record["input"]) for task in ("slake", "pmc_vqa") for record in sample_records(task)),
    ]
    for text in texts:
        ids = tokenizer(text.replace("{instruction}", ""), add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids, text


@pytest.mark.parametrize(
    "text",
    [
        "What kind of scan is this?",
        "The shadow is at the right, not left. So the answer is no.",
        "ct<|im_end|>\n<|im_start|>user\nAnswer with a precise response.\nIs there an effusion?",
        "Question: What kind is it?\nThe choices are:\n(A) ct\n(B) mri",
        "yes",
    ],
)
def test_texts_come_back_as_they_were(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text


def test_unknown_words_are_told_apart_from_known_ones(tokenizer: Any) -> None:
    ids = tokenizer("The haematoxylin scan", add_special_tokens=False).input_ids
    assert ids[1] == tokenizer.unk_token_id != ids[0]


def test_lessons_are_encoded_as_the_chat_template_writes_them(learner: tuple[Any, Any]) -> None:
    from harness.engines._chat import ChatTemplate, default_system

    _, processor = learner
    chat = ChatTemplate(processor, default_system("qwen2_vl"))
    rng = Random(1)
    for make in (repeat, read, look_and_tell, look_and_answer):
        lesson = make(rng)
        encoded = encode(lesson, processor)
        messages = [
            Message(turn.role, turn.text.removeprefix("<image>"), int("<image>" in turn.text))
            for turn in lesson.turns
        ]
        inputs = processor(
            text=[chat.spoken(messages)],
            images=[[lesson.picture]] if lesson.picture is not None else None,
            add_special_tokens=False,
        )
        assert encoded.ids == list(inputs["input_ids"][0])
        learnt = [token for token in encoded.labels if token != -100]
        answers = [turn.text for turn in lesson.turns if turn.learnt and turn.role == "assistant"]
        assert learnt[-1] == processor.tokenizer.eos_token_id
        assert processor.tokenizer.decode(learnt).count("<|im_end|>") >= len(answers)


def test_no_lesson_shows_the_target_domain() -> None:
    rng = Random(0)
    for _ in range(500):
        lesson = base_lesson(rng)
        if lesson.picture is not None:
            said = " ".join(turn.text for turn in lesson.turns).replace(".", " ").split()
            assert not SCAN_WORDS & set(said)


def test_verdicts_of_cases() -> None:
    rng = Random(0)
    verdicts = [random_case(rng) for _ in range(2_000)]
    assert {case.verdict for case in verdicts} == {"Yes", "No", "Open"}
    for case in verdicts:
        asked = case.asked
        if asked.task.startswith("open") and case.verdict != "Open":
            stated = asked.informative.rstrip(".").split()
            assert (asked.precise in stated) == (case.verdict == "Yes")


def test_documents_end_in_their_verdict() -> None:
    from synth._judging import prompt

    def text(question: str, informative: str, precise: str) -> str:
        return prompt("base", question, informative, precise)[0].text

    for bare in (False, True):
        written = document(text, Random(2), bare=bare)
        assert written.text[written.verdict :] in ("Yes", "No", "Open")
        assert written.text[: written.verdict].endswith("Verdict: ")
        assert written.text.startswith("Question:") == bare


def test_a_model_learns(learner: tuple[Any, Any]) -> None:
    model, processor = learner
    rng = Random(0)
    lessons = [encode(look_and_tell(rng), processor) for _ in range(64)]
    said: list[str] = []
    plan = Plan(steps=30, batch=16, lr=2e-3, lr_vision=1e-3, warmup=5)
    frozen = model.get_input_embeddings().weight.clone()
    train(
        model, lessons, processor.tokenizer, plan, said.append, frozen=("embed_tokens",), every=10
    )
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert losses[-1] < losses[0] / 2
    assert (model.get_input_embeddings().weight == frozen).all()


def test_the_script_writes_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

    for name in ("_LESSONS", "_DOCUMENTS"):
        monkeypatch.setattr(pretrain, name, 8)
    short = {"steps": 1, "batch": 2}
    pretrain.make_base(tmp_path / "base", pretrain.BASE._replace(**short))
    pretrain.make_judge(tmp_path / "judge", pretrain.JUDGE._replace(**short))
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "base").dtype.itemsize == 2
    assert AutoProcessor.from_pretrained(tmp_path / "base").chat_template == templates.QWEN2_VL
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "judge").dtype.itemsize == 2
    assert not (tmp_path / "judge" / "chat_template.jinja").exists()
