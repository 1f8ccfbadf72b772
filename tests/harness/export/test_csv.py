"""`harness export --to csv`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from export_runs import as_model, baseline
from harness_helpers import Harness

from harness.export._csv import COLUMNS


def test_a_line_a_result(harness: Harness) -> None:
    run = baseline(harness, "yes")
    ran = harness("export", run, "--to", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert tuple(rows[0]) == COLUMNS
    results = json_of(run)
    assert len(rows) == len(results["results"]) + len(results["groups"])
    for row, line in zip(rows, results["results"], strict=False):
        assert [row[k] for k in ("task", "metric", "protocol")] == [
            line["task"], line["metric"], line["protocol"],
        ]  # fmt: skip
        assert row["run"] == run.name
        assert float(row["score"]) == line["score"]
        assert int(row["n"]) == line["n"]
        low, high = line["ci95"] or ("", "")
        assert (row["lo"], row["hi"]) == (str(low), str(high))
        assert row["reason"] == (line["reason"] or "")
        assert row["marks"] == "baseline, sample rows"
        assert row["published"] == row["reproduces"] == ""
    assert [row["task"] for row in rows[-2:]] == ["average"] * 2
    strict = harness("export", run, "--to", "csv", "--protocol", "strict", "--tasks", "slake")
    kept = list(csv.DictReader(io.StringIO(strict.out)))
    assert {(row["task"], row["protocol"]) for row in kept} == {("slake", "strict")}


def json_of(run: Path):  # type: ignore[no-untyped-def]
    import json

    return json.loads((run / "results.json").read_text())


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", 'a,"b"\nc'])  # noqa: RUF001
def test_text_is_no_formula(harness: Harness, name: str) -> None:
    run = as_model(baseline(harness, "yes", "vqa_rad"), "a-0000000a", name, lambda line: -0.0)
    assert harness("export", run, "--to", "csv", "--out", "t.csv").code == 0
    with Path("t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 + 2
    assert {row["model"] for row in rows} == {name if name[0] == "a" else f"'{name}"}
    assert float(rows[0]["lo"]) == -2.0  # a number, not escaped


def test_spreadsheets_and_data_frames_read_numbers(harness: Harness) -> None:
    import pandas as pd

    run = as_model(baseline(harness, "yes", "vqa_rad"), "a-0000000a", "=m", lambda line: 1.0)
    harness("export", run, "--to", "csv", "--out", "t.csv")
    frame = pd.read_csv("t.csv")
    assert frame["score"].dtype == frame["lo"].dtype == "float64"
    assert frame["lo"].min() == -1.0
