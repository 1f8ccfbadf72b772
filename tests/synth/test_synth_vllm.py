"""The whole stage on real recipe pairs, generator and filter through real vLLM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness_helpers import Harness
from synth_pairs import is_readable, lines_of, write_recipe
from tiny_text import make_base_model

PAIRS = 25
_ARGS = {"max_num_seqs": "32", "enforce_eager": "true", "gpu_memory_utilization": "0.3"}


@pytest.mark.vllm
@pytest.mark.parametrize("generator", ["vision_llm", "rules"])
def test_recipes_from_pairs_to_training_rows(
    harness: Harness,
    tmp_path: Path,
    tiny_models: dict[str, Path],
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    generator: str,
) -> None:
    """A random model writes no triplet, so the filter is asked about those of the rules."""
    import datasets

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    base = {
        "model": str(make_base_model(tmp_path / "base")),
        "engine": "vllm",
        "engine_args": _ARGS,
    }
    sees = {"model": str(tiny_models["qwen2_vl"]), "engine": "vllm", "engine_args": _ARGS}
    recipe = write_recipe(
        tmp_path / "food.yaml", shared_data / "recipe1m" / "image_caption_pairs.jsonl",
        generator=generator, vision_llm=sees, filter=base, sampling={"max_new_tokens": 24},
    )  # fmt: skip
    ran = harness("synth", recipe, "--json")
    assert ran.code == 0, ran.err
    steps = {step["stage"]: step for step in ran.json["stages"]}
    for step in steps.values():
        assert step["rows_in"] == step["rows_out"] + sum(step["rejects"].values())
        assert len(lines_of(Path(step["path"]) / "rejects.jsonl")) == sum(step["rejects"].values())
    assert "failed" not in {reason for step in steps.values() for reason in step["rejects"]}
    assert steps["generate"]["rows_in"] == PAIRS
    assert steps["filter"]["rows_in"] == steps["generate"]["rows_out"]
    # Whatever became of its triplet, a pair keeps its caption.
    assert steps["mix"]["rows_out"] == PAIRS
    asked = "generate" if generator == "vision_llm" else "filter"
    record = json.loads((Path(steps[asked]["path"]) / "stage.json").read_text())
    assert record["engine"]["name"] == "vllm"
    (journal,) = Path("work/food/answers").glob(
        f"{'filter' if asked == 'filter' else generator}-*/*.jsonl"
    )
    answers = lines_of(journal)
    assert len(answers) == PAIRS
    assert all(answer["prompt_tokens"] > 100 and answer["error"] is None for answer in answers)
    train, root = Path(ran.json["train"]), Path(ran.json["images"])
    table = datasets.load_dataset("json", data_files=str(train), split="train")
    assert len(table) == PAIRS
    assert all(is_readable(row, root) for row in lines_of(train))
