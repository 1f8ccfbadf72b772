"""The tiny models load like real ones and answer in a few words that depend on the input."""

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from harness.demo._tiny_words import END, SLOTS, sentences, spoken

MODELS = ("qwen2_vl", "llava_next", "mllama")
PROMPTS = [
    *sentences()[:10],
    *("Is it a CT?", "Name the organ.", "Where is the river?", "Is this a beach?", "Why?"),
    "Question: Which organ?\nThe choices are:\n(A) lung\n(B) heart\n(C) brain\n(D) bone",
    "What colour is the cake, and what lies beside it on the table in front of the window?",
    *("Is the heart enlarged?", "How many?", "Tell me what you see in the picture."),
]

Pair = tuple[Image.Image | None, str]


class Answer(NamedTuple):
    tokens: list[int]
    text: str


class Loaded(NamedTuple):
    name: str
    model: Any
    processor: Any

    def render(self, picture: Image.Image | None, prompt: str, **template: Any) -> str:
        content = [{"type": "text", "text": prompt}]
        if picture is not None:
            content.insert(0, {"type": "image"})
        turn = [{"role": "user", "content": content}]
        rendered = self.processor.apply_chat_template(turn, add_generation_prompt=True, **template)
        assert isinstance(rendered, str)
        return rendered

    def answer(self, pairs: list[Pair], **sampling: Any) -> list[Answer]:
        """Answers in one batch, each up to and with its end-of-turn token."""
        texts = [self.render(picture, prompt) for picture, prompt in pairs]
        bos = self.processor.tokenizer.bos_token
        inputs = self.processor(
            text=texts,
            images=[[picture] for picture, _ in pairs if picture is not None] or None,
            add_special_tokens=not (bos and texts[0].startswith(bos)),
            padding=True,
            return_tensors="pt",
        )
        ids = self.model.generate(**inputs, max_new_tokens=40, **sampling)
        answers = []
        for row in ids[:, inputs["input_ids"].shape[1] :].tolist():
            end = self.processor.tokenizer.eos_token_id
            tokens = row[: row.index(end) + 1] if end in row else row
            text = self.processor.decode(tokens, skip_special_tokens=True)
            answers.append(Answer(tokens, text))
        return answers


@pytest.fixture(scope="module", params=MODELS)
def tiny(request: pytest.FixtureRequest, tiny_models: dict[str, Path]) -> Loaded:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    path = tiny_models[request.param]
    model = AutoModelForImageTextToText.from_pretrained(path)
    return Loaded(request.param, model.eval(), AutoProcessor.from_pretrained(path))


def picture(seed: int) -> Image.Image:
    """Plain, noisy or with a block, of one of five sizes."""
    random = np.random.default_rng(seed)
    width, height = [(64, 64), (100, 60), (40, 90), (120, 120), (200, 80)][seed % 5]
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = random.integers(0, 256, 3)
    if seed % 3 == 1:
        pixels[:] = random.integers(0, 256, pixels.shape)
    elif seed % 3 == 2:
        pixels[height // 3 :, width // 3 :] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


def different(answers: list[Answer]) -> int:
    return len({answer.text for answer in answers})


def test_batch_of_mixed_lengths_equals_one_at_a_time(tiny: Loaded) -> None:
    pairs: list[Pair] = [(picture(i), PROMPTS[3 * i % len(PROMPTS)]) for i in range(8)]
    if tiny.name != "mllama":  # its processor wants a picture in every row or in none
        pairs[2] = (None, pairs[2][1])
    assert len({len(tiny.render(*pair)) for pair in pairs}) > 3
    assert tiny.answer(pairs) == [tiny.answer([pair])[0] for pair in pairs]


def test_answers_end_and_follow_the_grammar(tiny: Loaded) -> None:
    answers = tiny.answer([(picture(i), PROMPTS[i % len(PROMPTS)]) for i in range(40)])
    answers += tiny.answer([(None, prompt) for prompt in PROMPTS])
    words = {word: slot for slot in SLOTS for word in spoken(slot)}
    end = tiny.processor.tokenizer.eos_token_id
    assert len(answers) >= 60
    for tokens, text in answers:
        assert tokens[-1] == end
        assert len(tokens) <= len(SLOTS)
        said = [words[tiny.processor.decode([token])] for token in tokens[:-1]]
        assert text
        assert said[0].name in SLOTS[0].follow
        assert END in said[-1].follow
        assert all(after.name in before.follow for before, after in pairwise(said))


def test_sampled_answers_end_too(tiny: Loaded) -> None:
    import torch

    torch.manual_seed(0)
    pairs: list[Pair] = [(picture(i % 4), PROMPTS[0]) for i in range(32)]
    answers = tiny.answer(pairs, do_sample=True, temperature=1.0)
    assert all(answer.tokens[-1] == tiny.processor.tokenizer.eos_token_id for answer in answers)
    assert different(answers) > different(tiny.answer(pairs))


def test_answers_depend_on_the_picture(tiny: Loaded) -> None:
    assert different(tiny.answer([(picture(i), PROMPTS[0]) for i in range(20)])) >= 5


def test_answers_depend_on_the_prompt(tiny: Loaded) -> None:
    assert len(PROMPTS) == 20
    assert different(tiny.answer([(picture(2), prompt) for prompt in PROMPTS])) >= 5


def test_generation_ends_at_the_turn_and_is_greedy(tiny: Loaded) -> None:
    config, tokenizer = tiny.model.generation_config, tiny.processor.tokenizer
    turn_ends = "<|im_end|>" if tiny.name == "qwen2_vl" else "<|eot_id|>"
    assert tokenizer.decode([config.eos_token_id]) == turn_ends
    assert config.pad_token_id == tokenizer.pad_token_id != config.eos_token_id
    assert not config.do_sample
    assert tokenizer.padding_side == "left"


def test_loads_without_missing_or_unexpected_weights(tiny_models: dict[str, Path]) -> None:
    from transformers import AutoModelForImageTextToText

    for path in tiny_models.values():
        _, report = AutoModelForImageTextToText.from_pretrained(path, output_loading_info=True)
        assert not any(report.values()), report
