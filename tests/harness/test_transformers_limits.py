"""The transformers engine where something does not fit: contexts, pictures, memory, settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import answers, ask, changed, start, texts
from harness_helpers import Harness, closed_rows

from harness.errors import UserError
from harness.requests import Response

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FAMILIES = ("qwen2_vl", "llava_next", "mllama")
MARKS = {"qwen2_vl": ("<|image_pad|>", "<|video_pad|>"), "llava_next": ("<image>",), "mllama": ("<|image|>",)}  # fmt: skip
SPECIAL = ("<|im_end|>", "<|eot_id|>", "<|begin_of_text|>", "<|vision_start|>", "<|endoftext|>", "{{ x }}", "{% if %}")  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def engine(family: str, tiny_models: dict[str, Path]) -> Iterator[Any]:
    engine = start(tiny_models[family])
    yield engine
    engine.close()


def refused(response: Response, word: str) -> None:
    assert response.text is None
    assert response.error is not None
    assert word in response.error
    assert "\n" not in response.error
    assert not response.passing


def test_a_prompt_longer_than_the_context(
    engine: Any, family: str, tiny_models: dict[str, Path]
) -> None:
    short, longer = "Why?", "Why? " * 40
    size = answers(engine, [ask(0, short)])[0].prompt_tokens
    for room in (1, 2, 300):
        narrow = start(tiny_models[family], max_model_len=size + room)
        assert narrow.describe()["max_model_len"] == size + room
        asked = [ask(0, short), ask(10, longer), ask(5, short), ask(20, short * 500)]
        found, wide = answers(narrow, asked), answers(engine, asked)
        for number in (0, 5):
            assert found[number].tokens == min(room, wide[number].tokens)
            ended = wide[number].tokens <= room
            assert found[number].finish_reason == ("stop" if ended else "length")
            assert (wide[number].text or "").startswith(found[number].text or "?")
        if room < 300:
            refused(found[10], f"the context holds {size + room:,}")
        else:
            assert found[10].text == wide[10].text
        refused(found[20], f"{wide[20].prompt_tokens:,} tokens" if wide[20].text else "tokens")
    exact = start(tiny_models[family], max_model_len=size)
    refused(answers(exact, [ask(0, short)])[0], f"the prompt has {size} tokens")


def test_extreme_pictures_cost_no_other_row(engine: Any) -> None:
    sizes = [(1, 1), (1, 2000), (2000, 1), (3, 3), (2, 3), (3, 400), (1, 30), (4000, 20)]
    good = [ask(i) for i in range(6)]
    wanted = texts(engine, good)
    found = answers(engine, [*good, *(ask(10 + i, size=size) for i, size in enumerate(sizes))])
    assert [found[i].text for i in range(6)] == wanted
    for number in range(10, 10 + len(sizes)):
        if found[number].text is None:
            refused(found[number], ": ")


def test_marks_and_special_tokens_in_a_question(engine: Any, family: str) -> None:
    good = [ask(i) for i in range(4)]
    wanted = texts(engine, good)
    odd = [*MARKS[family], *SPECIAL, "\ud800", "\0", "", "\n" * 20, "🙂" * 50]
    for images in (0, 1):
        asked = [ask(10 + i, f"a {text} b", images=images) for i, text in enumerate(odd)]
        found = answers(engine, [*good, *asked])
        assert [found[i].text for i in range(4)] == wanted
        for number, text in enumerate(odd, start=10):
            if text in MARKS[family]:
                refused(found[number], f"the text holds {text}")
            elif text == "\ud800":
                refused(found[number], "surrogates")
            else:
                assert found[number].text is not None, found[number].error


class Limited:
    """The model's own `generate` on a device that holds few rows."""

    def __init__(self, engine: Any, most: int, error: Exception) -> None:
        self._generate = engine._model.generate
        self._most = most
        self._error = error
        self.batches: list[int] = []

    def __call__(self, **inputs: Any) -> Any:
        self.batches.append(len(inputs["input_ids"]))
        if self.batches[-1] > self._most:
            raise self._error
        return self._generate(**inputs)


def shortages() -> list[Exception]:
    import torch

    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n 3 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ]


def test_out_of_memory_halves_the_batch(
    family: str, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ask(i) for i in range(20)]
    for error in shortages():
        engine = start(tiny_models[family], batch_size=8)
        wanted = texts(engine, asked)
        limited = Limited(engine, 2, error)
        monkeypatch.setattr(engine._model, "generate", limited)
        assert texts(engine, asked) == wanted
        assert limited.batches[:3] == [8, 4, 2]
        assert sum(1 for size in limited.batches if size > 2) <= 3, "the smaller size is kept"
        assert engine.describe()["batch_size"] == 8
        monkeypatch.setattr(engine._model, "generate", Limited(engine, 0, error))
        for response in answers(engine, asked[:3]).values():
            assert response.passing, "a larger machine may answer it"
            assert response.error is not None
            assert response.error.startswith("out of memory: ")
            assert "\n" not in response.error


def test_one_row_that_fails_costs_no_other(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [ask(i) for i in range(9)]
    wanted = texts(engine, asked)
    process = engine._preparer._process

    def picky(rows: list[Any]) -> Any:
        if any(one.request.owner == 4 for one in rows):
            raise StopIteration
        return process(rows)

    monkeypatch.setattr(engine._preparer, "_process", picky)
    found = answers(engine, asked)
    refused(found.pop(4), "StopIteration")
    assert {i: r.text for i, r in found.items()} == {i: t for i, t in enumerate(wanted) if i != 4}


def test_a_broken_device_is_no_rows_fault(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    error = torch.AcceleratorError("CUDA error: device-side assert triggered")
    monkeypatch.setattr(engine._model, "generate", Limited(engine, 0, error))
    with pytest.raises(UserError, match=r"batch of 3.*device-side assert"):
        list(engine.generate(ask(i) for i in range(3)))
    alone = engine.generate([ask(0)])
    response = next(alone)
    assert "device-side assert" in (response.error or "")
    assert not response.passing
    with pytest.raises(UserError, match="batch_size=1"):
        next(alone)


def bounded(folder: Path, target: Path, **bounds: Any) -> Path:
    """A Qwen2-VL whose picture bounds are written as the published checkpoints have them."""
    shutil.copytree(folder, target)
    path = target / "processor_config.json"
    config = json.loads(path.read_text())
    image = config.pop("image_processor") | bounds
    if "min_pixels" in bounds:
        del image["size"]
    (target / "preprocessor_config.json").write_text(json.dumps(image))
    path.write_text(json.dumps(config))
    return target


STOCK = {"min_pixels": 56 * 56, "max_pixels": 28 * 28 * 16_384}


@pytest.mark.parametrize(
    ("bounds", "settings", "small", "large", "recorded"),
    [
        (STOCK, {}, 64, 1280, [224 * 224, 1280 * 784]),
        ({"size": {"shortest_edge": 3136, "longest_edge": 28 * 28 * 16_384}}, {}, 64, 1280,
         [224 * 224, 1280 * 784]),
        (STOCK | {"max_pixels": 25 * 784}, {}, 4, 25, None),
        (STOCK, {"max_pixels": 100 * 784}, 64, 100, [224 * 224, 100 * 784]),
        ({}, {"min_pixels": 9 * 784}, 9, 16, [9 * 784, 16 * 784]),
        ({}, {}, 4, 16, None),
    ],
)  # fmt: skip
def test_picture_bounds(
    tiny_models: dict[str, Path], tmp_path: Path, bounds: Any, settings: Any, small: int,
    large: int, recorded: list[int] | None,
) -> None:  # fmt: skip
    engine = start(bounded(tiny_models["qwen2_vl"], tmp_path / "model", **bounds), **settings)
    assert engine.describe()["pixels"] == recorded
    words = answers(engine, [ask(0, "Why?", images=0)])[0].prompt_tokens
    asked = [ask(0, "Why?", (28, 28)), ask(1, "Why?", (1400, 1400), max_new_tokens=1)]
    found = answers(engine, asked)
    seen = [found[i].prompt_tokens - words - 2 for i in (0, 1)]  # less the start and end marks
    assert seen[0] == small
    assert 0.85 * large <= seen[1] <= large


def test_no_chat_template(harness: Harness, tiny_models: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(tiny_models["llava_next"], tmp_path / "model", "processor_config.json")
    (folder / "chat_template.jinja").unlink()
    closed_rows(tmp_path / "rows" / "vqa_rad", 2)
    ran = harness("eval", "--model", folder, "--tasks", "vqa_rad", "--data", "rows")
    assert ran.code == 2
    assert "no chat template" in ran.err


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("batch_size=0", ("batch_size must be greater than 0",)),
        ("batch_size=x", ("batch_size=x", "must be int")),
        ("dtype=int3", ("dtype must be one of", "bfloat16")),
        ("max_model_len=0", ("max_model_len must be greater than 0",)),
        ("batchsize=3", ("no such setting", "did you mean 'batch_size'")),
        ("min_pixels=9", ("only Qwen2-VL",)),
        ("attn_implementation=magic", ("transformers cannot load", "magic")),
        ("device_map=nowhere:3", ("transformers cannot load", "nowhere")),
    ],
)
def test_wrong_settings(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path, setting: str,
    words: tuple[str, ...],
) -> None:  # fmt: skip
    closed_rows(tmp_path / "rows" / "vqa_rad", 2)
    ran = harness(
        "eval", "--model", tiny_models["mllama"], "--tasks", "vqa_rad", "--data", "rows",
        "--engine", "transformers", "--engine-arg", setting,
    )  # fmt: skip
    assert ran.code == 2
    assert ran.out == ""
    for word in words:
        assert word in ran.err
