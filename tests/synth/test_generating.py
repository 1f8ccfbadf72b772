"""The stage that makes triplets: through real engines, continued, nothing lost."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import Handler, picture_bytes, serving
from PIL import Image

from harness.errors import UserError
from harness.recipes import SynthRecipe
from harness.stages import Stage
from synth._lines import read_lines, read_pairs, read_rejects, read_triplets
from synth._types import Pair
from synth.generating import Generated, generate, generator_config, plan_generator
from synth.generators import make_generator
from synth.generators._wire import INFORMATIVE, KNOWN, PRECISE
from synth.pairs import open_pairs

GOOD = {"instruction": "What is it?", "informative": "A disc. It is round.", "precise": "Round"}


def picture(number: int, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40 + number, 32), (9 * number % 256, 80, 160)).save(data, kind)
    return data.getvalue()


def make_pairs(folder: Path, count: int = 6) -> str:
    """Good pairs, and one of every kind that is none."""
    lines = []
    for number in range(count):
        (folder / f"{number}.png").write_bytes(picture(number))
        caption = f"A round disc with {number + 2} red spots."
        lines.append({"id": f"p{number}", "image": f"{number}.png", "caption": caption})
    (folder / "torn.png").write_bytes(picture(1)[:60])
    lines.insert(2, {"id": "torn", "image": "torn.png", "caption": "A torn picture of a disc."})
    lines.insert(3, {"id": "gone", "image": "gone.png", "caption": "A disc that is gone."})
    lines.insert(4, {"id": "mute", "image": "0.png"})
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def run(where: str, work: Path, **fields: Any) -> tuple[Stage, Generated]:
    recipe = SynthRecipe(pairs=where, **fields)
    pairs = open_pairs(where)
    plan = plan_generator(recipe)
    stage = Stage(work, "generate", generator_config(recipe, plan), {"pairs": pairs.fingerprint()})
    found = generate(pairs, recipe, stage, plan, root=pairs.root, total=pairs.count())
    found.counts.check()
    rows = len(list(read_lines(stage.path / "triplets.jsonl")))
    lost = len(list(read_rejects(stage.path / "rejects.jsonl")))
    assert (rows, rows + lost) == (found.counts.rows_out, found.counts.rows_in)
    return stage, found


def reasons(stage: Stage) -> dict[str, str]:
    return {reject.id: reject.reason for reject in read_rejects(stage.path / "rejects.jsonl")}


BAD = {"torn": "unusable image", "gone": "unusable image", "mute": "no caption"}


def test_rules_need_no_engine(tmp_path: Path) -> None:
    where = make_pairs(tmp_path)
    stage, found = run(where, tmp_path / "work", generator="rules")
    assert reasons(stage) == BAD
    assert found.counts.rows_out == 6
    first = next(read_lines(stage.path / "triplets.jsonl"))
    assert list(first) == [
        "id", "index", "image", "caption", "instruction", "informative", "precise", "generator",
    ]  # fmt: skip
    assert (first["id"], first["index"], first["image"], first["generator"]) == (
        "p0",
        0,
        "0.png",
        "rules",
    )
    assert found.images == tmp_path
    triplets = list(read_triplets(stage.path / "triplets.jsonl", found.images))
    assert [triplet.pair.index for triplet in triplets] == [0, 1, 5, 6, 7, 8]
    pairs = list(read_pairs(stage.path / "pairs.jsonl", found.images))
    assert [pair.id for pair in pairs] == [f"p{number}" for number in range(6)]


def answering(wrong: dict[str, str], seen: Counter[str]) -> Any:
    """A server's answers by caption: good ones, and the wrong ones it is told to give."""

    def answer(handler: Handler, attempt: int) -> bool:
        body = handler.server.bodies[-1]
        text = json.dumps(body["messages"])
        number = next((n for n in wrong if f"with {n} red" in text), None)
        seen[number or "good"] += 1
        if number is not None and wrong[number] == "429":
            handler.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
            return True
        content = wrong[number] if number else json.dumps(GOOD)
        finish = "length" if content.startswith("{ ") else "stop"
        choice = {"message": {"content": content}, "finish_reason": finish}
        handler.reply(200, {"choices": [choice], "usage": {"completion_tokens": 5}})
        return True

    return answer


@pytest.mark.parametrize("generator", ["vision_llm", "text_llm"])
def test_a_server_answers(tmp_path: Path, generator: str) -> None:
    where, seen = make_pairs(tmp_path), Counter()
    wrong = {"3": "no JSON", "4": "{ cut", "5": json.dumps({**GOOD, "precise": "<image>"})}
    with serving(answering(wrong, seen)) as server:
        model = {
            "model": "m",
            "engine": "openai",
            "base_url": server.url,
            "engine_args": {"concurrency": 1},
        }
        stage, found = run(where, tmp_path / "work", generator=generator, **{generator: model})
        expected = {"p1": "malformed", "p2": "truncated", "p3": "malformed"}
        assert reasons(stage) == BAD | expected
        assert (found.counts.rows_out, found.to_retry, found.tokens) == (3, 0, 30)
        assert all("response_format" in body for body in server.bodies)
        shown = sum(len(picture_bytes(body)) for body in server.bodies)
        assert shown == (6 if generator == "vision_llm" else 0)
        assert seen.total() == 6
        before = (stage.path / "triplets.jsonl").read_bytes()
        run(where, tmp_path / "work", generator=generator, **{generator: model})
        assert seen.total() == 6
        assert (stage.path / "triplets.jsonl").read_bytes() == before


def test_a_passing_failure_is_asked_again(tmp_path: Path) -> None:
    where, seen = make_pairs(tmp_path), Counter()
    wrong = {"4": "429"}
    with serving(answering(wrong, seen)) as server:
        model = {
            "model": "m", "engine": "openai", "base_url": server.url,
            "engine_args": {"concurrency": 1, "attempts": 2},
        }  # fmt: skip
        stage, found = run(where, tmp_path / "work", generator="text_llm", text_llm=model)
        assert reasons(stage) == BAD | {"p2": "failed"}
        assert (found.to_retry, found.counts.rows_out) == (1, 5)
        wrong.clear()
        asked = seen.total()
        again, found = run(where, tmp_path / "work", generator="text_llm", text_llm=model)
        assert (again.path, reasons(again), found.to_retry) == (stage.path, BAD, 0)
        assert seen.total() == asked + 1


def test_a_killed_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    where, seen = make_pairs(tmp_path), Counter()
    with serving(answering({}, seen)) as server:
        model = {"model": "m", "engine": "openai", "base_url": server.url}
        stage, found = run(where, tmp_path / "work", generator="vision_llm", vision_llm=model)
        whole = (stage.path / "triplets.jsonl").read_bytes()
        lines = (stage.path / "responses.jsonl").read_bytes().splitlines(keepends=True)
        (stage.path / "responses.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:50])
        (stage.path / "triplets.jsonl").unlink()
        run(where, tmp_path / "work", generator="vision_llm", vision_llm=model)
        assert (seen.total(), found.counts.rows_out) == (6 + 4, 6)
        assert (stage.path / "triplets.jsonl").read_bytes() == whole


def test_equal_pairs_are_asked_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    line = json.dumps({"id": "x", "image": "a.png", "caption": "A disc with 2 red spots."}) + "\n"
    (tmp_path / "pairs.jsonl").write_text(line * 5)
    seen: Counter[str] = Counter()
    with serving(answering({}, seen)) as server:
        model = {"model": "m", "engine": "openai", "base_url": server.url}
        where = str(tmp_path / "pairs.jsonl")
        _, found = run(where, tmp_path / "work", generator="vision_llm", vision_llm=model)
    assert (seen.total(), found.counts.rows_out) == (1, 5)


def test_good_wire_format_becomes_triplets(tmp_path: Path) -> None:
    to_assistant, to_user = KNOWN[0]
    said = f"{PRECISE}\nWhat?{to_assistant}A disc.{to_user}{INFORMATIVE}\nWhat?{to_assistant}Round, so a disc."
    model = {"model": f"{said}<|eot_id|><|end_of_text|>", "engine": "constant"}
    stage, found = run(make_pairs(tmp_path), tmp_path / "work", synthesizer=model)
    assert (reasons(stage), found.counts.rows_out) == (BAD, 6)
    triplet = next(read_triplets(stage.path / "triplets.jsonl", found.images))
    texts = (triplet.instruction, triplet.informative, triplet.precise)
    assert texts == ("What?", "Round, so a disc.", "A disc.")


@pytest.mark.parametrize("given", ["image", "caption", "image_and_caption"])
def test_a_tuned_synthesizer_is_given_what_it_was_tuned_on(tmp_path: Path, given: str) -> None:
    tune = {"seed_data": {"data": "x", "input": given}, "base_model": "m"}
    recipe = SynthRecipe(pairs="x", tune=tune)
    pair = next(iter(open_pairs(make_pairs(tmp_path))))
    assert isinstance(pair, Pair)
    ask = make_generator(recipe).ask(pair)
    assert ask.blank == (given == "caption")
    assert (ask.messages[1].text == pair.caption) == (given != "image")


def test_a_seed_that_moves_no_answer_is_no_part_of_what_determines_them() -> None:
    def config(seed: int, **fields: Any) -> dict[str, Any]:
        return generator_config(SynthRecipe(pairs="x", seed=seed, **fields), None)

    made = {"generator": "synthesizer", "synthesizer": "m"}
    assert config(1, **made) == config(2, **made)
    drawn = {**made, "sampling": {"temperature": 0.7}}
    assert config(1, **drawn) != config(2, **drawn)
    for other in ({"generator": "rules"}, {"generator": "text_llm", "text_llm": "m"}):
        assert config(1, **other) != config(2, **other)
    inputs = [
        config(1, generator="synthesizer", tune={
            "base_model": "m", "seed_data": {"data": "d", "input": given},
        })["input"]
        for given in ("image_and_caption", "image", "caption")
    ]  # fmt: skip
    assert inputs == ["image_and_caption", "image", "caption"]


def test_embedded_pictures_are_written_out_as_they_came(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [picture(1), picture(2, "JPEG"), picture(1), picture(3, "WEBP"), b"GIF89a nothing"]
    images = [{"bytes": data, "path": None} for data in files]
    captions = [f"A disc with {n} red spots." for n in range(2, 7)]
    pq.write_table(pa.table({"image": images, "caption": captions}), tmp_path / "pairs.parquet")
    stage, found = run(str(tmp_path / "pairs.parquet"), tmp_path / "work", generator="rules")
    assert found.images == stage.path
    triplets = list(read_triplets(stage.path / "triplets.jsonl", found.images))
    paths = [triplet.pair.image.locator for triplet in triplets]
    assert [(stage.path / path).read_bytes() for path in paths] == files[:4]
    assert paths[0] == paths[2]
    assert [Path(path).suffix for path in paths] == [".png", ".jpg", ".png", ".webp"]
    assert reasons(stage) == {"4": "unusable image"}


@pytest.mark.parametrize("family", ["qwen2_vl", "llava_next"])
def test_the_synthesizer_on_an_untrained_model(
    tmp_path: Path, tiny_models: dict[str, Path], family: str
) -> None:
    where = make_pairs(tmp_path, 3)
    model = {"model": str(tiny_models[family]), "engine": "transformers"}
    sampling = {"max_new_tokens": 24}
    fields = {"generator": "synthesizer", "synthesizer": model, "sampling": sampling}
    stage, found = run(where, tmp_path / "work", **fields)
    told = reasons(stage)
    assert BAD.items() <= told.items()
    assert set(told.values()) - set(BAD.values()) <= {"malformed", "truncated", "no matching pair"}
    record = next(read_lines(stage.path / "responses.jsonl"))
    assert "Describe the image." in record["prompt"]
    opened = (
        "<|im_start|>user\n"
        if family == "qwen2_vl"
        else "<|start_header_id|>user<|end_header_id|>\n\n"
    )
    assert record["prompt"].endswith(opened)
    assert found.tokens > 0


@pytest.mark.vllm
def test_recipes_through_vllm(
    tmp_path: Path,
    tiny_models: dict[str, Path],
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = str(shared_data / "recipe1m" / "image_caption_pairs.jsonl")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    args = {"max_num_seqs": "8", "enforce_eager": "true", "gpu_memory_utilization": "0.3"}
    model = {"model": str(tiny_models["qwen2_vl"]), "engine": "vllm", "engine_args": args}
    stage, found = run(
        where, tmp_path / "work", generator="synthesizer", synthesizer=model,
        sampling={"max_new_tokens": 16},
    )  # fmt: skip
    assert found.counts.rows_in == 25
    assert set(found.counts.rejects) <= {"malformed", "truncated", "no matching pair"}
    assert len(list(read_lines(stage.path / "pairs.jsonl"))) == 25


def test_the_synthesizer_needs_more_than_chat_completions(tmp_path: Path) -> None:
    model = {"model": "m", "engine": "openai", "base_url": "http://127.0.0.1:1/v1"}
    recipe = SynthRecipe(pairs="x", generator="synthesizer", synthesizer=model)
    with pytest.raises(UserError, match="cannot continue with a user's turn"):
        plan_generator(recipe)


def test_the_context_of_the_published_run_unless_told_otherwise(
    tiny_models: dict[str, Path],
) -> None:
    def context(**args: str) -> int:
        model = {
            "model": str(tiny_models["llava_next"]),
            "engine": "transformers",
            "engine_args": args,
        }
        plan = plan_generator(SynthRecipe(pairs="x", synthesizer=model))
        assert plan is not None
        return int(plan.identity["max_model_len"])

    assert (context(), context(max_model_len="777")) == (4096, 777)
