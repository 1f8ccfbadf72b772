"""The Candidate page over what `harness adapt` and `harness synth --report` really leave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from adapt_recipes import InProcess, stages, write_recipe
from harness_helpers import Harness
from leaderboard_app import Pages, markdown, texts

__all__ = ["stages"]


@pytest.mark.slow
def test_a_candidate_of_the_loop_is_shown_with_all_that_was_left_of_it(
    harness: Harness,
    stages: InProcess,
    tiny_models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = write_recipe(
        tmp_path,
        tiny_models["qwen2_vl"],
        train={"stages": "two", "max_steps": 4},
        eval={"retention": ["nutrition5k"]},
    )
    ran = harness("adapt", recipe, "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    assert harness("synth", recipe, "--report").code == 0
    runs, pages = report["runs"], Pages(tmp_path / "runs", tmp_path / "cache", monkeypatch)

    app = pages.open("candidate", run=Path(runs["candidate"]).name)
    shown = texts(app)
    assert report["verdict"]["tasks"]["paper"] in shown
    assert report["verdict"]["general_ability"] in shown
    assert any(text.startswith("---\nbase_model:") and "## Tasks" in text for text in shown)
    tables = [frame.value for frame in app.dataframe]
    (verdict,) = (table for table in tables if "Holm p" in table)
    told = [line for line in report["comparisons"]["tasks"]["pairs"][0]["columns"]
            if line["main"] and line["protocol"] == "paper" and line["n"]]  # fmt: skip
    assert told
    assert list(verdict["B"])[: len(told)] == [line["candidate"] for line in told]
    assert list(verdict["verdict"])[: len(told)] == [line["verdict"] for line in told]
    (funnel,) = (table for table in tables if "rows in" in table)
    assert list(funnel["stage"]) == ["generate", "filter", "mix", "audit", "train"]
    (quality,) = (table for table in tables if "diversity" in table)
    assert (quality["diversity"] > 0).all()
    (kept,) = (table for table in tables if "change" in table)
    assert len(kept) == 1
    charts = "".join(chart.proto.spec for chart in app.get("vega_lite_chart"))
    for axis in ("samples, %", "optimizer step"):
        assert axis in charts
    steps = {metric.label: metric.value for metric in app.metric}["steps"]
    training = json.loads((Path(report["checkpoint"]) / "training.json").read_text())
    assert steps == f"{training['steps']:,}"
    assert any("\n# soup\n" in text and "## Rows" in text for text in shown), "the data card"
    assert any('"max_steps": 4' in text for text in shown), "the recipe"
    assert any("--to model-index" in text for text in shown)

    first = texts(pages.open("candidate", run=Path(runs["first_stage"]).name))
    assert report["verdict"]["first_stage"] in first
    assert report["verdict"]["general_ability"] not in first, "it is the second stage's"

    for path in (tmp_path / "work").rglob("report.json"):
        path.write_text(
            json.dumps({**report, "comparisons": {"tasks": {"pairs": [{"columns": 7}]}}})
        )
    damaged = pages.open("candidate", run=Path(runs["candidate"]).name)
    assert "the report beside its stages is damaged" in texts(damaged)
    shutil.rmtree(tmp_path / "work")
    moved = pages.open("candidate", run=Path(runs["candidate"]).name)
    assert report["verdict"]["tasks"]["strict"] in texts(moved)
    (again,) = (frame.value for frame in moved.dataframe if "rows in" in frame.value)
    assert list(again["rows out"]) == list(funnel["rows out"])
    assert "cannot be shown" not in markdown(moved)
