"""`harness tasks`: from a folder of rows to a task of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness_helpers import Harness, closed_rows, line_of, picture, write_rows

from tasks import GROUPS, TASKS
from tasks._reference import published_scores

CONSTANT = ("eval", "--engine", "constant", "--json", "--model")


def pictured(folder: Path, labels: list[Any], suffix: str = "png", **more: Any) -> Path:
    kind = {"png": "PNG", "tif": "TIFF"}[suffix]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(len(labels)):
        (folder / "images" / f"{i}.{suffix}").write_bytes(picture(i, kind=kind))
    rows = [{"image": f"images/{i}.{suffix}", "label": x, **more} for i, x in enumerate(labels)]
    return write_rows(folder, rows)


def settings_of(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((folder / "task.yaml").read_text(encoding="utf-8"))
    return settings


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_eurosat_from_rows_to_scores(harness: Harness, shared_data: Path) -> None:
    folder = Path("mine")
    shutil.copytree(shared_data / "eurosat", folder)
    before = (folder / "test.jsonl").read_bytes()
    made = harness("tasks", "new", "eurosat", "--from", folder)
    assert made.code == 0
    assert made.out.startswith("wrote mine/task.yaml\ntry it: harness eval")
    settings = settings_of(folder)
    assert (settings["id"], settings["scorer"]) == ("eurosat", "scene_class")
    assert len(settings["names"]) == 10
    assert (folder / "test.jsonl.before").read_bytes() == before
    old, new = rows_of(folder / "test.jsonl.before"), rows_of(folder / "test.jsonl")
    assert [r | {"input": None} for r in new] == [r | {"input": None} for r in old]
    assert all("AnnualCrop, Forest" in r["input"] and "{options}" not in r["input"] for r in new)
    checked = harness("tasks", "validate", folder)
    assert (checked.code, checked.out) == (0, "eurosat: 48 usable rows, 0 unusable\n")
    ran = harness(*CONSTANT, "It is a sea lake. SeaLake", "--tasks", folder)
    assert ran.code == 0, ran.err
    lakes = sum(r["label"] == "SeaLake" for r in new)
    line = line_of(ran.json, "eurosat", "paper")
    assert (line["n"], line["score"]) == (48, pytest.approx(100 * lakes / 48))
    assert ran.json["groups"] == []
    again = harness("tasks", "new", "eurosat", "--from", folder)
    assert again.code == 2
    assert "exists already" in again.err
    (run,) = Path("runs").iterdir()
    assert harness("score", run, "--json").json == ran.json
    settings["names"] = [*settings["names"], "Desert"]
    (folder / "task.yaml").write_text(yaml.safe_dump(settings))
    assert harness(*CONSTANT, "It is a sea lake. SeaLake", "--tasks", folder).code == 0
    assert len(list(Path("runs").iterdir())) == 2
    shown = harness("tasks", "show", folder, "--json").json
    assert (shown["id"], shown["source"], shown["published"]) == ("eurosat", None, [])


def test_to_another_folder(harness: Harness, tmp_path: Path) -> None:
    source = pictured(Path("rows"), ["oak", "ash"] * 3)
    lines = (source / "test.jsonl").read_text()
    (tmp_path / "secret.png").write_bytes(picture())
    outside = {"image": "../secret.png", "label": "oak"}
    (source / "test.jsonl").write_text(lines + json.dumps(outside) + "\n{torn\n")
    made = harness("tasks", "new", "trees", "--from", source, "--to", "made/trees")
    assert made.code == 0, made.err
    assert "not a path inside" in made.err
    assert "1 of 8 lines are no JSON objects and were left out" in made.err
    assert not (source / "task.yaml").exists()
    assert sorted(p.name for p in Path("made").rglob("*.png")) == [f"{i}.png" for i in range(6)]
    assert (settings_of(Path("made/trees"))["names"]) == ["ash", "oak"]
    checked = harness("tasks", "validate", "made/trees/task.yaml")
    assert checked.code == 1
    assert "row 6" in checked.out
    assert "6 usable rows, 1 unusable" in checked.out
    (Path("made/trees") / "task.yaml").unlink()
    kept = (Path("made/trees") / "test.jsonl").read_bytes()
    refused = harness("tasks", "new", "trees", "--from", source, "--to", "made/trees")
    assert refused.code == 2
    assert "test.jsonl exists already" in refused.err
    assert (Path("made/trees") / "test.jsonl").read_bytes() == kept
    same = harness("tasks", "new", "trees", "--from", source, "--to", tmp_path / "rows")
    assert same.code == 0, same.err
    assert (source / "test.jsonl.before").read_text().startswith(lines)


def test_prompts(harness: Harness) -> None:
    folder = pictured(Path("rows"), ["a long answer that says what there is to see here"] * 2)
    refused = harness("tasks", "new", "own", "--from", folder)
    assert refused.code == 2
    assert "--prompt TEXT" in refused.err
    assert sorted(p.name for p in folder.iterdir()) == ["images", "test.jsonl"]
    assert harness("tasks", "new", "own", "--from", folder, "--prompt", "Describe it.").code == 0
    assert settings_of(folder)["scorer"] == "rouge_l"
    assert {row["input"] for row in rows_of(folder / "test.jsonl")} == {"Describe it."}
    before = (folder / "test.jsonl").read_bytes()
    (folder / "task.yaml").unlink()
    told = harness("tasks", "new", "own", "--from", folder, "--prompt", "Other?")
    assert told.code == 0
    assert "no effect" in told.err
    assert (folder / "test.jsonl").read_bytes() == before
    odd = pictured(Path("odd"), ["oak", "ash"] * 2, options=5)
    assert harness("tasks", "new", "odd", "--from", odd).code == 0
    assert "ash, oak" in rows_of(odd / "test.jsonl")[0]["input"]


@pytest.mark.parametrize(
    ("labels", "more", "scorer"),
    [
        (["yes", "left"], {"answer_type": "OPEN"}, "open_closed_vqa"),
        (["A", "B"], {"A": "x", "B": "y"}, "multiple_choice"),
        ([["oak"], ["ash", "oak"]], {}, "multi_label_f1"),
        (["oak", "ash", "Oak", "ash"], {}, "scene_class"),
        (["one", "two", "three"], {}, "exact_vqa"),
    ],
)
def test_the_scorer_is_read_from_the_rows(
    harness: Harness, labels: list[Any], more: dict[str, Any], scorer: str
) -> None:
    folder = pictured(Path("rows"), labels, input="What?", **more)
    assert harness("tasks", "new", "own", "--from", folder).code == 0
    assert settings_of(folder)["scorer"] == scorer
    checked = harness("tasks", "validate", folder)
    assert (checked.code, checked.out) == (0, f"own: {len(labels)} usable rows, 0 unusable\n")


def test_new_refuses(harness: Harness, tmp_path: Path) -> None:
    folder = pictured(Path("rows"), ["oak", "ash"] * 2, input="What?")
    many = write_rows(Path("many"), [{"input": "?", "label": f"x{i}"} for i in range(1200)])
    (tmp_path / "file").write_text("x")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("slake", "--from", folder), "built-in"),
        (("a/b", "--from", folder), "`id`"),
        (("own", "--from", "nowhere"), "is missing"),
        (("own", "--from", "file"), "is a file"),
        (("own", "--from", folder, "--to", "file"), "is a file"),
        (("own", "--from", folder, "--scorer", "rouge"), "did you mean 'rouge_l'"),
        (("own", "--from", write_rows(Path("torn"), ["{", "5"])), "holds no rows"),
        (("own", "--from", write_rows(Path("bare"), [{"input": "?"}])), "no `label`"),
        (("own", "--from", many, "--scorer", "scene_class"), "too many"),
    ]
    for args, words in cases:
        ran = harness("tasks", "new", *args)
        assert (ran.code, ran.out) == (2, ""), args
        assert words in ran.err
    assert not list(tmp_path.rglob("task.yaml"))


def test_tiff_pictures(harness: Harness) -> None:
    folder = pictured(Path("rows"), ["oak", "ash"] * 2, suffix="tif")
    assert harness("tasks", "new", "trees", "--from", folder).code == 0
    assert settings_of(folder)["image_formats"] == ["JPEG", "PNG", "WEBP", "TIFF"]
    assert harness("tasks", "validate", folder).code == 0
    ran = harness(*CONSTANT, "oak", "--tasks", folder)
    assert (ran.code, line_of(ran.json, "trees", "strict")["score"]) == (0, 50.0)
    settings = settings_of(folder)
    del settings["image_formats"]
    (folder / "task.yaml").write_text(yaml.safe_dump(settings))
    ran = harness(*CONSTANT, "oak", "--tasks", folder)
    assert (ran.code, line_of(ran.json, "trees", "strict")["failed"]) == (1, 4)


def test_validate_names_every_fault(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = closed_rows(tmp_path / "rows" / "clrs", 3)
    (folder / "images" / "1.png").write_bytes(b"no picture")
    row = {"image": "images/0.png", "input": "?"}
    write_rows(
        folder,
        [row | {"label": "park"}, row | {"label": "zoo"}, {"input": "?", "label": "park"},
         row | {"label": "park", "image": "images/1.png"}, row, "{"],
    )  # fmt: skip
    checked = harness("tasks", "validate", folder)
    assert checked.code == 1
    for words in ("row 1 (1): the label 'zoo'", "row 2 (2): the row has no image", "row 3 (3)",
                  "row 4: no row: no `label`", "row 5: no row: not JSON", "1 usable rows, 5 "):  # fmt: skip
        assert words in checked.out
    monkeypatch.chdir(folder)
    assert harness("tasks", "validate", ".").out == checked.out
    (folder / "test.jsonl").write_text('{"id": 1, "input": "?", "label": "park"}\n' * 2)
    assert harness("tasks", "validate", ".").code == 2
    assert harness("tasks", "validate", "..").code == 2
    (folder / "test.jsonl").unlink()
    assert harness("tasks", "validate", ".").code == 2


def test_ls_and_show(harness: Harness) -> None:
    listed = harness("tasks", "ls", "--json").json
    assert listed == {group: [task.id for task in tasks] for group, tasks in GROUPS.items()}
    plain = harness("tasks", "ls").out
    assert set(TASKS) <= {row.task for row in published_scores()}
    for task in TASKS.values():
        assert f"  {task.id} " in plain
        facts = harness("tasks", "show", task.id, "--json").json
        own = [row for row in published_scores() if row.task == task.id]
        assert len(facts["published"]) == len(own)
        shown = harness("tasks", "show", task.id)
        assert shown.code == 0
        assert task.card.title in shown.out
        assert task.source is not None
        assert task.source.repo in shown.out
        assert "published" in shown.out.split("\n", 3)[3]
        for row in own:
            assert f"{row.score:.1f}" in shown.out
    wrong = harness("tasks", "show", "slakee")
    assert wrong.code == 2
    assert "did you mean 'slake'" in wrong.err
    assert "nwpu_captions" in wrong.err
    assert harness("tasks", "shwo").code == 2
