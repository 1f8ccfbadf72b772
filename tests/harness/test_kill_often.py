"""Long proof: an evaluation killed again and again, with both real engines."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROWS = 180
ENGINES = [
    pytest.param("transformers", "batch_size=2", 10, id="transformers"),
    pytest.param("vllm", "max_num_seqs=1", 5, id="vllm", marks=pytest.mark.vllm),
]


def journal_keys() -> list[str]:
    path = next(Path("runs").glob("*/tasks/slake/responses.jsonl"), None)
    lines = path.read_bytes().split(b"\n")[:-1] if path else []
    return [json.loads(line)["key"] for line in lines if line.endswith(b"}")]


def without_id(text: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(text).items() if key != "run_id"}


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "setting", "kills"), ENGINES)
def test_killed_many_times(
    tiny_models: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    setting: str,
    kills: int,
) -> None:
    """Results equal the undisturbed run's, and no answered row is asked again."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    command = [
        str(Path(sys.executable).with_name("harness")), "eval", "--engine", engine,
        "--engine-arg", setting, "--model", str(tiny_models["qwen2_vl"]), "--tasks", "slake",
        "--data", "sample", "--limit", str(ROWS), "--json",
    ]  # fmt: skip
    whole = subprocess.run([*command, "--out", "whole"], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    pick = random.Random(7)
    points = sorted(pick.sample(range(1, ROWS - 30), kills))
    seen: list[str] = []
    for point in points:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(journal_keys()) < point and process.poll() is None:
            time.sleep(0.001)
        assert process.poll() is None, "it was done before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        keys = journal_keys()
        assert keys[: len(seen)] == seen
        assert len(keys) == len(set(keys))
        seen = keys
    assert len(seen) < ROWS
    last = subprocess.run(command, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert without_id(last.stdout) == without_id(whole.stdout)
    keys = journal_keys()
    assert len(keys) == len(set(keys)) == ROWS
    assert f"{ROWS - len(seen)} rows asked, {len(seen)} known before" in last.stderr
