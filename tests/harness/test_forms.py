"""Prompts that are no plain chat: bare text, an opened user's turn; and what is told beside text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import ask
from tiny_text import make_base_model

from harness.engines import Engine, plan_engine
from harness.engines import _openai_wire as wire
from harness.engines._chat import ChatTemplate
from harness.errors import UserError
from harness.requests import Message, Request, Response, Sampling, request_key

TEXTS = ("Is it a CT? Answer:", "Statement: the left lung.\nVerdict:", "one two three", "yes")
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"seen": {"enum": ["yes", "no"]}},
        "required": ["seen"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base_model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(
    scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.vllm)]
)
def reader(request: pytest.FixtureRequest, base_model: Path) -> Iterator[Engine]:
    """A language model without pictures."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    args = {"max_model_len": "1024", "dtype": "float32"}
    engine = plan_engine(request.param, str(base_model), args).start()
    yield engine
    engine.close()


@pytest.fixture(
    scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.vllm)]
)
def seer(request: pytest.FixtureRequest, tiny_models: dict[str, Path]) -> Iterator[Engine]:
    """The tiny Qwen2-VL."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    args = {"max_model_len": "1024", "dtype": "float32"}
    engine = plan_engine(request.param, str(tiny_models["qwen2_vl"]), args).start()
    yield engine
    engine.close()


def text_request(number: int, text: str, **more: Any) -> Request:
    return Request(
        f"{number:032x}", str(number), (Message("user", text),), Sampling(8), form="text", **more
    )


def by_row(engine: Engine, requests: list[Request]) -> list[Response]:
    found = {response.request.row_id: response for response in engine.generate(iter(requests))}
    return [found[request.row_id] for request in requests]


def test_a_bare_text_is_continued_as_the_model_itself_does(
    reader: Engine, base_model: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base_model)
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    asked = [text_request(n, t, first_token_logprobs=True) for n, t in enumerate(TEXTS)]
    for response in by_row(reader, asked):
        ids = tokenizer(response.prompt, return_tensors="pt").input_ids
        assert ids[0, 0] == tokenizer.bos_token_id
        with torch.inference_mode():
            logits = model(ids).logits[0, -1]
        expected = torch.log_softmax(logits, -1)
        assert response.error is None
        assert response.prompt == response.request.messages[0].text
        assert response.logprobs is not None
        likeliest = max(response.logprobs, key=response.logprobs.__getitem__)
        assert likeliest == tokenizer.decode([int(expected.argmax())])
        assert math.isclose(response.logprobs[likeliest], float(expected.max()), abs_tol=1e-4)
        assert len(response.logprobs) >= 15


def test_probabilities_come_only_where_asked_for(reader: Engine) -> None:
    told, untold = by_row(
        reader, [text_request(1, "yes", first_token_logprobs=True), text_request(2, "yes")]
    )
    assert told.logprobs is not None
    assert untold.logprobs is None
    assert told.text == untold.text


def test_a_base_model_cannot_chat_and_does_not_see(reader: Engine) -> None:
    with pytest.raises(UserError, match="no chat template"):
        list(reader.generate([Request("0" * 32, "0", (Message("user", "hello"),), Sampling(4))]))
    shown = ask(1)
    (blind,) = by_row(reader, [Request(shown.key, "1", shown.messages, Sampling(4), shown.images)])
    assert "reads no pictures" in (blind.error or "")


@pytest.mark.parametrize(
    "joined", ["m['content'] | trim", "m.content"], ids=["as Llama 3 does", "as Qwen 2.5 does"]
)
def test_a_language_models_template_is_given_texts(base_model: Path, joined: str) -> None:
    """They join a turn's content to other text, or fail; a list of parts would be printed."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<' + m['role'] + '>' + " + joined + " + '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
    )
    chat = ChatTemplate(tokenizer, None)
    turns = [Message("system", "Be brief."), Message("user", "Is it a CT?")]
    assert chat.render(turns) == "<system>Be brief.</s><user>Is it a CT?</s><assistant>"
    assert chat.render(turns[1:], "user_turn") == "<user>Is it a CT?</s><user>"
    assert chat.end_of_turn() == tokenizer.convert_tokens_to_ids("</s>")
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    assert ChatTemplate(tokenizer, None).end_of_turn() is None


def test_an_opened_turn_lets_the_model_ask(seer: Engine) -> None:
    shown = ask(0)
    turns = (shown.messages[0], Message("assistant", "A left lung."))
    asked = Request(
        shown.key, "0", turns, Sampling(24, skip_special_tokens=False), shown.images,
        form="user_turn",
    )  # fmt: skip
    (response,) = by_row(seer, [asked])
    assert response.error is None
    assert (response.prompt or "").endswith("A left lung.<|im_end|>\n<|im_start|>user\n")


def test_an_end_of_turn_does_not_end_an_opened_conversation(
    seer: Engine, tiny_models: dict[str, Path]
) -> None:
    """The tiny model ends its turns; asked for both sides it goes on to the limit."""
    shown = ask(0)
    for form, reason in (("chat", "stop"), ("user_turn", "length")):
        request = Request(
            shown.key, "0", shown.messages, Sampling(40, skip_special_tokens=False), shown.images,
            form=form,  # type: ignore[arg-type]
        )  # fmt: skip
        (response,) = by_row(seer, [request])
        assert response.finish_reason == reason
        assert ("<|im_end|>" in (response.text or "")) == (form == "user_turn")


@pytest.mark.vllm
def test_vllm_keeps_to_a_schema(tiny_models: dict[str, Path]) -> None:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    engine = plan_engine("vllm", str(tiny_models["qwen2_vl"]), {"max_model_len": "1024"}).start()
    shown = ask(2)
    request = Request(
        shown.key, "0", shown.messages, Sampling(64), shown.images, json_schema=SCHEMA
    )
    (response,) = by_row(engine, [request])
    engine.close()
    assert json.loads(response.text or "")["seen"] in ("yes", "no")


def test_what_a_server_is_told_and_tells() -> None:
    shown = ask(3)
    asked = Request(
        shown.key, "0", shown.messages, Sampling(4), shown.images,
        json_schema=SCHEMA, first_token_logprobs=True,
    )  # fmt: skip
    sent = wire.body("m", asked, tokens_field="max_tokens", vllm=False)
    assert sent["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 20)
    likeliest = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5},
                 {"token": "Yes", "logprob": -7.0}]  # fmt: skip
    choice: dict[str, Any] = {
        "message": {"content": "Yes"}, "finish_reason": "stop",
        "logprobs": {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": likeliest}]},
    }  # fmt: skip
    assert wire.read(json.dumps({"choices": [choice]}).encode()).logprobs == {
        "Yes": -0.1, "No": -2.5,
    }  # fmt: skip
    for nothing in (None, {}, {"content": []}, {"content": None}):
        choice["logprobs"] = nothing
        assert wire.read(json.dumps({"choices": [choice]}).encode()).logprobs is None


@pytest.mark.parametrize("form", ["user_turn", "text"])
def test_chat_completions_cannot_continue(form: Any) -> None:
    engine = plan_engine("openai", "m", {}, base_url="http://127.0.0.1:9/v1").start()
    request = Request("0" * 32, "0", (Message("user", "a"),), Sampling(4), form=form)
    with pytest.raises(UserError, match="chat-completions server cannot continue"):
        list(engine.generate([request]))


def test_keys_of_plain_requests_stand_and_others_differ() -> None:
    plain: dict[str, Any] = {
        "task": "slake", "version": 1, "messages": [Message("user", "Is it a CT?", 1)],
        "images": ["0123"], "sampling": Sampling(8), "model": "m",
    }  # fmt: skip
    assert request_key(**plain) == "9250a0aa9cf7bba77e085301338a7dc9"
    others = [
        {"form": "text"},
        {"form": "user_turn"},
        {"json_schema": "{}"},
        {"first_token_logprobs": True},
    ]
    assert len({request_key(**plain, **other) for other in others} | {request_key(**plain)}) == 5


def test_requests_of_one_seed_do_not_share_their_luck(seer: Engine) -> None:
    """The same question under other keys is drawn anew; asked again under its own, it is not."""
    shown = ask(0)
    drawn = Sampling(12, temperature=1.5, seed=7)
    asked = [
        Request(f"{n:032x}", str(n), shown.messages, drawn, shown.images) for n in range(8)
    ]  # one by one: the transformers engine draws a batch from one stream
    first = [by_row(seer, [request])[0].text for request in asked]
    again = [by_row(seer, [request])[0].text for request in asked]
    assert first == again
    assert len(set(first)) > 1


def test_a_server_gets_each_requests_own_seed() -> None:
    shown = ask(0)
    made = [
        Request(f"{n:032x}", str(n), shown.messages, Sampling(4, seed=seed), shown.images)
        for n, seed in ((0, 7), (1, 7), (0, None))
    ]
    sent = [wire.body("m", r, tokens_field="max_tokens", vllm=False).get("seed") for r in made]
    assert sent[0] != sent[1]
    assert sent[2] is None
