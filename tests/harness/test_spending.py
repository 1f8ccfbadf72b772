"""What a run cost and what one will: the summary, `run.json`, `--dry-run`, the lines of progress."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness, closed_rows

from harness import progress
from harness.progress import Progress
from harness.spending import Spent, told

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr("time.perf_counter", clock)
    return clock


def test_a_line_of_progress(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress({"slake": 1_000, "clrs": None}) as bars:
        for _ in range(40):
            clock.now += 1
            bars.add("slake", known=300, prompt_tokens=150, tokens=5, failed=clock.now == 110)
        clock.now += 1
        bars.add("clrs", tokens=2)
        clock.now += 31
        bars.add("clrs", prompt_tokens=8, tokens=2)
        bars.finish({"slake": 960, "clrs": 1})
    assert capsys.readouterr().err.splitlines() == [
        "slake: 331/1,000 rows, 1.0 rows/s, 0:11:09 left, 1 failed, 300 known, 150+5.0 tokens/s",
        "clrs: 2 rows, 0.1 rows/s, 0.2+0.1 tokens/s",
        "slake: 1,000/1,000 rows, 1.0 rows/s, 1 failed, 960 known, 150+5.0 tokens/s",
        "clrs: 3 rows, 0.1 rows/s, 1 known, 0.2+0.1 tokens/s",
    ]


class Terminal(io.StringIO):
    """A terminal as far as anybody asks."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [80, 120])
def test_bars_hold_the_same_on_one_line_a_task(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with Progress({"[red]x\x1b": 1_000, "known": 7}) as bars:
        clock.now += 10
        bars.add("[red]x\x1b", known=300, prompt_tokens=150, tokens=5, failed=True)
        bars.finish({"[red]x\x1b": 300, "known": 7})
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    first, second = re.split(r"[\r\n]+", plain.rstrip())[-2:]
    assert first.startswith(r"[red]x\x1b ")
    assert "1000/1000 0.1 rows/s  1 failed  300 known" in first
    assert ("15+0.5 tokens/s" in first) == (columns == 120)
    assert second.startswith("known ")
    assert second.rstrip().endswith("7/7       7 known")


def test_seconds_are_counted_whatever_ends_a_stage(clock: Clock) -> None:
    saved: list[float] = []
    spent = Spent(gpus=4)
    spent.save = lambda: saved.append(spent.seconds["generate"])

    def generate() -> None:
        with spent.stage("generate") as count:
            for _ in range(70):
                clock.now += 1
                count()
            raise KeyboardInterrupt

    with spent.stage("load"):
        clock.now += 5
    with pytest.raises(KeyboardInterrupt):
        generate()
    assert spent.seconds == {"load": 5, "generate": 70}
    assert saved == [31, 62], "a killed process has said most of it"
    assert spent.gpu_seconds == 4 * 75
    assert told(spent.seconds, spent.gpu_seconds) == "load 5.0 s, generate 70.0 s, 300 GPU seconds"
    assert Spent().gpu_seconds is None


def run_json(out: str = "runs") -> dict[str, Any]:
    (path,) = Path(out).glob("*/run.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def journal(out: str = "runs") -> list[dict[str, Any]]:
    (path,) = Path(out).glob("*/tasks/*/responses.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def command(tiny_models: dict[str, Path], tmp_path: Path) -> list[object]:
    closed_rows(tmp_path / "rows" / "vqa_rad", 24)
    return [
        "eval", "--model", tiny_models["qwen2_vl"], "--tasks", "vqa_rad", "--data", "rows",
        "--engine", "transformers", "--engine-arg", "batch_size=4",
    ]  # fmt: skip


def test_the_bill_is_added_up_over_processes(
    harness: Harness, command: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.journal import Journal

    append, left = Journal.append, [10]

    def interrupted(self: Journal, *args: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        append(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", interrupted)
        assert harness(*command).code == 130
    first = run_json()
    assert (first["status"], first["asked"], len(journal())) == ("started", 10, 10)
    assert first["seconds"]["generate"] > 0
    continued = harness(*command)
    assert continued.code == 0
    whole, lines = run_json(), journal()
    assert (whole["status"], whole["asked"]) == ("finished", 24)
    assert whole["gpu_seconds"] is None
    assert set(whole["seconds"]) == {"read", "load", "generate", "score"}
    assert all(
        whole["seconds"][name] > first["seconds"].get(name, 0) for name in ("load", "generate")
    )
    sums = {name: sum(line[name] for line in lines) for name in ("prompt_tokens", "tokens")}
    assert whole["tokens"] == {"prompt": sums["prompt_tokens"], "new": sums["tokens"]}
    here = sum(line["prompt_tokens"] for line in lines[10:])
    assert f"14 rows asked, 10 known before; {here:,} prompt + " in continued.err
    assert "\nread 0." in continued.err
    assert f"the whole run: 24 rows asked, {sums['prompt_tokens']:,} prompt + " in continued.err


def test_dry_run_estimates_from_what_was_answered(
    harness: Harness, command: list[object], tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    before = harness(*command, "--dry-run").out
    assert "to come: no earlier answers to estimate from; at most 24,576 new tokens" in before
    assert "in all: no estimate" in before
    assert harness(*command).code == 0
    lines = journal()
    prompt, new = (sum(line[k] for line in lines) for k in ("prompt_tokens", "tokens"))
    (name,) = [path.name for path in Path("runs").iterdir()]
    for damaged in ("null", "{}", '{"schema_version": 1, "settings": {}, "tasks": []}', "x"):
        folder = Path("runs") / f"3{len(damaged)}-other"
        folder.mkdir()
        (folder / "run.json").write_text(damaged)
    half = harness(*command, "--limit", 12, "--dry-run").out
    assert f"about {prompt / 2:,.0f} prompt + {new / 2:,.0f} new tokens, 0:00:0" in half
    assert f"from 24 answers of the same model in run {name}" in half
    # No more new tokens than the limit lets through.
    assert "24 new tokens, 0:00:0" in harness(*command, "--max-new-tokens", 1, "--dry-run").out
    # Other pictures are as long as the right ones; a prompt without any is shorter.
    blank = harness(*command, "--images", "blank", "--dry-run").out
    assert f"from 24 answers of the same model in run {name}" in blank
    assert "no earlier answers" in harness(*command, "--images", "none", "--dry-run").out
    command[2] = tiny_models["llava_next"]
    other = harness(*command, "--dry-run").out
    assert f"from 24 answers of another model in run {name}" in other
    assert "no time was measured with this model and engine" in other
    assert len(list(Path("runs").glob("*-*-*"))) == 1, "a dry run makes nothing"


def test_dry_run_of_a_run_that_is_under_way(harness: Harness, command: list[object]) -> None:
    assert harness(*command).code == 0
    (run,) = Path("runs").iterdir()
    (run / "results.json").unlink()
    path = run / "tasks" / "vqa_rad" / "responses.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:6]))
    out = harness(*command, "--dry-run").out
    assert "24 rows from" in out
    assert "6 answered" in out
    assert "from 6 answers of this run" in out


def test_a_wrong_request_leaves_no_run(
    harness: Harness, command: list[object], tmp_path: Path
) -> None:
    wrong = [*command, "--engine-arg", "attn_implementation=magic"]
    for _ in range(2):
        ran = harness(*wrong)
        assert ran.code == 2
        assert "nothing was answered, so no run is kept" in ran.err
        assert list(Path("runs").iterdir()) == []


def test_what_a_stranger_put_into_a_run_stays(
    harness: Harness, command: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.engines._transformers import TransformersPlan
    from harness.errors import UserError

    def start(self: object) -> None:
        (run,) = Path("runs").iterdir()
        (run / "notes.txt").write_text("mine")
        raise UserError("no")

    monkeypatch.setattr(TransformersPlan, "start", start)
    assert harness(*command).code == 2
    (run,) = Path("runs").iterdir()
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


def test_a_journal_of_a_later_version_is_refused(harness: Harness, command: list[object]) -> None:
    assert harness(*command).code == 0
    (run,) = Path("runs").iterdir()
    (run / "results.json").unlink()
    path = run / "tasks" / "vqa_rad" / "responses.jsonl"
    path.write_text(path.read_text().replace('{"v":1', '{"v":2', 1))
    before = path.read_bytes()
    for more in ((), ("--dry-run",)):
        ran = harness(*command, *more)
        assert ran.code == 2
        assert "journal version 2" in ran.err
        assert "--fresh" in ran.err
    assert path.read_bytes() == before


def test_notes_come_rarely(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress({"slake": 10}) as bars:
        for _ in range(10):
            clock.now += 1
            bars.add("slake")
        bars.finish({"slake": 0})
    assert capsys.readouterr().err == ""
    assert progress._EVERY_SECONDS == 30


def test_nothing_left_to_ask(harness: Harness, command: list[object]) -> None:
    assert harness(*command).code == 0
    (run,) = Path("runs").iterdir()
    (run / "results.json").unlink()
    before = run_json()
    again = harness(*command)
    assert "nothing to ask: 24 rows known before" in again.err
    after = run_json()
    assert [after[k] for k in ("asked", "tokens", "gpu_seconds")] == [24, before["tokens"], None]
    assert after["seconds"]["generate"] == before["seconds"]["generate"]


def test_dry_run_of_a_finished_run_has_nothing_to_ask(harness: Harness, tmp_path: Path) -> None:
    """Rows whose picture cannot be used, and rows equal to others, have no answer of their own."""
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 24)
    (folder / "images" / "3.png").write_bytes(b"no picture")
    command = ("eval", "--engine", "constant", "--model", "yes", "--tasks", "vqa_rad",
               "--data", "rows")  # fmt: skip
    assert harness(*command).code == 1
    assert len(journal()) == 23
    out = harness(*command, "--dry-run").out
    assert "24 rows from" in out
    assert "23 answered; nothing to ask" in out
    assert out.endswith("in all: nothing to ask\n")
