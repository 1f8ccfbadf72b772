"""Two processes over ZeRO, on CPUs: the same losses as one process, and a checkpoint as any other."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from training_data import random_rows, record, write_rows
from training_runs import job_of, losses, stage_of, train_here, trainer_of, weights_of, write_recipe

_FAST = {("qwen2_vl", "zero2"), ("llava_next", "zero3")}
CASES = [
    pytest.param(family, parallel, marks=() if (family, parallel) in _FAST else pytest.mark.slow)
    for family in ("qwen2_vl", "llava_next", "mllama")
    for parallel in ("zero2", "zero3")
]
ZERO: dict[str, Any] = {"gpus": 2, "device_batch": 2, "max_steps": 4, "schedule": "cosine"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A batch without any picture on one rank would make ZeRO-3 wait for ever.
    return random_rows(tmp_path_factory.mktemp("zero"), 19, text_only=0.5)


@pytest.mark.parametrize(("family", "parallel"), CASES)
def test_two_processes_are_one(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    family: str,
    parallel: str,
) -> None:
    base = tiny_models[family]
    alone = job_of(tmp_path / "alone", base, data, **{**ZERO, "gpus": 1})
    series = train_here(alone)
    recipe = write_recipe(tmp_path, base, data, **ZERO, parallel=parallel)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    folder = stage_of(tmp_path / "work")
    assert losses(folder) == pytest.approx(series, rel=2e-5)
    record = json.loads((folder / "training.json").read_text())
    assert (record["settings"]["parallel"], record["settings"]["gpus"]) == (parallel, 2)
    assert record["parameters"]["llm"]["all"] > 0
    _same_weights(alone.checkpoint, folder / "checkpoint")


def _same_weights(one: Path, two: Path) -> None:
    mine, theirs = weights_of(one), weights_of(two)
    assert mine.keys() == theirs.keys()
    # Adam divides by the gradient's size: where that is nothing but rounding, steps may differ.
    for name, weight in mine.items():
        assert (weight - theirs[name]).abs().float().mean() < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["zero1", "zero2_offload", "zero3_offload", "none"])
def test_the_other_configurations_train_too(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness, parallel: str
) -> None:
    base = tiny_models["qwen2_vl"]
    series = train_here(job_of(tmp_path / "alone", base, data, **{**ZERO, "gpus": 1}))
    recipe = write_recipe(tmp_path, base, data, **ZERO, parallel=parallel)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    assert losses(stage_of(tmp_path / "work")) == pytest.approx(series, rel=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["zero2", "zero3"])
@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "bfloat16", "gradient_checkpointing": True},
        {"lora": {"rank": 4, "dropout": 0.0}},
        {"freeze": ["vision_encoder", "llm"]},
        {"batching": "packed", "device_batch": None, "max_length": 256},
    ],
    ids=["bf16", "lora", "frozen", "packed"],
)
def test_over_zero_with(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    parallel: str,
    settings: dict[str, Any],
) -> None:
    base = tiny_models["qwen2_vl"]
    series = train_here(
        job_of(tmp_path / "alone", base, data, **{**ZERO, **settings, "gpus": 1, "max_steps": 3})
    )
    recipe = write_recipe(
        tmp_path, base, data, **{**ZERO, **settings, "max_steps": 3}, parallel=parallel
    )
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    rounding = 3e-2 if "dtype" in settings else 2e-5
    assert losses(stage_of(tmp_path / "work")) == pytest.approx(series, rel=rounding)
    assert weights_of(stage_of(tmp_path / "work") / "checkpoint").keys() == weights_of(base).keys()


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["zero2", "zero3", "none"])
def test_the_best_state_is_found_again(
    tiny_models: dict[str, Path], tmp_path: Path, harness: Harness, parallel: str
) -> None:
    base = tiny_models["qwen2_vl"]
    # What is learnt by heart helps with other answers at first, and then no more.
    data = write_rows(tmp_path, [record("Say it.", "Yes. lung lung lung")] * 8)
    other = write_rows(tmp_path, [record("Say it.", "No small river")] * 3, "other.jsonl")
    far = {**ZERO, "lr": 1e-2, "max_steps": 6, "save_every": 1, "schedule": "constant"}
    wanted = {**far, "held_out": str(other), "choose": "best"}
    alone = job_of(tmp_path / "alone", base, data, **{**wanted, "gpus": 1})
    train_here(alone)
    recipe = write_recipe(tmp_path, base, data, **wanted, parallel=parallel)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    folder = stage_of(tmp_path / "work")
    one, two = (json.loads((p / "training.json").read_text()) for p in (alone.folder, folder))
    assert one["chosen_step"] == two["chosen_step"] < 6
    # The checkpoint is that state: it has the loss that was written down for it.
    check = trainer_of(job_of(tmp_path / "check", folder / "checkpoint", data, held_out=str(other)))
    check.model_wrapped = check.model
    least = min(entry["loss"] for entry in two["held_out_losses"])
    assert check._held_out.loss(check) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("name", ["zero1", "zero2", "zero3", "zero2_offload", "zero3_offload"])
def test_configurations_leave_sizes_to_the_recipe(name: str) -> None:
    text = resources.files("training").joinpath("deepspeed", f"{name}.json").read_text()
    config = json.loads(text)
    assert config["zero_optimization"]["stage"] == int(name[4])
    assert config["train_batch_size"] == config["gradient_clipping"] == "auto"
    assert "optimizer" not in config
    assert ("offload_optimizer" in config["zero_optimization"]) == name.endswith("_offload")
    if name.startswith("zero3"):
        assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"]
