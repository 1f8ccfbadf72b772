"""`harness score RUN`: a run scored again without its model."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from damaged import damage_samples
from harness_helpers import Harness, Ran, closed_rows, line_of

from harness.runs import RunFolder

CONSTANT = ("eval", "--engine", "constant", "--json", "--model")


@pytest.fixture
def run(harness: Harness, tmp_path: Path) -> RunFolder:
    """A finished run over 12 rows of 4 pictures."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 12, pictures=4)
    assert harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows").code == 0
    (path,) = Path("runs").iterdir()
    return RunFolder(path)


def test_a_run_scored_again(harness: Harness, run: RunFolder) -> None:
    old = run.results()
    ran = harness("score", run.path, "--samples", "s.jsonl", "--json")
    assert ran.code == 0
    assert ran.json == old == run.results()
    assert [json.loads(x)["index"] for x in Path("s.jsonl").read_text().splitlines()] == list(
        range(12)
    )
    (kept,) = run.path.glob("results.2*.json")
    assert kept.name in ran.err
    assert json.loads(kept.read_text()) == old
    harness("score", run.path)
    assert len(list(run.path.glob("results.2*.json"))) == 2


def test_a_changed_scorer_is_picked_up(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "own", 6)
    (folder / "task.yaml").write_text("id: own\nscorer: exact_vqa\n")
    answer = "yes it is"
    first = harness(*CONSTANT, answer, "--tasks", "own")
    assert line_of(first.json, "own", "paper")["score"] == 0.0
    (folder / "task.yaml").write_text("id: own\nscorer: rouge_l\nversion: 2\n")
    (path,) = Path("runs").iterdir()
    again = harness("score", path, "--json")
    assert again.code == 0, again.err
    line = line_of(again.json, "own", "paper")
    assert (line["metric"], line["task_version"], line["n"]) == ("rouge_l", 2, 6)
    assert line["score"] == pytest.approx(100 * 0.5 * 4 / 6, abs=1e-4)
    samples = pq.read_table(path / "tasks" / "own" / "samples.parquet").to_pylist()
    assert [s["paper_rouge_l"] > 0 for s in samples] == [bool(i % 3) for i in range(6)]
    assert {s["text"] for s in samples} == {answer}


def test_failed_rows_and_unreadable_lines_stay(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    (folder / "images" / "2.png").unlink()
    with (folder / "test.jsonl").open("a") as file:
        file.write("{torn\n")
    first = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    (path,) = Path("runs").iterdir()
    again = harness("score", path, "--json")
    assert (first.code, again.code) == (1, 1)
    assert again.json == first.json
    assert again.json["unreadable"] == {"vqa_rad": 1}
    assert line_of(again.json, "vqa_rad", "paper", split="closed")["failed"] == 1


def refused(harness: Harness, run: RunFolder) -> Ran:
    ran = harness("score", run.path, "--samples", "s.jsonl")
    assert (ran.code, ran.out) == (2, "")
    assert not Path("s.jsonl").exists()
    assert not list(run.path.glob("results.2*.json"))
    assert not list(run.path.rglob(".*.parquet.*"))
    return ran


@pytest.mark.parametrize("damage", ["gone", "footer", "pages", "columns", "version", "label"])
def test_damaged_samples(harness: Harness, run: RunFolder, damage: str) -> None:
    path = run.task_folder("vqa_rad") / "samples.parquet"
    old, table = run.results(), pq.read_table(path)
    if damage == "columns":
        pq.write_table(table.drop_columns(["text"]), path)
    elif damage != "label":
        damage_samples(path, damage)
    else:
        broken = [*table["label"].to_pylist()[:-1], '"torn']
        pq.write_table(table.set_column(table.column_names.index("label"), "label", [broken]), path)
    ran = refused(harness, run)
    assert "samples.parquet" in ran.err
    assert run.results() == old


def test_unfinished_and_damaged_runs(harness: Harness, run: RunFolder) -> None:
    results = run.path / "results.json"
    whole = results.read_text()
    for text in ("{", "[]", '{"schema_version": 99}', '{"schema_version": 1}', "[" * 100_000,
                 json.dumps(json.loads(whole) | {"model": 5}),
                 json.dumps(json.loads(whole) | {"unreadable": None})):  # fmt: skip
        results.write_text(text)
        assert "results.json" in refused(harness, run).err
    results.unlink()
    message = refused(harness, run).err
    assert "is not finished" in message
    assert "`harness eval` command" in message
    results.write_text(whole)
    with run.locked():
        assert "in use" in refused(harness, run).err
    (run.path / "run.json").write_text('{"schema_version": 1}')
    assert "damaged" in refused(harness, run).err
    (run.path / "run.json").write_text('{"schema_version": 1, "settings": {}, "tasks": ["gone"]}')
    assert "unknown task 'gone'" in refused(harness, run).err
