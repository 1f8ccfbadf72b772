"""The whole loop, every stage real: made once, reused, shared, refused, told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from adapt_recipes import InProcess, stages, write_recipe
from harness_helpers import Harness, Ran, closed_rows

from harness.models import open_checkpoint

__all__ = ["stages"]


def report_of(ran: Ran) -> dict[str, Any]:
    """The JSON that stands last on stdout: stages in this process print theirs too."""
    assert ran.code == 0, ran.err
    report: dict[str, Any] = ran.json
    return report


@pytest.fixture
def recipe(tiny_models: dict[str, Path], tmp_path: Path) -> Path:
    folder = tmp_path / "soups, größer: 100 %"
    folder.mkdir()
    base = folder / "base = ä"
    base.symlink_to(tiny_models["qwen2_vl"])
    return write_recipe(folder, base, eval={"retention": ["nutrition5k"]})


def test_the_loop_ends_in_a_verdict_and_stands(
    harness: Harness, stages: InProcess, recipe: Path
) -> None:
    report = report_of(harness("adapt", recipe, "--json"))
    assert [stage["stage"] for stage in report["stages"]] == [
        "eval_base", "generate", "filter", "mix", "audit", "train", "eval", "retention_base",
        "retention",
    ]  # fmt: skip
    assert not any(stage["reused"] for stage in report["stages"])
    for stage in report["stages"]:
        assert stage["rows_in"] == stage["rows_out"] + sum(stage["rejects"].values())
    assert report["cost"]["seconds"] > 0
    assert report["verdict"]["test_rows"].startswith("None of ")
    assert report["comparisons"]["tasks"]["pairs"][0]["columns"]
    assert "vqa_rad" not in report["verdict"]["general_ability"]
    _check_what_travels(report)

    commands = len(stages.commands)
    again = report_of(harness("adapt", recipe, "--json"))
    assert len(stages.commands) == 2 * commands
    assert all(stage["reused"] for stage in again["stages"])
    assert again["runs"] == report["runs"]
    assert again["comparisons"] == report["comparisons"]
    plan = harness("adapt", recipe, "--dry-run", "--json").json
    assert {line["state"] for line in plan["stages"]} == {"reused", "later"}
    assert [line["stage"] for line in plan["stages"] if line["state"] == "later"] == ["compare"]


def _check_what_travels(report: dict[str, Any]) -> None:
    """Recipe, verdict and data card are with the candidate, and move no fingerprint."""
    checkpoint, folder = Path(report["checkpoint"]), Path("work/soup/recipe")
    summary = json.loads((folder / "candidate.json").read_text())
    assert json.loads((checkpoint / "adapt.json").read_text()) == summary
    run = json.loads((Path(report["runs"]["candidate"]) / "run.json").read_text())
    assert run["adapt"] == summary
    assert run["model"]["name"] == "soup"
    assert run["model"]["fingerprint"] == open_checkpoint(str(checkpoint)).fingerprint
    assert summary["recipe"]["train"]["max_steps"] == 2
    card = (checkpoint / "README.md").read_text()
    assert card.startswith("---\nbase_model: ")
    assert "## Verdict" in card
    assert "## Rows" in (checkpoint / "DATA_CARD.md").read_text()
    page = (folder / "report.md").read_text()
    for part in ("## Verdict", "## Tasks", "## General ability", "## Stages and cost", "## Recipe"):
        assert part in page


@pytest.mark.slow
def test_a_sweep_shares_what_it_can_and_ends_in_a_table(
    harness: Harness, stages: InProcess, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    turns = [{"role": "user", "content": "Say yes."}, {"role": "assistant", "content": "yes"}]
    more = tmp_path / "more.jsonl"
    more.write_text("\n".join([json.dumps({"messages": turns, "images": []})] * 3))
    sweep = {
        "ours": {},
        "two": {"train.stages": "two"},
        "general": {"synth.content": "captions", "train.also": str(more)},
        "lost": {"train.seed": 9},
    }
    stages.failing["work/soup/lost/recipe.yaml"] = 1
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], sweep=sweep)
    ran = harness("adapt", recipe, "--json")
    assert ran.code == 1, "one variant has failed, the others are made"
    told = ran.json
    assert told["failed"] == {"lost": "train of lost ended with exit code 1; its message is above"}
    (group,) = told["groups"]
    labels = [row["label"] for row in group["rows"]]
    assert labels == ["qwen2_vl", "ours", "two, first stage", "two", "general"]
    assert {table["protocol"] for table in group["tables"]} == {"paper", "strict"}
    work = Path("work/soup")
    found = {name: len([*work.glob(f"{name}-*")]) for name in ("generate", "filter", "mix")}
    assert found == {"generate": 2, "filter": 1, "mix": 2}, "captions alone make no tasks"
    assert len([*work.glob("train-*/checkpoint")]) == 3
    evaluated = [c for c in stages.commands if c[0] == "eval"]
    assert len(evaluated) == len({*evaluated}) == 5
    record = json.loads(
        (Path(told["variants"]["general"]["checkpoint"]) / "training.json").read_text()
    )
    captions = json.loads((Path("work/soup/general") / "train.together.json").read_text())
    assert record["data"]["rows"] == len(Path(captions[0]["data"]).read_text().splitlines()) + 3
    said = json.loads((work / "general" / "candidate.json").read_text())["verdict"]["test_rows"]
    assert f"Trained on without an audit: train.also ({more})" in said
    assert "Not compared with the test rows of vqa_rad." in said
    assert (work / "sweep.md").is_file()
    assert (work / "two" / "report.md").read_text().count("After the first stage") == 1


def test_a_failed_stage_is_told_and_the_rest_is_kept(
    harness: Harness, stages: InProcess, recipe: Path
) -> None:
    stages.failing["train"] = 1
    ran = harness("adapt", recipe)
    assert ran.code == 1
    assert "error: train ended with exit code 1; its message is above" in ran.err
    assert "goes on with train" in ran.err
    stages.failing["train"] = 137
    assert "killed by signal 9 (the system does so when memory runs out)" in harness(
        "adapt", recipe).err  # fmt: skip
    del stages.failing["train"]
    stages.failing["eval"] = 2
    assert harness("adapt", recipe).code == 2
    assert stages.count("train") == 2, "a failed evaluation of the base stops the loop"


def test_too_many_failed_rows_stop_it(
    harness: Harness, stages: InProcess, recipe: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows" / "vqa_rad"
    rows.mkdir(parents=True)
    line = {"image": "none.png", "input": "Is it?", "label": "yes", "answer_type": "CLOSED"}
    (rows / "test.jsonl").write_text(json.dumps(line))
    ran = harness("adapt", recipe, "--set", "eval.data=rows", "--set", "eval.retention=[]")
    assert ran.code == 1
    assert "eval_base: more rows failed than eval.max_failed allows" in ran.err


def test_changed_inputs_are_said_and_the_stage_is_made_anew(
    harness: Harness, stages: InProcess, recipe: Path
) -> None:
    stages.failing["train"] = 1
    harness("adapt", recipe)
    (first,) = (path.name for path in Path("work/soup").glob("generate-*"))
    pairs = recipe.parent / "data" / "pairs.jsonl"
    pairs.write_text("\n".join(pairs.read_text().splitlines()[:-1]) + "\n")
    ran = harness("synth", recipe, "--stage", "generate")
    assert f"generate: other pairs than {first} had\ngenerate: " in ran.err


def test_changed_test_rows_are_said_and_asked_anew(
    harness: Harness, stages: InProcess, recipe: Path, tmp_path: Path
) -> None:
    rows = closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    given = ("--set", "eval.data=rows", "--set", "eval.retention=[]")
    stages.failing["synth"] = 1
    harness("adapt", recipe, *given)
    lines = (rows / "test.jsonl").read_text()
    (rows / "test.jsonl").write_text(lines.replace("number 3", "number 33"))
    command = next(command for command in stages.commands if command[0] == "eval")
    ran = harness(*command)
    assert "rows have changed since run 20" in ran.err
    assert len([*Path("runs").iterdir()]) == 2
