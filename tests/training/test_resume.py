"""Killed, stopped, continued: the end is the uninterrupted run's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from training_data import random_rows
from training_runs import (
    job_of,
    losses,
    stage_of,
    train_here,
    trainer_of,
    weights_of,
    write_recipe,
)

from training.states import newest

LONG: dict[str, Any] = {
    "global_batch": 2, "device_batch": 1, "max_steps": 40, "save_every": 3,
    "schedule": "cosine", "warmup_ratio": 0.1, "weight_decay": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("resume"), 23)


def start(recipe: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "harness", "train", recipe, *options],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip


def wait_for_state(process: subprocess.Popen[str], work: Path, step: int) -> Path:
    """The stage's folder, once it has a whole state of this step or a later one."""
    ends = time.monotonic() + 240
    while time.monotonic() < ends:
        for folder in (work / "tiny").glob("train-*"):
            state = newest(folder / "state")
            if state is not None and state.step >= step:
                return folder
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.02)
    raise AssertionError("no state in time")


def wait_until_still(folder: Path) -> None:
    """No process of the killed command goes on."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        alive = [
            path.name
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and str(folder).encode() in _command_line(path / "cmdline")
        ]
        if not alive:
            return
        time.sleep(0.1)
    raise AssertionError(f"still alive: {alive}")


def _command_line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def killed_and_continued(
    harness: Harness, recipe: Path, work: Path, step: int, *options: str
) -> list[float]:
    process = start(recipe, "--work", str(work), *options)
    try:
        folder = wait_for_state(process, work, step)
    finally:
        process.kill()
        process.wait()
    wait_until_still(folder.resolve())
    assert not (folder / "stage.json").exists()
    ran = harness("train", recipe, "--work", work, *options)
    assert ran.code == 0, ran.err
    return losses(stage_of(work))


@pytest.mark.slow
def test_stopped_killed_and_continued_ends_the_same(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    base = tiny_models["qwen2_vl"]
    # Dropout of the adapters draws random numbers: they too have to go on where they were.
    lora = {"rank": 4, "dropout": 0.3, "parts": ["llm", "projector"]}
    settings = {**LONG, "lora": lora, "max_steps": 90}
    recipe = write_recipe(tmp_path, base, data, **settings)
    work = tmp_path / "work"
    process = start(recipe, "--work", str(work))
    try:
        wait_for_state(process, work, 3)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    folder = stage_of(work)
    state = newest(folder / "state")
    assert state is not None
    assert process.returncode == 143
    assert f"the state of step {state.step} of 90 is saved" in err
    assert "same command continues" in err
    assert len(losses(folder)) == state.step

    other = harness("train", recipe, "--work", work, "--set", "train.gpus=2")
    assert other.code == 2
    assert f"stopped at step {state.step} with 1 process; it cannot go on with 2" in other.err
    assert "--fresh" in other.err

    series = killed_and_continued(harness, recipe, work, state.step + 9)
    assert series == train_here(job_of(tmp_path / "whole", base, data, **settings))


def test_a_run_that_had_only_to_write_its_checkpoint_makes_no_further_step(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    # In the midst of an epoch: 3 of its 12 steps.
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, global_batch=2, device_batch=2)
    trainer = trainer_of(job)
    trainer.train()  # and killed before the checkpoint is written
    before = losses(job.folder)
    weights = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    assert train_here(job) == before
    after = weights_of(job.checkpoint)
    assert all((after[name] == weight).all() for name, weight in weights.items())
    record = json.loads((job.folder / "training.json").read_text())
    assert record["steps"] == 3


def test_a_state_without_its_mark_is_no_state(tmp_path: Path) -> None:
    from training.states import keep_last, write_mark

    for step in (2, 10, 4):
        (tmp_path / f"checkpoint-{step}").mkdir()
        write_mark(tmp_path / f"checkpoint-{step}", step=step, ranks=1, tokens=5, skipped=0)
    (tmp_path / "checkpoint-12").mkdir()
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 10
    keep_last(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [
        "checkpoint-10", "checkpoint-4",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["zero2", "zero3"])
def test_killed_and_continued_over_zero(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness, parallel: str
) -> None:
    options = {**LONG, "max_steps": 20, "gpus": 2, "parallel": parallel}
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, **options)
    whole = harness("train", recipe, "--work", tmp_path / "whole")
    assert whole.code == 0, whole.err
    continued = killed_and_continued(harness, recipe, tmp_path / "work", 6)
    assert continued == losses(stage_of(tmp_path / "whole"))
