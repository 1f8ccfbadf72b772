"""`harness compare`: what cannot stand side by side is refused, with what differs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from compared_runs import change, make_run, reorder
from damaged import damage_samples
from harness_helpers import Harness, closed_rows, picture


@pytest.fixture
def runs(harness: Harness, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs over 8 closed rows."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 8)
    a, b = (make_run(harness, "vqa_rad", answer, "--data", "rows", answer=answer)
            for answer in ("yes", "no"))  # fmt: skip
    return a, b


def refused(harness: Harness, *args: object) -> str:
    ran = harness("compare", *args)
    assert (ran.code, ran.out) == (2, "")
    return ran.err


def test_paths(harness: Harness, runs: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = runs
    assert "at least two runs" in refused(harness, a)
    assert "given twice" in refused(harness, a, b, a.parent / "." / a.name)
    assert "no such folder" in refused(harness, a, "nowhere")
    assert "run.json is missing" in refused(harness, a, tmp_path)
    listed = refused(harness, a, b.parent)
    assert "is a folder of runs" in listed
    assert str(b) in listed
    (b / "results.json").unlink()
    unfinished = refused(harness, a, b)
    assert "is not finished" in unfinished
    assert "`harness eval` command" in unfinished


def test_no_common_task(harness: Harness, runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = make_run(harness, "food101", "other", "--data", "sample")
    message = refused(harness, runs[0], other)
    assert "no task in common" in message
    assert "food101" in message


def edit(run: Path, function: Any) -> None:
    results = json.loads((run / "results.json").read_text())
    for line in results["results"]:
        function(line)
    (run / "results.json").write_text(json.dumps(results))


def test_versions_rules_and_metrics(harness: Harness, runs: tuple[Path, Path]) -> None:
    a, b = runs
    edit(b, lambda line: line.update(task_version=2))
    assert "vqa_rad: version 1 in A, 2 in B" in refused(harness, a, b)
    edit(b, lambda line: line.update(task_version=1, rule="another"))
    message = refused(harness, a, b, "--common")
    assert "vqa_rad closed accuracy (paper)" in message
    assert "'another'" in message
    edit(b, lambda line: line.update(rule=None))
    results = json.loads((b / "results.json").read_text())
    results["results"] = [r for r in results["results"] if r["metric"] != "token_f1"]
    (b / "results.json").write_text(json.dumps(results))
    assert "vqa_rad open token_f1 (strict): only in A" in refused(harness, a, b)


def test_an_own_tasks_settings(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "own", 6)
    (folder / "task.yaml").write_text("id: own\nscorer: exact_vqa\n")
    a = make_run(harness, "own", "a")
    (folder / "task.yaml").write_text(
        "id: own\nscorer: exact_vqa\nimage_formats: [PNG]\n"
    )  # fmt: skip
    b = make_run(harness, "own", "b")
    assert "its task.yaml was another one in A than in B" in refused(harness, a, b)
    for run in (a, b):
        harness("score", run)
    assert harness("compare", a, b).code == 0


def test_limits(harness: Harness, runs: tuple[Path, Path]) -> None:
    short = make_run(harness, "vqa_rad", "short", "--data", "rows", "--limit", 3)
    message = refused(harness, runs[0], short)
    assert 'vqa_rad: 5 rows are in A and not in B ("q3", "q4", "q5", ...)' in message
    assert "--limit: none in A, 3 in B" in message
    assert "--common" in message
    # A limit beyond the last row takes none away.
    whole = make_run(harness, "vqa_rad", "whole", "--data", "rows", "--limit", 99)
    assert harness("compare", runs[1], whole).code == 0
    ran = harness("compare", runs[0], short, "--common", "--json")
    assert ran.code == 0
    assert ran.json["partial"]
    assert ran.json["left_out"] == {"vqa_rad": 5}
    assert {c["n"] for c in ran.json["pairs"][0]["columns"]} == {0, 3}
    page = harness("compare", runs[0], short, "--common").out
    assert "PARTIAL (--common)" in page.splitlines()[2]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("label", '"no"', 'the label differs in 1 rows ("q1": "\\"yes\\"" in A, "\\"no\\"" in B)'),
        ("input", "Is it?", '"q1": "Is this number 1?" in A, "Is it?" in B'),
        ("options", '["a"]', 'the options differs in 1 rows ("q1": null in A'),
        ("pixels", "ffff", 'the picture differs in 1 rows ("q1")'),
        ("split", "open", '1 rows changed between open and closed ("q1")'),
    ],
)
def test_other_rows(
    harness: Harness, runs: tuple[Path, Path], column: str, value: str, words: str
) -> None:
    change(runs[1], "vqa_rad", **{column: lambda r: value if r["row_id"] == "q1" else r[column]})
    assert words in refused(harness, *runs)
    ran = harness("compare", *runs, "--common", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["left_out"] == {"vqa_rad": 1}


def test_other_pictures_under_the_same_names(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    a = make_run(harness, "vqa_rad", "a", "--data", "rows")
    for number in range(4):
        (folder / "images" / f"{number}.png").write_bytes(picture(number + 50))
    b = make_run(harness, "vqa_rad", "b", "--data", "rows")
    assert "the picture differs in 4 rows" in refused(harness, a, b)
    assert "share no row" in refused(harness, a, b, "--common")


@pytest.mark.parametrize("damage", ["gone", "footer", "pages", "columns", "type", "version",
                                    "twice", "null", "stale"])  # fmt: skip
def test_damaged_samples(harness: Harness, runs: tuple[Path, Path], damage: str) -> None:
    path = runs[1] / "tasks" / "vqa_rad" / "samples.parquet"
    table = pq.read_table(path)
    if damage in ("gone", "footer", "pages", "version"):
        damage_samples(path, damage)
    elif damage == "columns":
        pq.write_table(table.drop_columns(["label"]), path)
    elif damage == "type":
        at = table.column_names.index("row_id")
        pq.write_table(table.set_column(at, "row_id", [list(range(8))]), path)
    elif damage == "twice":
        reorder(runs[1], "vqa_rad", [0, 1, 2, 3, 4, 5, 6, 6])
    elif damage == "null":
        change(runs[1], "vqa_rad", paper_accuracy=lambda r: None)
    else:
        change(runs[1], "vqa_rad", paper_accuracy=lambda r: 0.5)
    message = refused(harness, *runs)
    assert str(runs[1]) in message
    assert ("samples" in message) == (damage != "")


def test_damaged_records(harness: Harness, runs: tuple[Path, Path]) -> None:
    for name in ("run.json", "results.json"):
        path = runs[1] / name
        whole = path.read_text()
        record = json.loads(whole)
        for broken in ("{", json.dumps(record | {"results": [{}], "settings": {}}),
                       json.dumps(record | {"results": 5, "settings": 5, "tasks": 5})):  # fmt: skip
            path.write_text(broken)
            assert str(runs[1]) in refused(harness, *runs)
        path.write_text(whole)
    whole = (runs[1] / "results.json").read_text()
    for wrong in ({"task": "../../elsewhere"}, {"score": math.nan}, {"score": "50"}):
        edit(runs[1], lambda line, wrong=wrong: line.update(wrong))
        assert "damaged" in refused(harness, *runs)
        (runs[1] / "results.json").write_text(whole)
