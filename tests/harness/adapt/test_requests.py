"""What `harness adapt` refuses before any work starts, and what its plan says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from adapt_recipes import PAIRS, write_recipe
from compared_runs import make_run
from harness_helpers import Harness

from harness.locks import hold

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples" / "adapt").glob("*.yaml"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train=null"], "train is missing"),
        (["eval=null"], "eval is missing"),
        (["synth=null"], "synth is missing"),
        (["base_model=null"], "base_model is missing"),
        (["base_model=nowhere/at/all"], "base_model: no such folder: nowhere/at/all"),
        (["train.data=x.jsonl"], "train.data: synth makes the training data"),
        (["train.preset=llava_v1_6"], "train.preset: llava_v1_6 is for llava_next"),
        (["train.stages=two", "synth.content=tasks"], "train.stages: two needs captions"),
        (["train.stages=two", "train.also=x.jsonl"], "train.also: goes with stages: single"),
        (["train.also=x.jsonl"], "train.also: no such file: x.jsonl"),
        (["synth.pairs=x.jsonl"], "synth.pairs: no such file: x.jsonl"),
        (["synth.filter=./judge"], "synth.filter: no such folder: ./judge"),
        (["synth.audit=[foot]"], "synth.audit: unknown task 'foot': did you mean 'food'?"),
        (["eval.tasks=[slak]"], "did you mean 'slake'?"),
        (["eval.tasks=['a,b']"], "a task's name holds a comma"),
        (["eval.data=nowhere"], "eval.data: no such folder: nowhere"),
        (["eval.engine=openai"], "eval.engine: openai asks a server"),
        (["eval.engine=vlm"], "did you mean 'vllm'?"),
        (["eval.compare_with=./base"], "eval.compare_with: no such folder"),
        (["eval.retention=[mmu]"], "eval.retention: unknown task 'mmu'"),
        (["eval.task=x"], "did you mean tasks?"),
        (["eval.engine_args.batch=2"], "engine transformers has no such setting: did you mean 'b"),
        (["eval.out=data/pairs.jsonl/runs"], "eval.out: data/pairs.jsonl is no folder"),
        (["synth.filter.engine=vlm"], "synth.filter.engine: unknown engine 'vlm'"),
        (["synth.images=x"], "synth.pairs: images: x is no folder"),
        (["synth.audit_data=x"], "synth.audit_data: no such folder: x"),
        (["train.images=x"], "train.images: no such folder: x"),
        (["train.held_out=x.jsonl"], "train.held_out: no such file: x.jsonl"),
    ],
)
def test_wrong_requests(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path, arguments: list[str], said: str
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"])
    ran = harness("adapt", recipe, *(f"--set={text}" for text in arguments))
    assert ran.code == 2
    assert said in ran.err
    assert f"{recipe}, line " in ran.err or "missing" in said
    assert not Path("work").exists()
    assert not Path("runs").exists()


def test_a_run_that_is_not_finished_is_no_reference(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], eval={"compare_with": "run"})
    ran = harness("adapt", recipe)
    assert ran.code == 2
    assert "eval.compare_with: run is not a finished run" in ran.err


def test_a_run_that_cannot_be_compared_is_refused_before_anything_is_trained(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    run = make_run(harness, "vqa_rad", "others/a", "--data", "sample", "--limit", "8")
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], eval={"compare_with": str(run)})
    assert harness("adapt", recipe, "--dry-run").code == 0
    for setting, said in (
        ("eval.limit=9", "was made with limit: 8, and eval.limit is 9"),
        ("eval.images=blank", "was made with images: given, and eval.images is blank"),
        ("eval.tasks=[slake]", "holds none of eval.tasks (it holds vqa_rad)"),
    ):
        ran = harness("adapt", recipe, "--set", setting)
        assert ran.code == 2
        assert f"eval.compare_with: {run} {said}" in ran.err
    record = json.loads((run / "run.json").read_text())
    record["settings"]["tasks"]["vqa_rad"]["version"] = "0"
    (run / "run.json").write_text(json.dumps(record))
    assert "another version of vqa_rad" in harness("adapt", recipe).err
    assert not Path("work").exists()


def test_wrong_settings_of_tuning_are_told_before_any_work(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    tune = {"base_model": str(tiny_models["qwen2_vl"]), "seed_data": {"data": "x.jsonl"}}
    for train, engine, said in (
        ({"epoch": 1}, "auto", "synth.tune.train.epoch is unknown; did you mean epochs?"),
        ({"preset": "llava_v1_6"}, "auto", "synth.tune.base_model: train.preset: llava_v1_6 is"),
        ({}, "vlm", "synth.tune.engine: unknown engine 'vlm'"),
        ({}, "auto", "synth.tune.seed_data.data: no such file or folder: x.jsonl"),
    ):
        tuned = {"generator": "synthesizer", "tune": {**tune, "train": train, "engine": engine}}
        ran = harness("adapt", write_recipe(tmp_path, tiny_models["qwen2_vl"], synth=tuned))
        assert ran.code == 2
        assert said in ran.err
    assert not Path("work").exists()


def test_a_second_one_in_the_same_folder_is_refused(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"])
    with hold(Path("work/soup"), ""):
        ran = harness("adapt", recipe)
    assert ran.code == 2
    assert f"in use by another process (pid {os.getpid()})" in ran.err
    assert "wait for it" in ran.err


def test_the_plan_writes_nothing_and_says_what_is_shared(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    sweep = {"two": {"train.stages": "two"}, "precise": {"synth.answers": "precise"}}
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], sweep=sweep)
    plan = harness("adapt", recipe, "--dry-run", "--json").json
    states: dict[str, dict[str, Any]] = {}
    for line in plan["stages"]:
        states.setdefault(line["variant"], {})[line["stage"]] = line
    assert list(states) == ["recipe", "two", "precise"]
    assert [*states["recipe"]] == [
        "eval_base", "generate", "filter", "mix", "audit", "train", "eval", "compare",
    ]  # fmt: skip
    assert states["recipe"]["generate"]["rows"] == PAIRS + 10
    assert states["recipe"]["eval_base"]["rows"] == 8
    assert {s: line["state"] for s, line in states["two"].items()} == {
        "eval_base": "shared", "generate": "shared", "filter": "shared", "mix": "shared",
        "audit": "shared", "train": "later", "eval_first_stage": "later", "eval": "later",
        "compare": "later",
    }  # fmt: skip
    assert states["precise"]["filter"]["state"] == "shared"
    assert states["precise"]["mix"]["state"] == "later"
    shown = harness("adapt", recipe, "--dry-run")
    assert shown.code == 0
    assert "as recipe" in shown.out
    assert "no rate measured yet" in shown.out
    assert not Path("work").exists()
    assert not Path("runs").exists()


def test_there_are_examples() -> None:
    domains, kinds = ("biomed", "food", "remote-sensing"), ("", "-generators", "-ablations")
    wanted = {f"{domain}{kind}.yaml" for domain in domains for kind in kinds}
    assert {path.name for path in EXAMPLES} == wanted


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_planned_without_a_network(harness: Harness, path: Path) -> None:
    ran = harness("adapt", path, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    plan = ran.json
    stages = {line["stage"] for line in plan["stages"]}
    assert {"eval_base", "generate", "mix", "audit", "train", "eval", "compare"} <= stages
    assert all(line["note"] for line in plan["stages"] if line["state"] == "unknown")
    assert any("synth.pairs" in text for text in plan["missing"])
    json.dumps(plan, allow_nan=False)
    refused = harness("adapt", path)
    assert refused.code == 2
    assert "Nothing was started" in refused.err
