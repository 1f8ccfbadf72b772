"""The whole command: stages, reuse, ablations, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import Handler, serving
from harness_helpers import Harness, Ran, closed_rows, picture
from synth_pairs import is_readable, lines_of, stage, write_pairs, write_recipe
from tiny_text import make_base_model

GOOD, BAD = 12, 10


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "data", GOOD)


@pytest.fixture
def recipe(tmp_path: Path, pairs: Path) -> Path:
    return write_recipe(tmp_path / "soup.yaml", pairs)


def funnel(ran: Ran) -> dict[str, dict[str, Any]]:
    assert ran.code == 0, ran.err
    steps = {step["stage"]: step for step in ran.json["stages"]}
    for step in steps.values():
        assert step["rows_in"] == step["rows_out"] + sum(step["rejects"].values())
        folder = Path(step["path"])
        assert len(lines_of(folder / "rejects.jsonl")) == sum(step["rejects"].values())
        assert json.loads((folder / "stage.json").read_text())["rows_out"] == step["rows_out"]
    return steps


def test_every_row_is_somewhere(harness: Harness, recipe: Path) -> None:
    steps = funnel(harness("synth", recipe, "--json"))
    assert steps["generate"]["rows_in"] == GOOD + BAD
    assert steps["generate"]["rejects"] == {
        "no image": 1, "no caption": 1, "unusable image": 3, "unusable caption": 3,
        "malformed": 1, "no template": 1,
    }  # fmt: skip
    usable = len(lines_of(Path(steps["generate"]["path"]) / "pairs.jsonl"))
    assert usable == GOOD + 1
    assert steps["filter"]["rows_in"] == steps["generate"]["rows_out"]
    assert steps["mix"]["rows_in"] == steps["mix"]["rows_out"] == usable


def test_rows_are_as_readers_want_them(harness: Harness, recipe: Path, pairs: Path) -> None:
    import datasets

    ran = harness("synth", recipe, "--json")
    train, root = Path(ran.json["train"]), Path(ran.json["images"])
    assert root == pairs.parent
    info = json.loads((train.parent / "dataset_info.json").read_text())
    assert [entry["file_name"] for entry in info.values()] == [
        "train.jsonl", "captions.jsonl", "tasks.jsonl", "tasks_and_captions.jsonl",
    ]  # fmt: skip
    for entry in info.values():
        assert entry["formatting"] == "sharegpt"
        assert all(is_readable(row, root) for row in lines_of(train.parent / entry["file_name"]))
    table = datasets.load_dataset("json", data_files=str(train), split="train")
    assert {"messages", "images"} <= set(table.column_names)
    assert len(table) == len(lines_of(train))
    card = (train.parent / "README.md").read_text()
    assert "## Rows" in card
    assert "unusable caption" in card


def test_parts_of_two_stages_make_up_the_single_one(harness: Harness, recipe: Path) -> None:
    harness("synth", recipe)
    folder = stage(Path("work"), "mix")
    whole, captions, tasks = (
        {row["id"]: row["messages"] for row in lines_of(folder / f"{name}.jsonl")}
        for name in ("train", "captions", "tasks")
    )
    assert set(captions) == set(whole)
    assert set(tasks) < set(whole) or set(tasks) == set(whole)
    for row, turns in whole.items():
        parts = [captions[row], *([tasks[row]] if row in tasks else [])]
        said = [turn["content"].removeprefix("<image>") for part in parts for turn in part]
        assert sorted(said) == sorted(turn["content"].removeprefix("<image>") for turn in turns)
    assert (folder / "tasks_and_captions.jsonl").read_bytes() == (
        folder / "train.jsonl"
    ).read_bytes()


def test_a_finished_stage_is_reused_and_another_setting_is_another_stage(
    harness: Harness, recipe: Path
) -> None:
    first = funnel(harness("synth", recipe, "--json"))
    again = funnel(harness("synth", recipe, "--json"))
    assert [step["reused"] for step in first.values()] == [False] * 3
    assert [step["reused"] for step in again.values()] == [True] * 3
    worded = funnel(harness("synth", recipe, "--json", "--set", "synth.answers=precise"))
    assert [step["reused"] for step in worded.values()] == [True, True, False]
    seeded = funnel(harness("synth", recipe, "--json", "--set", "synth.seed=1"))
    assert not any(step["reused"] for step in seeded.values() if step["stage"] == "mix")


def test_ablations_of_the_content(harness: Harness, recipe: Path) -> None:
    steps = funnel(harness("synth", recipe, "--json", "--tasks-only",
                           "--set", "synth.filter={model: open, engine: constant}"))  # fmt: skip
    assert steps["filter"]["rejects"] == {"open": steps["filter"]["rows_in"]}
    assert steps["mix"]["rows_out"] == 0
    assert steps["mix"]["rejects"]["open"] == steps["filter"]["rows_in"]
    steps = funnel(harness("synth", recipe, "--json", "--tasks-only"))
    rows = lines_of(Path(steps["mix"]["path"]) / "train.jsonl")
    assert {len(row["messages"]) for row in rows} == {2}
    steps = funnel(harness("synth", recipe, "--json", "--captions-only",
                           "--set", "synth.generator=synthesizer",
                           "--set", "synth.synthesizer=no/such"))  # fmt: skip
    assert "filter" not in steps
    # Pairs whose caption no rule fits are not told as lost: no rule was asked.
    assert steps["generate"]["rows_out"] == steps["mix"]["rows_out"] == steps["mix"]["rows_in"]
    assert "no template" not in steps["generate"]["rejects"]
    rows = lines_of(Path(steps["mix"]["path"]) / "train.jsonl")
    assert {len(row["messages"]) for row in rows} == {2}
    assert not (Path(steps["mix"]["path"]) / "tasks.jsonl").exists()


def test_without_a_filter_every_triplet_is_kept(harness: Harness, recipe: Path) -> None:
    steps = funnel(harness("synth", recipe, "--json", "--set", "synth.filter=null"))
    assert list(steps) == ["generate", "mix"]
    tasks = lines_of(Path(steps["mix"]["path"]) / "tasks.jsonl")
    assert len(tasks) == steps["generate"]["rows_out"]


@pytest.mark.parametrize("action", ["remove", "report"])
def test_test_rows_are_left_out(
    harness: Harness, recipe: Path, pairs: Path, tmp_path: Path, action: str
) -> None:
    rows = closed_rows(tmp_path / "rows" / "vqa_rad", 3)
    (rows / "images" / "0.png").write_bytes((pairs.parent / "images" / "5.png").read_bytes())
    steps = funnel(harness("synth", recipe, "--json", "--set", "synth.audit=vqa_rad", "--set",
                           f"synth.audit_data={rows.parent}", "--set",
                           f"synth.audit_action={action}"))  # fmt: skip
    assert list(steps) == ["generate", "filter", "mix", "audit"]
    assert steps["audit"]["rejects"] == ({"contaminated": 1} if action == "remove" else {})
    folder = Path(steps["audit"]["path"])
    for name in ("train", "captions", "tasks", "tasks_and_captions"):
        ids = {row["id"] for row in lines_of(folder / f"{name}.jsonl")}
        assert ("soup 5" in ids) == (action == "report")
        assert "soup 6" in ids
    assert "vqa\\_rad" in (folder / "README.md").read_text()
    assert (folder / "dataset_info.json").is_file()


def test_what_generation_reads_the_audit_reads(harness: Harness, tmp_path: Path) -> None:
    from PIL import Image

    pairs = write_pairs(tmp_path / "data", 2)
    Image.open(pairs.parent / "images/2.png").save(pairs.parent / "images/2.tif")
    line = {"image": "images/2.tif", "caption": "An airport with two runways seen from above."}
    pairs.write_text(json.dumps(line) + "\n")
    recipe = write_recipe(tmp_path / "tif.yaml", pairs, audit=["vqa_rad"], audit_data="sample")
    assert funnel(harness("synth", recipe, "--json"))["audit"]["rows_out"] == 1


def test_stages_stop_where_they_are_told(harness: Harness, recipe: Path) -> None:
    steps = funnel(harness("synth", recipe, "--json", "--stage", "generate"))
    assert list(steps) == ["generate"]
    assert "training file" not in harness("synth", recipe, "--stage", "filter").out


def test_a_dry_run_writes_nothing(harness: Harness, recipe: Path) -> None:
    ran = harness("synth", recipe, "--dry-run")
    assert ran.code == 0
    assert "generate: new" in ran.out
    assert not Path("work").exists()
    harness("synth", recipe)
    planned = {step["stage"]: step for step in harness("synth", recipe, "--dry-run", "--json").json}
    assert planned["generate"]["state"] == planned["filter"]["state"] == "reused"


def test_a_changed_threshold_asks_nothing_again(harness: Harness, tmp_path: Path) -> None:
    judge = {"model": str(make_base_model(tmp_path / "base")), "engine": "transformers"}
    pairs = write_pairs(tmp_path / "data", 3)
    path = write_recipe(tmp_path / "soup.yaml", pairs, filter=judge)
    before = harness("synth", path, "--dry-run", "--json").json
    assert before[1]["estimate"]["source"].startswith("at most")
    first = funnel(harness("synth", path, "--json"))["filter"]
    (journal,) = Path("work/soup/answers").glob("filter-*/responses.jsonl")
    asked = len(lines_of(journal))
    assert asked == first["rows_in"]
    record = json.loads((Path(first["path"]) / "stage.json").read_text())
    known = sum(record["p_yes"]["counts"])
    assert known + record["p_yes"]["without_probability"] == asked
    second = funnel(harness("synth", path, "--json", "--set", "synth.filter.threshold=0.0"))
    assert second["filter"]["rows_out"] == known
    assert len(lines_of(journal)) == asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tasks-only", "--captions-only"], "exclude each other"),
        (["--set", "synth.pairs=nowhere.jsonl"], "nowhere.jsonl"),
        (["--set", "synth.fliter=x"], "filter"),
        (["--set", "synth=null", "--set", "eval.tasks=[slake]"], "synth"),
        (["--set", "synth.generator=synthesizer"], "synthesizer"),
        (["--set", "synth.filter={model: 'yes', engine: constant, threshold: 0.5}"], "threshold"),
        (["--set", "synth.filter=no/such/model"], "no/such/model"),
        (["--preview", "0"], "preview"),
        (["--preview", "2", "--dry-run"], "--preview"),
        (["--stage", "bake"], "bake"),
        (["--stage", "tune"], "no such stage"),
        (["--stage", "audit"], "no such stage"),
        (["--captions-only", "--stage", "filter"], "no such stage"),
        (["--set", "synth.audit=[slaked]"], "slake"),
        (["--dry-run", "--set", "synth.audit=[slaked]"], "slake"),
    ],
)
def test_wrong_requests(harness: Harness, recipe: Path, arguments: list[str], said: str) -> None:
    ran = harness("synth", recipe, *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert not Path("work").exists()


def test_moved_pictures_are_found_where_they_are(
    harness: Harness, recipe: Path, pairs: Path, tmp_path: Path
) -> None:
    funnel(harness("synth", recipe, "--json"))
    (tmp_path / "moved").mkdir()
    (pairs.parent / "images").rename(tmp_path / "moved" / "images")
    moved = f"synth.images={tmp_path / 'moved'}"
    steps = funnel(harness("synth", recipe, "--json", "--set", moved))
    assert steps["generate"]["reused"]
    record = json.loads((Path(steps["mix"]["path"]) / "stage.json").read_text())
    assert record["images"] == str(tmp_path / "moved")


def test_nothing_to_train_on_is_an_error(harness: Harness, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "object.json").write_text(json.dumps({"data": []}, indent=1))
    ran = harness("synth", recipe, "--set", f"synth.pairs={tmp_path / 'object.json'}")
    assert ran.code == 2
    assert "object.json: none can be used (3 malformed); row 0: malformed: not JSON" in ran.err
    (tmp_path / "none.jsonl").touch()
    ran = harness("synth", recipe, "--set", f"synth.pairs={tmp_path / 'none.jsonl'}")
    assert (ran.code, "none.jsonl holds no records" in ran.err) == (2, True)


def test_no_recipe(harness: Harness) -> None:
    assert harness("synth", "nowhere.yaml").code == 2


def test_pictures_that_come_with_their_source(harness: Harness, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"id": f"p{n}", "image": {"bytes": picture(n, kind=kind), "path": None},
         "caption": f"Soup number {n}. Ingredients: {n} carrots, salt. Boil the carrots. Add salt."}
        for n, kind in enumerate(("PNG", "JPEG", "WEBP", "TIFF"), 1)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pairs.parquet")
    recipe = write_recipe(tmp_path / "soup.yaml", tmp_path / "pairs.parquet")
    ran = harness("synth", recipe, "--json")
    assert funnel(ran)["mix"]["rows_out"] == 4
    train, root = Path(ran.json["train"]), Path(ran.json["images"])
    assert all(is_readable(row, root) for row in lines_of(train))
    assert harness("synth", recipe, "--preview", "4").code == 0


def test_failed_rows_make_the_exit_code_and_are_asked_again(
    harness: Harness, tmp_path: Path
) -> None:
    pairs, down = write_pairs(tmp_path / "data", 4), True

    def fault(handler: Handler, _: int) -> bool:
        if down:
            handler.reply(503, {"error": "down"})
        return down

    with serving(fault, answer=lambda body: "Yes") as server:
        judge = {"model": "m", "engine": "openai", "base_url": server.url,
                 "engine_args": {"attempts": 1}}  # fmt: skip
        recipe = write_recipe(tmp_path / "soup.yaml", pairs, filter=judge)
        ran = harness("synth", recipe, "--json")
        assert ran.code == 1
        assert ran.json["stages"][1]["rejects"] == {"failed": 4}
        assert "run it again" in harness("synth", recipe).err
        down = False
        steps = funnel(harness("synth", recipe, "--json"))
        assert steps["filter"]["rows_out"] == 4
        again = funnel(harness("synth", recipe, "--json"))
        assert all(step["reused"] for step in again.values())
        assert max(server.answered.values()) == 1


def test_pairs_that_change_while_they_are_read(
    harness: Harness, pairs: Path, tmp_path: Path
) -> None:
    """Answers belong to positions: the second reading must be of the same file."""
    answer = {"instruction": "What is it?", "informative": "A soup. It steams.", "precise": "Soup"}
    asked = 0

    def said(body: dict[str, Any]) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            pairs.write_text("".join(reversed(pairs.read_text().splitlines(keepends=True))))
        return json.dumps(answer)

    with serving(answer=said) as server:
        model = {"model": "m", "engine": "openai", "base_url": server.url}
        recipe = write_recipe(tmp_path / "r.yaml", pairs, generator="text_llm", text_llm=model)
        ran = harness("synth", recipe)
        assert (ran.code, "changed while they were read" in ran.err) == (2, True)
        before = asked
        assert harness("synth", recipe).code == 0
        assert asked == before
