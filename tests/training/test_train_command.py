"""`harness train`: what it says, what it makes, what it refuses."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from training_data import draw, random_rows, record, write_rows
from training_runs import stage_of, weights_of, write_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("command"), 18)


def trained(harness: Harness, recipe: Path, work: Path, *options: str) -> Path:
    ran = harness("train", recipe, "--work", work, *options)
    assert ran.code == 0, ran.err
    return stage_of(work) / "checkpoint"


def test_a_dry_run_says_everything_and_makes_nothing(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, gpus=2, nodes=2, device_batch=1)
    work = tmp_path / "work"
    ran = harness("train", recipe, "--work", work, "--dry-run", "--set", "train.preset=qwen2_vl")
    assert ran.code == 0, ran.err
    assert not work.exists()
    for told in (
        "3 steps of 8 conversations (1 x 4 processes x 2 micro-steps)",
        "max_length               6144                     preset",
        "lr                       0.001                    recipe",
        "accumulation             2                        follows",
        "*zero2 ",
        "planned for CPUs, for this machine has no GPU",
        "tokens are not counted yet",
        "--nnodes 2 --nproc_per_node 2",
        "machine2 slots=2",
        "#SBATCH --nodes=2",
        "-m training.run",
    ):
        assert told in ran.out, told
    as_json = harness("train", recipe, "--work", work, "--dry-run", "--json").json
    (run,) = as_json["runs"]
    assert run["settings"]["lr"] == {"value": 1e-3, "from": "recipe"}
    assert run["steps"] == 3
    # Two values of 16 bits more a weight with ZeRO-3 on four processes than a quarter of them.
    assert run["memory"]["weights"] > 0


def test_gpus_that_are_not_there_are_planned_for_and_refused(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, device="gpu", gpus=2)
    planned = harness("train", recipe, "--work", tmp_path / "work", "--dry-run", "--json").json
    (run,) = planned["runs"]
    assert run["settings"]["dtype"] == {"value": "bfloat16", "from": "machine"}
    assert run["commands"] == {}
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert "train.gpus: 2 wanted, but PyTorch finds 0 on this machine" in ran.err


def test_several_machines_are_prepared_for(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, nodes=2, device_batch=1)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    folder = stage_of(tmp_path / "work").resolve()
    assert f"-m training.run {folder}" in ran.out
    assert {"job.json", "survey.json"} <= {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_two_stages_keep_the_first_and_all_can_be_evaluated(
    tiny_models: dict[str, Path], tmp_path: Path, harness: Harness
) -> None:
    captions = random_rows(tmp_path, 8, text_only=0.0)
    captions.rename(tmp_path / "captions.jsonl")
    rows = (tmp_path / "captions.jsonl").read_text().splitlines()
    (tmp_path / "tasks.jsonl").write_text("\n".join(rows[:5]) + "\n")
    (tmp_path / "train.jsonl").write_text("\n".join(rows) + "\n")
    recipe = write_recipe(
        tmp_path, tiny_models["llava_next"], tmp_path / "train.jsonl", stages="two",
        preset="llava_v1_6", max_steps=2,
    )  # fmt: skip
    final = trained(harness, recipe, tmp_path / "work")
    first = final.parent / "stage1" / "checkpoint"
    base, one, two = (weights_of(p) for p in (tiny_models["llava_next"], first, final))
    moved = {name for name in base if (base[name] != one[name]).any()}
    assert moved
    assert all("multi_modal_projector" in name or "image_newline" in name for name in moved)
    assert any((one[name] != two[name]).any() for name in one if "language_model" in name)
    records = [json.loads((p / "training.json").read_text()) for p in (first, final)]
    assert [r["data"]["name"].rsplit("/", 1)[1] for r in records] == [
        "captions.jsonl", "tasks.jsonl",
    ]  # fmt: skip
    assert json.loads((final.parent / "stage.json").read_text())["tokens"] == sum(
        r["tokens"] for r in records
    )
    _evaluates(harness, first, tmp_path, "transformers")


def test_a_finished_run_is_shown_and_the_checkpoint_is_whole(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    work = tmp_path / "work"
    recipe = write_recipe(tmp_path, tiny_models["mllama"], data, max_steps=2)
    ran = harness("train", recipe, "--work", work, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["steps"] == 2
    checkpoint = stage_of(work) / "checkpoint"
    assert ran.json["checkpoint"] == str(checkpoint)
    names = {path.name for path in checkpoint.iterdir()}
    assert names == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "processor_config.json", "chat_template.jinja", "training.json",
    }  # fmt: skip
    assert not (checkpoint.parent / "state").exists()
    assert json.loads((checkpoint / "config.json").read_text()).get("use_cache", True)
    before = (checkpoint / "model.safetensors").stat().st_mtime_ns
    again = harness("train", recipe, "--work", work, "--json")
    assert again.json == ran.json
    assert "finished before" in again.err
    assert (checkpoint / "model.safetensors").stat().st_mtime_ns == before
    _evaluates(harness, checkpoint, tmp_path, "transformers")


def _evaluates(harness: Harness, checkpoint: Path, out: Path, engine: str) -> None:
    ran = harness(
        "eval", "--model", checkpoint, "--tasks", "vqa_rad", "--data", "sample", "--limit", 2,
        "--engine", engine, "--out", out / "runs", "--max-new-tokens", 4, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["results"]


def _bad_rows(folder: Path, kind: str) -> Path:
    draw(30, 30).save(folder / "a.png")
    good = record("<image>What?", "Soup.", images=("a.png",))
    bad = {
        "silent": {"messages": [{"role": "user", "content": "What?"}]},
        "marks": record("<image><image>What?", "Soup.", images=("a.png",)),
        "missing": record("<image>What?", "Soup.", images=("b.png",)),
    }[kind]
    return write_rows(folder, [good, bad])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("silent", "row 1: no assistant turn"),
        ("marks", "row 1: 2 <image> marks, but 1 picture"),
        ("missing", "row 1: image 'b.png'"),
    ],
)
def test_bad_rows_are_named_before_the_first_step(
    tiny_models: dict[str, Path], tmp_path: Path, harness: Harness, kind: str, told: str
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], _bad_rows(tmp_path, kind))
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert told in ran.err
    assert "recipe.yaml, line" in ran.err
    assert not (stage_of(tmp_path / "work") / "losses.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"preset": "llama3_2_vision"}, "line 4: train.preset: llama3_2_vision is for mllama"),
        ({"global_batch": 9, "device_batch": None, "gpus": 2}, "line 5: train.global_batch: 9"),
        ({"device_batch": 3}, "line 3: train: global_batch 8 cannot be divided by 3"),
        ({"epoch": 2}, "train.epoch is unknown; did you mean epochs?"),
        ({"data": "no.jsonl"}, "data: no such file: no.jsonl"),
        ({"stages": "two"}, "train.captions is missing"),
        ({"batching": "packed", "attn_implementation": "flex_attention"}, "batching: packed needs"),
        ({"base_model": "nowhere/to/be/found"}, "base_model: nowhere/to/be/found: no such folder"),
        ({"liger": True}, "train.liger: its kernels need a GPU"),
        ({"liger": True, "device": "gpu"}, "train.liger: liger-kernel is not installed"),
        ({"report_to": "nonsense"}, "train.report_to: nonsense is unknown"),
        ({"report_to": "trackio"}, "train.report_to: trackio is not installed"),
        ({"attn_implementation": "nonsense"}, "train.attn_implementation: Specified `attn_"),
        ({"betas": [0.9, 1.0]}, "train.betas.1: input should be less than 1"),
        ({"freeze": ["head"]}, "train.freeze.0: input should be"),
    ],
)
def test_wrong_requests_are_named_with_their_line(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    settings: dict[str, Any],
    told: str,
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, **settings)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert told in ran.err
    assert "recipe.yaml, line" in ran.err
    assert not (tmp_path / "work").exists()


def test_a_pickled_base_is_refused(data: Path, tmp_path: Path, harness: Harness) -> None:
    base = tmp_path / "pickled"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "qwen2_vl"}')
    (base / "pytorch_model.bin").write_bytes(b"\x80")
    recipe = write_recipe(tmp_path, base, data)
    ran = harness("train", recipe)
    assert ran.code == 2
    assert "recipe.yaml, line 2: base_model: " in ran.err
    assert "are pickled" in ran.err
    assert "--allow-pickle" not in ran.err


def test_a_full_disk_is_seen_before_the_first_step(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.statvfs

    def nearly_full(path: Any) -> os.statvfs_result:
        fields = list(real(path))
        fields[4] = 100  # f_bavail, in blocks
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert "are free, but training needs about" in ran.err
    assert "train.keep" in ran.err


def test_states_of_an_earlier_try_are_no_lack_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.errors import UserError
    from training.memory import Space, check_space

    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[1] = fields[4] = 1  # f_frsize, f_bavail: one byte is free
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    with pytest.raises(UserError, match="are free, but training needs about"):
        check_space(tmp_path, Space(500.0, 500.0))
    state = tmp_path / "state" / "checkpoint-5"
    state.mkdir(parents=True)
    (state / "weights.pt").write_bytes(bytes(1000))
    check_space(tmp_path, Space(500.0, 500.0))


def test_both_stages_have_to_fit(tiny_models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    from harness.recipes import TrainRecipe
    from training.launch import _space, plan_training

    recipe = TrainRecipe(stages="two", preset="llava_v1_6", captions=str(data), data=str(data))
    plan = plan_training(recipe, base_model=str(tiny_models["llava_next"]))
    first, second = (_space(plan, run, 4) for run in plan.runs)
    # The first stage's own states, of a projector, are small; the second's are not.
    assert first.states == second.states
    assert first.checkpoint == 2 * second.checkpoint


@pytest.mark.slow
def test_a_checkpoint_that_is_gone_is_made_again(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, max_steps=1)
    checkpoint = trained(harness, recipe, tmp_path / "work")
    shutil.rmtree(checkpoint)
    assert trained(harness, recipe, tmp_path / "work") == checkpoint
    assert (checkpoint / "model.safetensors").is_file()


def test_a_process_that_fails_is_told_with_its_log(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(
        tmp_path, tiny_models["qwen2_vl"], data, lr=1e30, lr_vision_encoder=1e30,
        max_grad_norm=1e9, max_steps=9,
    )  # fmt: skip
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 1
    assert "training has gone astray" in ran.err
    assert not (stage_of(tmp_path / "work") / "checkpoint").exists()


@pytest.mark.vllm
@pytest.mark.parametrize("family", ["qwen2_vl", "llava_next"])
def test_vllm_says_the_same_as_transformers(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
) -> None:
    from training_runs import job_of, train_here

    job = job_of(tmp_path / "run", tiny_models[family], data, max_steps=2)
    train_here(job)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    vllm = ("gpu_memory_utilization=0.2", "enforce_eager=true", "max_model_len=1024")
    said = []
    for engine, settings in (("transformers", ()), ("vllm", vllm)):
        out = tmp_path / engine
        ran = harness(
            "eval", "--model", job.checkpoint, "--tasks", "vqa_rad", "--data", "sample",
            "--limit", 4, "--engine", engine, "--out", out, "--max-new-tokens", 8,
            *(part for setting in settings for part in ("--engine-arg", setting)),
        )  # fmt: skip
        assert ran.code == 0, ran.err
        (journal,) = out.glob("*/tasks/vqa_rad/responses.jsonl")
        entries = [json.loads(line) for line in journal.read_text().splitlines()]
        said.append({e["row"]: e["text"] for e in entries})
    assert said[0]
    assert said[0] == said[1]
