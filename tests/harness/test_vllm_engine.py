"""The vLLM engine, real, on tiny checkpoints: one engine a family for the whole session."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.engines import Engine
from harness.images import Picture
from harness.models import open_checkpoint
from harness.requests import Message, Request, Response, Sampling

pytestmark = pytest.mark.vllm
FAMILIES = ("qwen2_vl", "llava_next")


@pytest.fixture(scope="module", params=FAMILIES)
def engines(request: pytest.FixtureRequest, tiny_models: dict[str, Path]) -> Iterator[Any]:
    """vLLM and transformers over the same checkpoint in fp32."""
    from harness.engines._transformers import TransformersPlan
    from harness.engines._vllm import VllmPlan, VllmSettings

    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    checkpoint = open_checkpoint(str(tiny_models[request.param]))
    settings = VllmSettings(max_num_seqs=16, max_model_len=1024)
    vllm = VllmPlan(checkpoint, settings).start()
    transformers = TransformersPlan(checkpoint).start()
    yield vllm, transformers
    vllm.close()
    transformers.close()


def requests(count: int, sampling: Sampling | None = None) -> list[Request]:
    pick = random.Random(1)
    made = []
    for number in range(count):
        colour = tuple(pick.randrange(256) for _ in range(3))
        image = Image.new("RGB", (pick.randint(30, 90), pick.randint(30, 90)), colour)
        message = Message("user", f"What kind of scan is number {number * 7 % 11}?", 1)
        shown = Picture(image, None, f"{number}")
        made.append(
            Request(f"{number:032x}", str(number), (message,), sampling or Sampling(30), (shown,))
        )
    return made


def answers(engine: Engine, asked: list[Request]) -> dict[str, Response]:
    got = list(engine.generate(iter(asked)))
    assert sorted(r.request.row_id for r in got) == sorted(r.row_id for r in asked)
    return {r.request.row_id: r for r in got}


def test_equal_greedy_text_in_fp32(engines: Any) -> None:
    asked = requests(60)
    ours, theirs = (answers(engine, asked) for engine in engines)
    for row_id, response in ours.items():
        other = theirs[row_id]
        assert (response.text, response.tokens, response.prompt_tokens, response.finish_reason) == (
            other.text, other.tokens, other.prompt_tokens, other.finish_reason,
        )  # fmt: skip
        assert response.prompt == other.prompt


@pytest.mark.parametrize(
    "sampling",
    [Sampling(2), Sampling(30, stop=(" ",)), Sampling(30, stop=("e", "o")),
     Sampling(30, skip_special_tokens=False)],
)  # fmt: skip
def test_limits_stops_and_special_tokens_alike(engines: Any, sampling: Sampling) -> None:
    asked = requests(12, sampling)
    ours, theirs = (answers(engine, asked) for engine in engines)
    for row_id, response in ours.items():
        assert response.text == theirs[row_id].text
        assert response.finish_reason == theirs[row_id].finish_reason
        assert not any(stop in (response.text or "") for stop in sampling.stop)
    if sampling.max_new_tokens == 2:
        assert any(r.finish_reason == "length" for r in ours.values())


def test_too_long_prompts_fail_alone(engines: Any) -> None:
    asked = requests(8)
    long = replace(asked[3], messages=(Message("user", "word " * 5_000, 1),))
    for engine in engines:
        got = answers(engine, [*asked[:3], long, *asked[4:]])
        failed = [r for r in got.values() if r.error]
        assert [r.request.row_id for r in failed] == ["3"]
        assert failed[0].text is None
        assert not failed[0].passing


def test_a_refused_row_does_not_harm_the_next_of_its_picture(engines: Any) -> None:
    """Text that fits by itself and not with its picture is refused after it was rendered."""
    vllm, _ = engines
    (short,) = requests(1)
    count = vllm._llm.get_tokenizer()
    words = 0
    while len(count(vllm._chat.render((Message("user", "kind " * words, 1),))).input_ids) < 1_019:
        words += 1
    for more in range(2):
        shown = short.images[0]._replace(content=f"seen first in a refused row {more}")
        picture = replace(short, images=(shown,))
        text = "kind " * (words + more)
        long = replace(picture, row_id="long", messages=(Message("user", text, 1),))
        got = answers(vllm, [long, picture])
        assert "1024" in (got["long"].error or "")
        assert got[short.row_id].text == answers(vllm, [short])[short.row_id].text


def test_more_requests_than_places(engines: Any) -> None:
    """Requests enter as others leave; none is lost however many there are."""
    vllm, _ = engines
    assert len(answers(vllm, requests(200))) == 200


def test_an_error_in_the_stream_reaches_the_caller(engines: Any) -> None:
    vllm, _ = engines

    def broken() -> Iterator[Request]:
        yield from requests(3)
        raise ValueError("the data set is gone")

    with pytest.raises(ValueError, match="gone"):
        list(vllm.generate(broken()))
    assert len(answers(vllm, requests(5))) == 5


def test_a_row_that_kills_the_engine_is_isolated(
    engines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is restarted; the poisoned row fails with its reason, the others are answered."""
    vllm, _ = engines
    asked = requests(12)
    poison = asked[5].messages[0].text
    expected = {k: r.text for k, r in answers(vllm, asked).items()}
    core = type(vllm._llm.llm_engine)
    real_step, real_add = core.step, core.add_request
    poisoned: set[str] = set()

    def add_request(self: Any, name: str, *args: Any, **kwargs: Any) -> str:
        if kwargs.get("prompt_text") and f"{poison}" in kwargs["prompt_text"]:
            poisoned.add(name)
        return real_add(self, name, *args, **kwargs)

    def step(self: Any) -> Any:
        if poisoned:
            poisoned.clear()
            raise RuntimeError("CUDA error: device-side assert triggered")
        return real_step(self)

    monkeypatch.setattr(core, "add_request", add_request)
    monkeypatch.setattr(core, "step", step)
    poisoned_ids = {r.row_id for r in asked if r.messages[0].text == poison}
    got = answers(vllm, asked)
    assert {k for k, r in got.items() if r.error} == poisoned_ids
    assert all("device-side assert" in (got[k].error or "") for k in poisoned_ids)
    assert all(got[k].text == text for k, text in expected.items() if k not in poisoned_ids)


class Core:
    """The engine's own core, that can die as one in a process of its own does."""

    def __init__(self, vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        kind = type(vllm._llm.llm_engine)
        add_request, step = kind.add_request, kind.step
        self.dead: list[Any] = []
        """Engines whose core is gone."""
        self.added = 0
        self.dies_at: int | None = None
        self.poison: str | None = None

        def add(engine: Any, name: str, *args: Any, **kwargs: Any) -> str:
            self.added += 1
            if self.added == self.dies_at:
                self.dead.append(engine)
            if engine in self.dead:
                raise EngineDeadError
            added: str = add_request(engine, name, *args, **kwargs)
            if self.poison and self.poison in kwargs["prompt_text"]:
                self.dead.append(engine)
            return added

        def look(engine: Any) -> Any:
            if engine in self.dead:
                raise EngineDeadError
            return step(engine)

        monkeypatch.setattr(kind, "add_request", add)
        monkeypatch.setattr(kind, "step", look)


def test_a_core_that_dies_between_requests_costs_no_row(
    engines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle before the first request; then with some in flight, when the next is refused."""
    vllm, _ = engines
    asked = requests(12)
    expected = {key: r.text for key, r in answers(vllm, asked).items()}
    core = Core(vllm, monkeypatch)
    for dies_at in (None, 5):
        if dies_at is None:
            core.dead.append(vllm._llm.llm_engine)
        core.added, core.dies_at, deaths = 0, dies_at, vllm._deaths
        got = answers(vllm, asked)
        assert {key: r.text for key, r in got.items()} == expected
        assert vllm._deaths == deaths + 1


def test_a_row_that_kills_the_core_is_isolated(
    engines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vllm, _ = engines
    asked = requests(12)
    expected = {key: r.text for key, r in answers(vllm, asked).items()}
    core = Core(vllm, monkeypatch)
    core.poison = asked[5].messages[0].text
    guilty = {r.row_id for r in asked if r.messages[0].text == core.poison}
    got = answers(vllm, asked)
    assert {key for key, r in got.items() if r.error} == guilty
    assert all((got[key].error or "").startswith("the engine fails on this row") for key in guilty)
    assert all(got[key].text == text for key, text in expected.items() if key not in guilty)


@pytest.mark.slow
def test_a_killed_core_process(tiny_models: dict[str, Path]) -> None:
    """Really in a process of its own, really killed: idle, then in the midst of a batch."""
    import vllm.envs as vllm_envs

    from harness.engines._vllm import VllmPlan, VllmSettings

    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    settings = VllmSettings(max_num_seqs=4, max_model_len=1024, multiprocessing=True)
    # vLLM remembers its settings after the first engine of a process.
    vllm_envs.disable_envs_cache()
    before = os.environ.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    vllm = VllmPlan(open_checkpoint(str(tiny_models["qwen2_vl"])), settings).start()

    def kill() -> None:
        manager = vllm._llm.llm_engine.engine_core.resources.engine_manager
        for process in manager.processes:
            os.kill(process.pid, signal.SIGKILL)

    try:
        asked = requests(30)
        expected = {key: r.text for key, r in answers(vllm, asked).items()}
        kill()
        assert {key: r.text for key, r in answers(vllm, asked).items()} == expected
        stream = vllm.generate(iter(asked))
        got = [next(stream)]
        kill()
        got += stream
        assert {r.request.row_id: r.text for r in got} == expected
        assert vllm._deaths == 2
    finally:
        vllm.close()
        vllm_envs.disable_envs_cache()
        if before is not None:
            os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = before


def test_leaving_early_leaves_the_engine_usable(engines: Any) -> None:
    vllm, _ = engines
    stream = vllm.generate(iter(requests(50)))
    next(stream)
    stream.close()
    assert len(answers(vllm, requests(4))) == 4
