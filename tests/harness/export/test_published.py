"""Reported scores beside measured ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from export_runs import as_model, baseline, edit
from harness_helpers import Harness

from tasks import GROUPS
from tasks._reference import own_score, published_beside, published_rows, reproduction

BASE = "Qwen/Qwen2-VL-2B-Instruct"


def near(line: dict[str, Any]) -> float:
    """One point above what was printed; ten above on PMC-VQA."""
    own = own_score(BASE, line["task"], line["split"])
    assert own is not None
    return own.score + (10 if line["task"] == "pmc_vqa" else 1)


def published_run(harness: Harness, folder: str = "a-0000000a") -> Path:
    """A run of a published model on as many rows as the published ones."""
    run = as_model(baseline(harness, "yes"), folder, BASE, near)

    def rows(value: dict[str, Any]) -> None:
        for line in value["results"]:
            line["n"] = published_rows(line["task"], line["split"])

    edit(run / "results.json", rows)
    return run


def test_a_score_beside_the_printed_one() -> None:
    held = reproduction(BASE, "slake", "open", score=51.0, ci95=(48.0, 54.0), n=645)
    assert held is not None
    assert (held.published.score, held.published.source) == (50.0, "arXiv:2411.19930v4 Table 2")
    assert (held.difference, held.inside, held.reason) == (1.0, True, None)
    outside = reproduction(BASE, "slake", "open", score=60.0, ci95=(57.0, 63.0), n=645)
    assert outside is not None
    assert outside.inside is False
    fewer = reproduction(BASE, "slake", "open", score=51.0, ci95=(48.0, 54.0), n=50)
    assert fewer is not None
    assert (fewer.inside, fewer.reason) == (None, "measured on 50 rows, published on 645")
    bare = reproduction(BASE, "slake", "open", score=50.0, ci95=None, n=645)
    assert bare is not None
    assert bare.inside is None
    unknown = reproduction(BASE, "clrs", None, score=50.0, ci95=(40, 60), n=15_000)
    assert unknown is not None
    assert unknown.reason == "the published test rows are not known"
    assert reproduction("org/mine", "slake", "open", score=1.0, ci95=None, n=1) is None
    assert reproduction(BASE, "slake", "open", score=None, ci95=None, n=0) is None
    # A model adapted to one domain was not measured in another.
    adapted = "AdaptLLM/biomed-Qwen2-VL-2B-Instruct"
    assert reproduction(adapted, "food101", None, score=1.0, ci95=None, n=1) is None


def test_every_known_model_has_its_own_columns() -> None:
    from tasks._reference import _known_models

    for model in _known_models():
        groups = [model.domain] if model.domain else ["biomed", "food"]
        for group in groups:
            for task in GROUPS[group]:
                for column in task.scorer.columns:
                    row = own_score(model.hub_id, task.id, column.split)
                    assert row is not None, (model, task.id)
                    assert row.source.endswith(("Table 2", "Table 3"))
    beside = published_beside([BASE, "unknown"])
    assert {row.base_model for row in beside} == {"Qwen2-VL-2B"}
    assert published_beside(["unknown"]) == ()


def test_reported_rows_and_differences(harness: Harness) -> None:
    run = published_run(harness)
    other = as_model(baseline(harness, "no"), "b-0000000b", "org/mine", lambda line: 99.0)
    ran = harness("export", run, other, "--to", "markdown", "--published")
    assert ran.code == 0, ran.err
    paper, strict = ran.out.split("under the strict protocol")
    lines = [line.split(" | ") for line in paper.splitlines() if line.startswith("| ")]
    rows = {line[0].removeprefix("| "): [c.removesuffix(" |") for c in line[1:]] for line in lines}
    assert rows["measured - reported"] == ["+1.0 (yes)"] * 6 + ["+10.0 (no)", "+2.3 (no)"]
    assert "AdaMLLM-2B from PMC-Refined (reported)" in rows
    assert rows["Qwen2-VL-2B (reported)"] == [
        "50.0", "52.4", "17.8", "38.7", "37.0", "46.7", "45.8", "41.2",
    ]  # fmt: skip
    assert not any("8B" in name for name in rows)
    # A reported score is never marked best, however high.
    assert all("**" not in cell for name, row in rows.items() if "reported" in name for cell in row)
    assert "reproduces arXiv:2411.19930v4 Table 2" in paper
    assert "slake open yes" in paper
    assert "pmc_vqa no" in paper
    assert "reported)" not in strict
    assert "Published scores are under the paper protocol" in strict
    assert "reported" not in harness("export", run, other, "--to", "markdown").out
    alone = harness("export", other, "--to", "markdown", "--published")
    assert "No model here, and no base of one, is in the published tables." in alone.out


def test_drawn_rows_reproduce_nothing(harness: Harness) -> None:
    run = as_model(baseline(harness, "yes"), "a-0000000a", BASE, near)
    ran = harness("export", run, "--to", "latex", "--published", "--protocol", "paper")
    assert "cannot be held against" in ran.out
    assert "reproduces" not in ran.out
    marked = baseline(harness, "no", "slake")
    out = harness("export", run, marked, "--to", "csv", "--published").out
    assert "+" not in {row["reproduces"] for row in csv.DictReader(out.splitlines())}


def test_csv_has_both(harness: Harness) -> None:
    out = harness("export", published_run(harness), "--to", "csv", "--published").out
    rows = list(csv.DictReader(out.splitlines()))
    (line,) = [r for r in rows if r["run"] and r["task"] == "pmc_vqa" and r["protocol"] == "paper"]
    assert (line["published"], line["reproduces"]) == ("45.8", "false")
    assert float(line["difference"]) == pytest.approx(10.0)
    reported = [row for row in rows if row["marks"] == "reported"]
    assert len(reported) == 5 * 7
    assert {row["run"] for row in reported} == {""}
    assert all(row["published"] == row["score"] for row in reported)


def test_the_report_says_whether_it_reproduces(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from harness.report import print_results

    results = json.loads((published_run(harness) / "results.json").read_text())
    print_results(results)
    out = " ".join(capsys.readouterr().out.split())
    assert "Reproduces arXiv:2411.19930v4 Table 2 (the printed score lies in the interval)" in out
    assert "slake open yes (+1.0)" in out
    assert "pmc_vqa no (+10.0)" in out
    for changed in ({"partial": True}, {"images": "blank"}):
        print_results({**results, **changed})
        assert "Reproduces" not in capsys.readouterr().out
