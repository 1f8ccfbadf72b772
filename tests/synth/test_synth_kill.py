"""Killed at any moment, the same command continues: equal files, nothing asked twice."""

from __future__ import annotations

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
from synth_pairs import lines_of, write_pairs, write_recipe
from tiny_text import make_base_model

from harness.cli import _run
from harness.journal import Journal

MOMENTS = 40


def files(work: Path) -> dict[str, bytes]:
    """What the stages have made, without times."""
    found = {}
    for path in sorted(work.glob("*/*-*/*")):
        if path.name == "stage.json":
            record = json.loads(path.read_text())
            told = {key: record[key] for key in ("rows_in", "rows_out", "rejects", "outputs")}
            found[str(path.relative_to(work))] = json.dumps(told).encode()
        elif path.suffix in (".jsonl", ".md") and path.name != "README.md":
            found[str(path.relative_to(work))] = path.read_bytes()
    return found


def killed_at(moment: int, arguments: list[str]) -> bool:
    """Run the command in a copy of this process that dies at its n-th write; False if it ends."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    try:
        left = moment
        replace, append = Path.replace, Journal.append

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted_replace(self: Path, target: Any) -> Path:
            count()
            return replace(self, target)

        def counted_append(self: Journal, *given: Any) -> None:
            count()
            append(self, *given)

        Path.replace, Journal.append = counted_replace, counted_append  # type: ignore[method-assign,assignment]
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        _run(arguments)
    finally:
        os._exit(0)


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_killed_before_every_single_write(harness: Harness, tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path / "soup.yaml", write_pairs(tmp_path / "data", 6)))
    assert harness("synth", recipe, "--work", "whole").code == 0
    wanted = files(Path("whole"))
    for moment in range(MOMENTS):
        work = f"work{moment}"
        arguments = ["synth", recipe, "--work", work]
        if not killed_at(moment, arguments):
            assert moment > 10
            return
        assert harness(*arguments).code == 0
        assert files(Path(work)) == wanted, f"killed at write {moment}"
        (journal,) = Path(work).glob("soup/answers/filter-*/responses.jsonl")
        keys = [line["key"] for line in lines_of(journal)]
        assert len(keys) == len(set(keys)) == 6
    pytest.fail("the command writes more often than this test kills it")


@pytest.fixture
def judged(tmp_path: Path) -> list[str]:
    """A recipe with a real judge."""
    filter_ = {
        "model": str(make_base_model(tmp_path / "base")),
        "engine": "transformers",
        "engine_args": {"batch_size": "2"},
    }
    pairs = write_pairs(tmp_path / "data", 10)
    recipe = write_recipe(tmp_path / "soup.yaml", pairs, filter=filter_)
    return ["synth", str(recipe)]


def test_a_real_judge_is_killed_and_continues(harness: Harness, judged: list[str]) -> None:
    program = Path(sys.executable).with_name("harness")
    process = subprocess.Popen([program, *judged], stderr=subprocess.PIPE, text=True)
    journal: Path | None = None
    while journal is None or journal.read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.communicate()
        journal = next(Path("work").glob("soup/answers/filter-*/responses.jsonl"), None)
        time.sleep(0.003)
    process.kill()
    process.communicate(timeout=60)
    assert 3 <= len([line for line in journal.read_bytes().split(b"\n") if line]) < 10
    assert harness(*judged).code == 0
    keys = [line["key"] for line in lines_of(journal)]
    assert len(keys) == len(set(keys)) == 10
    assert harness(*judged, "--work", "whole").code == 0
    assert files(Path("work")) == files(Path("whole"))
