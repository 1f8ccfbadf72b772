"""`harness compare` on runs: what it says."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from compared_runs import answered, change, make_run, reorder
from harness_helpers import Harness, closed_rows
from jsonschema import Draft202012Validator

import harness as package
from harness.comparison import compare_runs, paired_difference

SCHEMA = json.loads((Path(package.__file__).parent / "comparison.schema.json").read_text())
DATA = ("--tasks", "vqa_rad", "--data", "rows")


@pytest.fixture
def runs(harness: Harness, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs over 120 closed rows of 40 pictures, right on 60 % and 70 %."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 120, pictures=40)
    pick = random.Random(1)
    both = []
    for name, share in (("a", 0.6), ("b", 0.7)):
        run = make_run(harness, "vqa_rad", name, "--data", "rows", answer=f"yes {name}")
        right = {f"q{i}": pick.random() < share for i in range(120)}

        def answer(row: dict[str, Any], right: dict[str, bool] = right) -> str:
            label = json.loads(row["label"])
            return label if right[row["row_id"]] else "yes" if label == "no" else "no"

        answered(harness, run, "vqa_rad", answer)
        both.append(run)
    return both[0], both[1]


def checked(harness: Harness, *args: object) -> Any:
    ran = harness("compare", *args, "--json")
    assert ran.code == 0, ran.err
    Draft202012Validator(SCHEMA).validate(ran.json)
    assert "NaN" not in ran.out
    assert "Infinity" not in ran.out
    return ran.json


def closed(found: Any, protocol: str = "paper", pair: int = 0) -> Any:
    (column,) = (
        c for c in found["pairs"][pair]["columns"]
        if c["protocol"] == protocol and c["split"] == "closed" and c["main"]
    )  # fmt: skip
    return column


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_numbers(harness: Harness, runs: tuple[Path, Path]) -> None:
    found = checked(harness, *runs, "--rows", 3)
    column = closed(found)
    samples = [
        pq.read_table(run / "tasks" / "vqa_rad" / "samples.parquet").to_pylist() for run in runs
    ]
    a, b = ([100 * row["paper_accuracy"] for row in rows] for rows in samples)
    wanted = paired_difference(a, b, [row["cluster"] for row in samples[0]])
    assert (column["n"], column["clusters"]) == (120, 40)
    for name in ("difference", "stderr", "p", "permutation_p", "detectable"):
        assert column[name] == pytest.approx(getattr(wanted, name)), name
    assert column["ci95"] == pytest.approx([wanted.low, wanted.high])
    assert column["bootstrap95"] == pytest.approx(wanted.bootstrap)
    for side, run in zip(("baseline", "candidate"), runs, strict=True):
        scores = json.loads((run / "results.json").read_text())["results"]
        (score,) = (r["score"] for r in scores if r["protocol"] == "paper" and r["n"])
        assert column[side] == pytest.approx(score)
    flips = column["flips"]
    assert flips == {
        "both_right": sum(x == y == 100 for x, y in zip(a, b, strict=True)),
        "only_baseline": sum(x > y for x, y in zip(a, b, strict=True)),
        "only_candidate": sum(x < y for x, y in zip(a, b, strict=True)),
        "both_wrong": sum(x == y == 0 for x, y in zip(a, b, strict=True)),
    }
    assert (column["up"], column["down"]) == (flips["only_candidate"], flips["only_baseline"])
    lost = [row["row_id"] for row, x, y in zip(samples[0], a, b, strict=True) if x > y]
    assert [row["row_id"] for row in column["lost"]] == lost[:3]
    assert found["pairs"][0]["title"] == "difference"
    assert [s["setting"] for s in found["pairs"][0]["settings"]] == ["model"]
    # The open column has no row, so there is no average.
    for average in found["pairs"][0]["averages"]:
        assert average["difference"] is None
        assert "vqa_rad open" in average["reason"]
    assert found["rankings"] == []
    assert checked(harness, *runs, "--protocol", "strict")["protocols"] == ["strict"]


def test_the_other_way_round_and_in_another_order(
    harness: Harness, runs: tuple[Path, Path]
) -> None:
    column, back = closed(checked(harness, *runs)), closed(checked(harness, *runs[::-1]))
    assert back["difference"] == -column["difference"]
    assert back["ci95"] == pytest.approx([-end for end in column["ci95"][::-1]])
    assert back["p"] == pytest.approx(column["p"])
    order = list(range(120))
    random.Random(0).shuffle(order)
    reorder(runs[1], "vqa_rad", order)
    again = closed(checked(harness, *runs))
    assert again["lost"] == column["lost"]
    assert {k: v for k, v in again.items() if isinstance(v, float)} == pytest.approx(
        {k: v for k, v in column.items() if isinstance(v, float)}
    )


def test_image_benefit_is_given_minus_control(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 30)
    given = make_run(harness, "vqa_rad", "given", "--data", "rows")
    blank = make_run(harness, "vqa_rad", "blank", "--data", "rows", "--images", "blank")
    answered(harness, blank, "vqa_rad", lambda row: "no")
    for runs in ((given, blank), (blank, given)):
        found = checked(harness, *runs)
        (pair,) = found["pairs"]
        assert pair["title"].startswith("image benefit")
        assert pair["control"] == "images"
        images = {run["letter"]: run["controls"]["images"] for run in found["runs"]}
        assert (images[pair["baseline"]], images[pair["candidate"]]) == ("blank", "given")
        assert closed(found)["difference"] == pytest.approx(100 / 3)
        assert closed(found)["flips"]["only_candidate"] == 20
        page = harness("compare", *runs).out
        assert "image benefit" in page
        assert "Only images differs: given - blank." in page


def test_another_model_with_other_pictures_is_no_benefit(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 30)
    given = make_run(harness, "vqa_rad", "given", "--data", "rows")
    other = make_run(harness, "vqa_rad", "other", "--data", "rows", "--images", "blank",
                     answer="no")  # fmt: skip
    (pair,) = checked(harness, given, other)["pairs"]
    assert (pair["title"], pair["control"]) == ("difference", None)
    assert {s["setting"] for s in pair["settings"]} >= {"model", "images"}
    page = harness("compare", given, other).out
    assert "images: given in A, blank in B." in page
    assert "More than images differs" in page


def test_sample_tasks_and_all_metrics(harness: Harness, tmp_path: Path) -> None:
    yes = make_run(harness, "biomed,nutrition5k", "yes", "--data", "sample")
    no = make_run(harness, "biomed,food101", "no", "--data", "sample", answer="no")
    found = checked(harness, yes, no, "--all-metrics")
    assert found["other_tasks"] == {"nutrition5k": ["A"], "food101": ["B"]}
    (pair,) = found["pairs"]
    metrics = {(c["task"], c["metric"]) for c in pair["columns"] if not c["main"]}
    assert ("slake", "token_f1") in metrics
    assert all(c["holm_p"] is None for c in pair["columns"] if not c["main"])
    same = next(c for c in pair["columns"] if c["task"] == "pmc_vqa" and c["protocol"] == "strict")
    assert (same["verdict"], same["reason"]) == ("same on every row", "all differences are 0")
    assert (same["difference"], same["p"], same["permutation_p"]) == (0.0, None, None)
    biomed = next(a for a in pair["averages"] if a["name"] == "biomed")
    assert (biomed["columns"], biomed["difference"]) == (7, pytest.approx(0.0, abs=1e-9))
    assert biomed["stderr"] > 0
    (warning,) = biomed["warnings"]
    assert "without an error of their own: slake open recall" in warning
    page = harness("compare", yes, no).out
    assert "* biomed average: no spread" in " ".join(page.split())
    page = harness("compare", yes, no).out
    assert "Left out, as only in A: nutrition5k." in page
    assert "fewer than 30 clusters" in page
    assert max(map(len, page.splitlines())) <= 120


def test_averages_add_up(harness: Harness, tmp_path: Path) -> None:
    runs = []
    for place, name in enumerate(("a", "b")):
        run = make_run(harness, "vqa_rad,slake", name, "--data", "sample", answer=name)
        pick = random.Random(place)
        for task in ("vqa_rad", "slake"):
            change(run, task, text=lambda row, pick=pick: pick.choice(
                [json.loads(row["label"]), "neither"]))  # fmt: skip
        harness("score", run)
        runs.append(run)
    (pair,) = checked(harness, *runs)["pairs"]
    columns = [c for c in pair["columns"] if c["protocol"] == "strict"]
    average = next(
        a for a in pair["averages"] if a["name"] == "all" and a["protocol"] == "strict"
    )  # fmt: skip
    assert average["columns"] == len(columns) == 4
    assert average["difference"] == pytest.approx(np.mean([c["difference"] for c in columns]))
    # Columns of one task share pictures: its error is not that of independent columns.
    apart = float(np.sqrt(sum(c["stderr"] ** 2 for c in columns))) / 4
    assert average["stderr"] == pytest.approx(apart, rel=0.5)
    assert average["stderr"] != pytest.approx(apart, rel=1e-3)
    assert average["degrees"] < 7 + 25 + 1
    assert average["n"] == sum(c["n"] for c in columns)


def test_three_runs_have_rank_ranges(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 90)
    runs = [make_run(harness, "vqa_rad", name, "--data", "rows", answer=name)
            for name in ("maybe", "no", "yes")]  # fmt: skip
    found = checked(harness, *runs)
    assert [(p["baseline"], p["candidate"]) for p in found["pairs"]] == [("A", "B"), ("A", "C")]
    ranking = next(r for r in found["rankings"] if r["split"] == "closed")
    # 0, 30 and 60 of 90 right: each shown to be better than the one before.
    assert [(r["run"], r["best"], r["worst"]) for r in ranking["ranks"]] == [
        ("A", 3, 3), ("B", 2, 2), ("C", 1, 1),
    ]  # fmt: skip
    page = harness("compare", *runs).out
    assert "ranks, paper" in page
    assert max(map(len, page.splitlines())) <= 120


def test_failures(harness: Harness, runs: tuple[Path, Path]) -> None:
    change(runs[1], "vqa_rad", text=lambda row: None, reason=lambda row: "gone")
    assert harness("score", runs[1]).code == 1
    column = closed(checked(harness, *runs))
    assert column["failed"] == [0, 120]
    assert (column["difference"], column["p"], column["ci95"]) == (None, None, None)
    assert column["reason"] == "every row failed in B"
    assert column["verdict"] == "no estimate"
    page = harness("compare", *runs)
    assert "0 rows failed in A, 120 in B; they count as wrong" in page.out
    assert "Warning" not in page.err


def test_one_row_and_one_picture(harness: Harness, tmp_path: Path) -> None:
    for name, rows in (("one", 1), ("same", 5)):
        closed_rows(tmp_path / name / "vqa_rad", rows, pictures=1)
        runs = [make_run(harness, "vqa_rad", f"{name}-{answer}", "--data", name, answer=answer)
                for answer in ("yes", "no")]  # fmt: skip
        column = closed(checked(harness, *runs))
        assert column["difference"] is not None
        assert (column["p"], column["permutation_p"], column["bootstrap95"]) == (None, None, None)
        assert "one cluster" in column["reason"]
        assert harness("compare", *runs).code == 0


def test_rows_of_a_picture_stay_together(harness: Harness, runs: tuple[Path, Path]) -> None:
    """A run that could not open a picture has its rows alone; the other run knows better."""
    before = closed(checked(harness, *runs))
    alone = {"q0", "q40", "q80", "q5"}
    change(
        runs[1],
        "vqa_rad",
        cluster=lambda r: f"row {r['row_id']}" if r["row_id"] in alone else r["cluster"],
        pixels=lambda r: None if r["row_id"] in alone else r["pixels"],
    )
    after = closed(checked(harness, *runs))
    assert (after["clusters"], after["stderr"]) == (40, pytest.approx(before["stderr"]))


def test_hostile_names(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 6)
    text = (folder / "test.jsonl").read_text()
    (folder / "test.jsonl").write_text(text.replace('"q0"', '"\\u001b]0;owned\\u0007[bold]x"'))
    runs = [make_run(harness, "vqa_rad", answer, "--data", "rows", answer=answer)
            for answer in ("yes", "no")]  # fmt: skip
    page = harness("compare", *runs)
    assert page.code == 0
    assert "\x1b" not in page.out
    assert "\\x1b]0;owned\\x07[bold]x" in page.out


def test_from_python(harness: Harness, runs: tuple[Path, Path]) -> None:
    found = compare_runs(runs, protocols=("strict",))
    (pair,) = found.pairs
    assert pair.columns[-1].column == ("vqa_rad", "closed", "accuracy", "strict")
    assert pair.columns[-1].estimate.difference == closed(found.to_json(), "strict")["difference"]
