"""The real command, cut off in every way; the same command continues and loses nothing."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness

ROWS = 60


class Command:
    """`harness eval` with a real engine on sample rows, into `runs`."""

    def __init__(self, model: Path) -> None:
        self.arguments = [
            "eval", "--engine", "transformers", "--model", str(model), "--tasks", "slake",
            "--data", "sample", "--limit", str(ROWS), "--engine-arg", "batch_size=4", "--json",
        ]  # fmt: skip

    def start(self, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name("harness")
        return subprocess.Popen(
            [str(program), *self.arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=before,
        )  # fmt: skip

    def cut_off(self, number: signal.Signals, after: int) -> tuple[int, str]:
        """Send a signal once the journal has some lines; exit code and what was said."""
        process = self.start()
        while len(journal_keys()) < after:
            assert process.poll() is None, process.communicate()
            time.sleep(0.003)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert out == ""
        return process.returncode, err


def journal() -> Path | None:
    return next(Path("runs").glob("*/tasks/slake/responses.jsonl"), None)


def journal_keys() -> list[str]:
    """Keys of the whole lines."""
    path = journal()
    lines = path.read_bytes().split(b"\n")[:-1] if path else []
    return [json.loads(line)["key"] for line in lines if line.endswith(b"}")]


@pytest.fixture
def command(tiny_models: dict[str, Path]) -> Command:
    return Command(tiny_models["qwen2_vl"])


@pytest.fixture
def whole(harness: Harness, command: Command) -> dict[str, Any]:
    """Results of the run that nothing disturbs."""
    ran = harness(*command.arguments, "--out", "undisturbed")
    assert ran.code == 0
    results: dict[str, Any] = ran.json
    return results


def finished(harness: Harness, command: Command, whole: dict[str, Any]) -> dict[str, Any]:
    """Run to the end and compare; gives back `run.json`."""
    ran = harness(*command.arguments)
    assert ran.code == 0
    results = ran.json
    assert results.pop("run_id").startswith("20")
    assert results == {key: value for key, value in whole.items() if key != "run_id"}
    keys = journal_keys()
    assert len(keys) == len(set(keys)) == ROWS, "nothing is asked twice, nothing is lost"
    (run,) = Path("runs").iterdir()
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def test_killed_and_continued(harness: Harness, command: Command, whole: dict[str, Any]) -> None:
    seen: list[str] = []
    for after in (1, 18, 39):
        code, _ = command.cut_off(signal.SIGKILL, after)
        assert code == -signal.SIGKILL
        keys = journal_keys()
        assert after <= len(keys) < ROWS
        assert keys[: len(seen)] == seen
        seen = keys
        assert not list(Path("runs").glob("*/results.json"))
    path = journal()
    assert path is not None
    path.write_bytes(path.read_bytes() + b'{"v":1,"key":"12')  # and a power cut in mid-line
    assert finished(harness, command, whole)["torn_lines"] == 1


def test_stopped_and_continued(harness: Harness, command: Command, whole: dict[str, Any]) -> None:
    for number, after, code, word in (
        (signal.SIGINT, 9, 130, "stopped"),
        (signal.SIGTERM, 24, 143, "terminated"),
    ):
        ended, err = command.cut_off(number, after)
        assert ended == code, err
        *_, how, last = filter(None, err.splitlines())
        assert "answers so far are kept in runs/" in how
        assert how.endswith("the same command continues")
        assert last == word
        assert "Traceback" not in err
        assert after <= len(journal_keys()) < ROWS
    _disk_full(command)
    assert finished(harness, command, whole)["torn_lines"] <= 1


def _disk_full(command: Command) -> None:
    """A file that may not grow stands for a disk that is full."""
    path, before = journal(), len(journal_keys())
    assert path is not None
    most = path.stat().st_size + 4_000

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    process = command.start(limit)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    *_, how, last = filter(None, err.splitlines())
    assert "answers so far are kept" in how
    assert last.startswith("error: [Errno 27] File too large")
    assert before < len(journal_keys()) < ROWS
