"""Verdicts in words, and a sweep's table, from runs whose answers a test chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compared_runs import answered, make_run
from harness_helpers import Harness, closed_rows

from harness.adapt._loop import Candidate
from harness.adapt._sweep import groups_of
from harness.adapt._sweep_pages import print_sweep, write_sweep
from harness.adapt._variants import read_variants
from harness.adapt._verdict import (
    SAME_MODEL,
    compare,
    contamination,
    general_ability,
    headline,
)
from harness.recipes import read_recipe
from harness.runs import RunFolder

ROWS = 60


@pytest.fixture
def runs(harness: Harness, tmp_path: Path) -> dict[str, RunFolder]:
    """A base that is right on a third of the rows; a better model and a worse one."""
    closed_rows(tmp_path / "rows" / "vqa_rad", ROWS, 40)
    found = {}
    for name, text in (("base", "no"), ("good", "yes"), ("bad", "maybe")):
        path = make_run(harness, "vqa_rad", f"out/{name}", "--data", "rows", answer=text)
        if name != "base":
            # Rows of one picture must not all agree: there would be no spread to see.
            answered(harness, path, "vqa_rad", lambda row, text=text: _answer(row, text))
        found[name] = RunFolder(path)
    return found


def _answer(row: dict[str, Any], text: str) -> str:
    return "no" if row["row_index"] % 6 == 0 else text


def test_words_of_a_verdict(runs: dict[str, RunFolder]) -> None:
    better = compare(runs["base"], runs["good"])
    assert headline(better).startswith("better on 1: vqa_rad closed (of 1 column)")
    worse = compare(runs["base"], runs["bad"])
    assert headline(worse).startswith("worse on 1: vqa_rad closed (of 1 column)")
    assert general_ability(worse).startswith("lost on vqa_rad closed: -")
    assert general_ability(better).startswith("gained on vqa_rad closed: +")
    assert compare(runs["base"], runs["base"]).reason == SAME_MODEL
    assert "compares with nothing" in headline(compare(None, runs["good"]))
    assert general_ability(None).startswith("Not measured")


def test_words_of_an_audit() -> None:
    audit = {"tasks": [{"id": "slake"}], "rows_in": 1200, "contaminated": 0, "unusable": 0,
             "action": "remove"}  # fmt: skip
    assert contamination(audit) == "None of 1,200 conversations holds a test row of slake."
    found = contamination({**audit, "contaminated": 3, "unusable": 2})
    assert "3 of 1,200 conversations hold test rows of slake and were left out; 2 could" in found
    assert "WERE TRAINED ON" in contamination({**audit, "contaminated": 3, "action": "report"})
    assert contamination(None).startswith("Not audited")
    other = contamination(audit, others=["train.also (more.jsonl)"], tasks=["slake", "vqa_rad"])
    assert other.startswith(contamination(audit))
    assert "Not compared with the test rows of vqa_rad." in other
    assert "Trained on without an audit: train.also (more.jsonl)" in other


def candidates(tmp_path: Path, runs: dict[str, RunFolder]) -> list[Candidate]:
    path = tmp_path / "soup.yaml"
    path.write_text(
        "name: soup\nbase_model: x\ntrain: {data: y}\neval: {tasks: [vqa_rad]}\n"
        "sweep: {good: {}, bad: {train.seed: 1}, same: {train.seed: 2}}\n"
    )
    chosen = (runs["good"], runs["bad"], runs["good"])
    return [
        Candidate(variant, tmp_path / variant.name, reference=runs["base"], run=run)
        for variant, run in zip(read_variants(read_recipe(path)), chosen, strict=True)
    ]


def test_a_sweeps_table(
    runs: dict[str, RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = candidates(tmp_path, runs)
    made[1].first_stage = runs["good"]
    (group,) = groups_of(made)
    table = group.tables[0]
    assert table.protocol == "paper"
    assert table.labels == ("constant-no", "good", "bad, first stage", "bad", "same")
    assert table.columns == ("vqa_rad closed",)
    assert [row[0].best for row in table.scores] == [False, True, True, False, True]
    assert [row[0].shown for row in table.differences] == [True] * 4
    base, good = table.scores[0][0].value, table.scores[1][0].value
    assert base is not None
    assert good is not None
    assert table.differences[0][0].value == pytest.approx(good - base)
    told = write_sweep(tmp_path, "soup", [group], {}, {"lost": "why *it* failed"})
    assert told["groups"][0]["tables"][0]["columns"] == ["vqa_rad closed"]
    page = (tmp_path / "sweep.md").read_text()
    assert f"| good | **{good:.1f} ±" in page
    assert "lost failed: why \\*it\\* failed" in page
    print_sweep([group], {"lost": "why"})
    assert "constant-no" in capsys.readouterr().out


def test_variants_of_another_base_have_their_own_table(
    runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    made = candidates(tmp_path, runs)
    made[1].reference = runs["bad"]
    made[1].run = runs["good"]
    groups = groups_of(made)
    assert [[row.variant for row in group.rows] for group in groups] == [
        [None, "good", "same"], [None, "bad"],
    ]  # fmt: skip


def test_variants_of_other_rows_have_their_own_table(
    runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    path = tmp_path / "soup.yaml"
    path.write_text(
        "name: soup\nbase_model: x\ntrain: {data: y}\neval: {tasks: [vqa_rad], compare_with: null}\n"
        "sweep: {all: {}, few: {eval.limit: 4}}\n"
    )
    made = [
        Candidate(variant, tmp_path / variant.name, run=run)
        for variant, run in zip(
            read_variants(read_recipe(path)), (runs["good"], runs["bad"]), strict=True
        )
    ]
    assert [[row.variant for row in group.rows] for group in groups_of(made)] == [["all"], ["few"]]


def test_where_no_one_is_better_no_one_is_best(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    made = candidates(tmp_path, runs)[:1]
    made[0].reference = None
    (group,) = groups_of(made)
    assert group.tables == []
