"""`harness demo`: what it ships, what it prepares, and the whole loop with a kill in between."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from harness.comparison import compare_runs
from harness.demo import loop
from harness.demo.pretrain._vocabulary import known_words
from harness.demo.world._tokenizer import make_tokenizer

PROGRAM = Path(sys.executable).with_name("harness")
SHIPPED = Path(loop.__file__).parent / "checkpoints"


def test_the_shipped_checkpoints_are_small_and_in_16_bits() -> None:
    weights = sorted(SHIPPED.glob("*/model.safetensors"))
    assert [path.parent.name for path in weights] == ["base", "judge"]
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 6e6
    for path in weights:
        with safe_open(path, "pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118


def test_the_shipped_vocabulary_is_the_one_the_script_makes() -> None:
    made = make_tokenizer(known_words()).get_vocab()
    for name in ("base", "judge"):
        shipped = json.loads((SHIPPED / name / "tokenizer.json").read_text(encoding="utf-8"))
        ids = dict(shipped["model"]["vocab"])
        assert ids.items() <= made.items()
        assert len(ids) == len(made)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PAIRS", 3)
    monkeypatch.setattr(loop, "_SEED_ROWS", 5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["demo", "mit Leerzeichen", 'a "quoted": {ü}, #1'])
def test_the_recipe_is_one_that_adapt_follows(name: str, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    recipe = loop.prepare(Path(name), seed=3)
    done = subprocess.run(
        [PROGRAM, "adapt", recipe, "--dry-run", "--json", f"--work={name}/work"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["missing"] == []
    stages = [line["stage"] for line in plan["stages"] if line["variant"] == "adapted"]
    assert stages == ["eval_base", "tune_synthesizer", "generate", "filter", "mix", "audit",
                      "train", "eval", "compare"]  # fmt: skip
    assert {line["variant"] for line in plan["stages"]} == {"adapted", "captions_only"}


@pytest.mark.usefixtures("small")
def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    def stamps() -> dict[Path, int]:
        files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "recipe.yaml"]
        return {path: path.stat().st_mtime_ns for path in files}

    loop.prepare(tmp_path)
    before = stamps()
    assert len(before) > 10
    loop.prepare(tmp_path)
    assert stamps() == before


def average(workspace: Path, a: str, b: str) -> Any:
    runs = loop.runs_of(workspace)
    found = compare_runs((runs[a], runs[b]), rows=0)
    averages = found.pairs[0].averages
    return next(each for each in averages if (each.name, each.protocol) == ("biomed", "paper"))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_loop_killed_on_its_way(tmp_path: Path) -> None:
    command = [str(PROGRAM), "demo", f"--workspace={tmp_path}", "--no-leaderboard"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as first:  # fmt: skip
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("== filter"):
                os.killpg(first.pid, signal.SIGKILL)
                break
    generated = list(tmp_path.glob("work/scans/generate-*/triplets.jsonl"))
    before = [path.stat().st_mtime_ns for path in generated]
    time.sleep(1)  # the stage's process ends with its parent
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr[-3000:]
    assert [path.stat().st_mtime_ns for path in generated] == before
    assert len(before) == 1

    gain = average(tmp_path, "base", "adapted")
    assert gain.verdict == "better"
    assert gain.estimate.difference > 15
    over_control = average(tmp_path, "captions_only", "adapted")
    assert over_control.estimate.difference > 0
    for text in ("harness adapt my-recipe.yaml", "harness tasks new", "The loop took"):
        assert text in second.stdout
    assert re.search(r"biomed average .*better", second.stdout)

    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == 0
    assert "rows asked" not in third.stderr
