"""The real command, stopped and killed in every stage; the same command ends as if nothing was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adapt_recipes import write_recipe

from harness.adapt._processes import run_command

PROGRAM = Path(sys.executable).with_name("harness")


def test_a_command_runs_apart_from_the_users_folder() -> None:
    Path("harness.py").write_text("raise SystemExit('not this one')")
    ended = run_command(("tasks", "ls", "--json"))
    assert ended.code == 0
    assert ended.text
    assert run_command(("tasks", "show", "none")).code == 2


def children(pid: int) -> list[int]:
    """Processes below a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, parent = stat.parent.name, stat.read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found += [int(name), *children(int(name))]
    return found


def lines_of(pattern: str) -> int:
    """Whole lines in all files of a pattern."""
    return sum(path.read_bytes().count(b"\n") for path in Path().glob(pattern))


def wait_for(what: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.01)


@pytest.fixture
def command(tiny_models: dict[str, Path], tmp_path: Path) -> list[str]:
    train = {"max_steps": 6, "save_every": 1}
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], train=train)
    return [str(PROGRAM), "adapt", str(recipe), "--json"]


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stopped(command: list[str], when: Callable[[], bool], number: signal.Signals) -> str:
    """Send a signal at a moment; what was said. Nothing may be left running."""
    process = start(command)
    wait_for(lambda: when() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    below = children(process.pid)
    assert below, "a stage runs in a process of its own"
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 60)
    assert out == ""
    wanted = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
    assert process.returncode == wanted[number]
    return err


def told(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what another day changes."""
    pairs = report["comparisons"]["tasks"]["pairs"]
    rows = [(s["stage"], s["rows_in"], s["rows_out"], s["rejects"]) for s in report["stages"]]
    return {"verdict": report["verdict"], "pairs": pairs, "rows": rows}


@pytest.mark.slow
def test_stopped_and_killed_it_ends_with_the_same_verdict(command: list[str]) -> None:
    whole = subprocess.run(
        [*command, "--work", "whole", "--set", "eval.out=others"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Inside the evaluation of the base, between two stages, while training (twice), while the
    # candidate is evaluated.
    stopped(command, lambda: lines_of("runs/*/tasks/*/responses.jsonl") > 0, signal.SIGKILL)
    stopped(command, lambda: any(Path().glob("work/soup/generate-*/stage.json")), signal.SIGTERM)
    losses = "work/soup/train-*/losses.jsonl"
    err = stopped(command, lambda: lines_of(losses) >= 1, signal.SIGTERM)
    assert "terminated" in err
    known = lines_of(losses)
    assert known >= 1
    stopped(command, lambda: lines_of(losses) > known, signal.SIGKILL)
    stopped(command, lambda: any(Path().glob("work/soup/train-*/stage.json")), signal.SIGINT)
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told(json.loads(made.stdout)) == told(json.loads(whole.stdout))
    steps = [
        json.loads(line)["step"]
        for path in Path().glob(losses)
        for line in path.read_text().splitlines()
    ]
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6]
    for journal in Path().glob("runs/*/tasks/*/responses.jsonl"):
        keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
        assert len(keys) == len(set(keys)) == 8
    assert len([*Path("runs").iterdir()]) == 2
    for stage in ("generate", "filter", "mix", "audit", "train"):
        assert len([*Path("work/soup").glob(f"{stage}-*")]) == 1
    weights = next(Path().glob("work/soup/train-*/checkpoint/model.safetensors"))
    before = weights.stat().st_mtime_ns
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(stage["reused"] for stage in json.loads(again.stdout)["stages"])
    assert weights.stat().st_mtime_ns == before
