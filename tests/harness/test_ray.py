"""Replicas through real Ray: killed actors, other numbers of replicas, equal results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

HARNESS = Path(sys.executable).with_name("harness")


def command(model: Path, out: str, *more: str) -> list[str]:
    return [
        str(HARNESS), "eval", "--model", str(model), "--engine", "transformers",
        "--engine-arg", "batch_size=4", "--tasks", "slake", "--data", "sample", "--limit", "150",
        "--json", "--out", out, *more,
    ]  # fmt: skip


def run(args: list[str]) -> Any:
    done = subprocess.run(args, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def journal(out: str) -> list[dict[str, Any]]:
    (path,) = Path(out).glob("*/tasks/slake/responses.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The results of one engine without Ray."""
    return run(command(tiny_models["qwen2_vl"], str(tmp_path_factory.mktemp("whole"))))


def replicas_of(pid: int) -> list[int]:
    """The processes of the actors below a command."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "ray::Replica" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def without_names(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key != "run_id"}


def test_a_killed_actor_costs_its_rows_in_flight_and_nothing_else(
    tiny_models: dict[str, Path], whole: Any
) -> None:
    process = subprocess.Popen(
        command(tiny_models["qwen2_vl"], "runs", "--replicas", "2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed: set[int] = set()
    deadline = time.monotonic() + 200
    while process.poll() is None and not killed and time.monotonic() < deadline:
        lines = [p.read_bytes().count(b"\n") for p in Path("runs").glob("*/tasks/slake/*.jsonl")]
        actors = replicas_of(process.pid)
        if actors and sum(lines) >= 10:
            os.kill(actors[0], signal.SIGKILL)
            killed.add(actors[0])
        time.sleep(0.005)
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert out.startswith("{"), (out[:500], err[-500:])
    assert killed, "the run was over before an actor could be killed"
    assert without_names(json.loads(out)) == without_names(whole)
    keys = [record["key"] for record in journal("runs")]
    assert len(keys) == len(set(keys))


def test_started_with_one_replica_and_finished_with_two(
    tiny_models: dict[str, Path], whole: Any
) -> None:
    model = tiny_models["qwen2_vl"]
    process = subprocess.Popen(
        command(model, "runs"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if sum(p.read_bytes().count(b"\n") for p in Path("runs").glob("*/tasks/*/*.jsonl")) >= 30:
            process.kill()
        time.sleep(0.005)
    process.wait()
    before = len(journal("runs"))
    assert not list(Path("runs").glob("*/results.json"))
    results = run(command(model, "runs", "--replicas", "2"))
    assert without_names(results) == without_names(whole)
    keys = [record["key"] for record in journal("runs")]
    assert len(keys) == len(set(keys))
    assert 0 < before < len(keys)


@pytest.mark.vllm
def test_vllm_in_an_actor(tiny_models: dict[str, Path], whole: Any) -> None:
    args = command(tiny_models["qwen2_vl"], "runs", "--replicas", "2")
    args[args.index("transformers")] = "vllm"
    args[args.index("batch_size=4")] = "max_num_seqs=8"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    results = run(args)
    scores = [[r["score"] for r in each["results"]] for each in (results, whole)]
    assert scores[0] == scores[1]
    (path,) = Path("runs").glob("*/run.json")
    assert json.loads(path.read_text())["engine"]["replicas"] == 2


def test_engines_that_load_nothing_take_no_replicas(harness: Any) -> None:
    ran = harness(
        "eval", "--engine", "constant", "--model", "yes", "--tasks", "slake", "--data", "sample",
        "--replicas", 2,
    )  # fmt: skip
    assert ran.code == 2
    assert "--replicas" in ran.err
