"""The transformers engine on the three families: answers, limits, stops, special tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import answers, ask, changed, start, texts

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FAMILIES = ("qwen2_vl", "llava_next", "mllama")
END = {"qwen2_vl": "<|im_end|>", "llava_next": "<|eot_id|>", "mllama": "<|eot_id|>"}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def engine(family: str, tiny_models: dict[str, Path]) -> Iterator[Any]:
    engine = start(tiny_models[family], batch_size=5)
    yield engine
    engine.close()


class Spy:
    """Calls the model's own `generate`, and remembers with what."""

    def __init__(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._generate = engine._model.generate
        self.inputs: list[Any] = []
        self.insert: int | None = None
        monkeypatch.setattr(engine._model, "generate", self)

    def __call__(self, **inputs: Any) -> Any:
        self.inputs.append(inputs["input_ids"])
        output = self._generate(**inputs)
        if self.insert is not None:
            output.sequences[:, inputs["input_ids"].shape[1]] = self.insert
        return output


def test_order_and_batches_do_not_matter(engine: Any) -> None:
    asked = [ask(i) for i in range(17)] + [ask(i, images=0) for i in range(17, 22)]
    together = texts(engine, asked)
    assert together == [texts(engine, [one])[0] for one in asked]
    assert len(set(together)) > 5
    mixed = list(enumerate(asked))
    random.Random(3).shuffle(mixed)
    again = texts(engine, [one for _, one in mixed])
    assert again == [together[place] for place, _ in mixed]


def test_what_comes_back(engine: Any, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(engine, monkeypatch)
    for number, response in answers(engine, [ask(i) for i in range(7)]).items():
        message = response.request.messages[0].text
        assert response.prompt is not None
        assert message in response.prompt
        assert response.request.owner == number
        assert response.finish_reason == "stop"
        assert response.seconds > 0
        assert response.prompt_tokens > len(message.split())
        assert not response.passing
        assert ("26 Jul 2024" in response.prompt) == (family == "mllama")
    bos = engine._tokenizer.bos_token_id
    for row in (row for ids in spy.inputs for row in ids):
        assert row.tolist().count(bos) == (0 if family == "qwen2_vl" else 1)
    assert sorted(len(ids) for ids in spy.inputs) == [2, 5]


def test_max_new_tokens(engine: Any) -> None:
    whole = answers(engine, [ask(i) for i in range(8)])
    for most in (1, 2, 4):
        for number, response in answers(
            engine, [ask(i, max_new_tokens=most) for i in range(8)]
        ).items():
            full = whole[number]
            assert full.text is not None
            assert response.text is not None
            assert full.text.startswith(response.text)
            ends = full.tokens <= most
            assert response.finish_reason == ("stop" if ends else "length")
            assert response.tokens == min(full.tokens, most)
            assert (response.text == full.text) == (full.tokens - 1 <= most)


def test_stop_texts(engine: Any) -> None:
    whole = answers(engine, [ask(i) for i in range(8)])
    said = whole[0].text
    assert said is not None
    last = said.split()[-1]
    for stops in ((last,), (said[-2:], "never said"), (said,), ("never said",), (".", last[:2])):
        for number, response in answers(engine, [ask(i, stop=stops) for i in range(8)]).items():
            full = whole[number]
            assert full.text is not None
            places = [full.text.find(stop) for stop in stops if stop in full.text]
            assert response.text == (full.text[: min(places)] if places else full.text)
            assert response.finish_reason == "stop"
            assert 0 < response.tokens <= full.tokens


def test_a_stop_text_is_looked_for_in_the_answer_alone(engine: Any) -> None:
    """The prompt's last line break and the answer's first letters are no stop text."""
    whole = answers(engine, [ask(i) for i in range(4)])
    for number, full in whole.items():
        assert full.prompt is not None
        assert full.prompt.endswith("\n")
        assert full.text is not None
        assert texts(engine, [ask(number, stop=("\n" + full.text[:2],))]) == [full.text]


def test_special_tokens(engine: Any, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(engine, monkeypatch)
    asked = [ask(i) for i in range(3)]
    kept = [ask(i, skip_special_tokens=False) for i in range(3)]
    assert texts(engine, kept) == texts(engine, asked)  # the end of turn is no part of an answer
    special = "<|im_start|>" if family == "qwen2_vl" else "<|start_header_id|>"
    spy.insert = engine._tokenizer.convert_tokens_to_ids(special)
    for plain, full in zip(texts(engine, asked), texts(engine, kept), strict=True):
        assert plain is not None
        assert full is not None
        assert full.startswith(special)
        assert END[family] not in full
        assert full.replace(special, "") == plain


def test_sampling_with_a_seed_repeats(engine: Any) -> None:
    drawn = {"temperature": 1.0, "top_p": 0.9}
    asked = [ask(i, **drawn, seed=1) for i in range(5)]
    assert texts(engine, asked) == texts(engine, asked)
    assert texts(engine, asked) != texts(engine, [ask(i, **drawn, seed=2) for i in range(5)])


def test_the_checkpoints_generation_settings_are_no_part_of_the_protocol(
    engine: Any, family: str, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    folder = changed(
        tiny_models[family], tmp_path / family, "generation_config.json", do_sample=True,
        temperature=0.01, repetition_penalty=3.0, no_repeat_ngram_size=1, min_new_tokens=20,
        top_k=1, suppress_tokens=list(range(300)), max_length=30, num_beams=2,
    )  # fmt: skip
    asked = [ask(i) for i in range(4)]
    assert texts(start(folder), asked) == texts(engine, asked)


def test_describe(engine: Any, family: str) -> None:
    about = engine.describe()
    assert about["name"] == "transformers"
    assert about["dtype"] == "float32"
    assert about["device"] == "cpu"
    assert about["max_model_len"] == 6144
    assert about["attn_implementation"]
    assert about["template_date"] == ("2024-07-26" if family == "mllama" else None)
    assert about["batch_size"] == 5
