"""`harness audit`: planted test rows are found, named and left out; nothing else is."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from copies import (
    conversation,
    cut,
    read_lines,
    recompressed,
    resized,
    texture,
    write_lines,
)  # fmt: skip
from harness_helpers import Harness, write_rows
from PIL import Image

from harness.recipes import SynthRecipe
from harness.stages import Stage
from synth.audit import AuditOptions, audit, audit_stage

LONG = (
    "Toast the oats in a dry pan until they smell of nuts. Add water, salt and a stick of "
    "cinnamon, and let it simmer for twenty minutes while stirring now and then."
)
OWN = (
    "A field of wheat lies next to a narrow road, seen from far above, with a small barn and two "
    "parked tractors in its northern corner close to some trees."
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Six test rows over three pictures; training rows that repeat some, and one of its own."""
    for number in range(3):
        _save(texture(number), tmp_path / "rows/vqa_rad/images" / f"{number}.png")
    write_rows(
        tmp_path / "rows/vqa_rad",
        (
            {
                "id": f"q{n}",
                "image": f"images/{n // 2}.png",
                "input": ("What does the picture show?", f"Is the dark part number {n} bright?")[
                    n % 2
                ],
                "label": {1: "no", 3: "no", 5: "only its rim"}.get(n, "clouds"),
                "answer_type": "CLOSED" if n in (1, 3) else "OPEN",
            }
            for n in range(6)
        ),
    )
    _save(texture(50), tmp_path / "rows/recipe1m/images/0.png")
    row = {"id": "oats", "image": "images/0.png", "input": "How is it made?", "label": LONG}
    write_rows(tmp_path / "rows/recipe1m", [row])
    copies = tmp_path / "data" / "pictures"
    _save(recompressed(resized(texture(0), 0.6), 50), copies / "resized.jpg")
    _save(texture(1).crop((2, 1, 94, 95)), copies / "cut.png")
    _save(texture(9), copies / "own.png")
    write_lines(
        tmp_path / "data/train.jsonl",
        [
            conversation("a", "Describe it.", OWN, "pictures/resized.jpg"),
            conversation(
                "b",
                "\nAnswer shortly.\nis the dark part, number 3 bright",
                "No.",
                "pictures/cut.png",
            ),
            conversation("c", "Write the recipe.", f"First: {LONG}", "pictures/own.png"),
            conversation("d", "What does the picture show?", "clouds", "pictures/own.png"),
            conversation(
                "e", "Is the dark part number 5 bright?", "Only its rim.", "pictures/own.png"
            ),
        ],
    )
    return tmp_path


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


def _audit(harness: Harness, world: Path, *more: object, code: int = 0) -> Any:
    ran = harness(
        "audit", world / "data/train.jsonl", "--tasks", "vqa_rad,recipe1m", "--data",
        world / "rows", "--out", world / "out", "--json", *more,
    )  # fmt: skip
    assert ran.code == code, ran.err
    return ran.json


def test_planted_rows_are_found_and_removed(harness: Harness, world: Path) -> None:
    made = _audit(harness, world)
    found = {row["id"]: row for row in read_lines(world / "out/found.jsonl")}
    kinds = {row_id: row["kind"] for row_id, row in found.items()}
    assert kinds == {
        "a": "same picture", "b": "same picture and question", "c": "text only", "e": "text only",
    }  # fmt: skip
    assert [row["row"] for row in found["a"]["test_rows"]] == ["q0", "q1"]
    assert [(row["row"], row["kind"]) for row in found["b"]["test_rows"]] == [
        ("q3", "same picture and question"), ("q2", "same picture"),
    ]  # fmt: skip
    assert [row["row"] for row in found["c"]["test_rows"]] == ["oats"]
    assert [row["id"] for row in read_lines(world / "out/train.jsonl")] == ["d"]
    rejects = read_lines(world / "out/rejects.jsonl")
    assert {row["reason"] for row in rejects} == {"contaminated"}
    assert rejects[0]["detail"] == "vqa_rad row q0: same picture; vqa_rad row q1: same picture"
    assert made["rows_in"] == made["rows_out"] + sum(made["rejects"].values()) == 5
    vqa_rad = made["tasks"][0]
    assert vqa_rad["conversations"] == {
        "same picture and question": 1, "same picture": 1, "text only": 1,
    }  # fmt: skip
    assert vqa_rad["test_rows"]["same picture"] == 3
    assert made == json.loads((world / "out/audit.json").read_text())


def test_yes_or_no_about_another_picture_is_no_evidence(harness: Harness, world: Path) -> None:
    """Half of all who are asked say no, whatever they see."""
    asked = conversation("f", "Is the dark part number 1 bright?", "no", "pictures/own.png")
    write_lines(world / "data/train.jsonl", [asked])
    assert _audit(harness, world)["rows_out"] == 1


def test_page_shows_both_sides(harness: Harness, world: Path) -> None:
    _audit(harness, world)
    page = (world / "out/audit.md").read_text()
    assert "4 of 5 rows hold test rows. They were removed: 1 rows stay." in page
    assert "mirrored, rotated or tilted copies" in page
    for name in ("00-training.png", "00-test.png"):
        assert f"pictures/{name}" in page
        assert Image.open(world / "out/pictures" / name).size[0] > 50


def test_report_removes_nothing(harness: Harness, world: Path) -> None:
    made = _audit(harness, world, "--action", "report")
    assert (made["rows_out"], made["contaminated"], made["rejects"]) == (5, 4, {})
    assert not (world / "out/train.jsonl").exists()
    assert not (world / "out/rejects.jsonl").exists()
    _audit(harness, world, "--action", "report", "--fail-on-found", code=1)
    assert _audit(harness, world, "--limit", 1)["rows_in"] == 1


def test_summary_says_what_was_done(harness: Harness, world: Path) -> None:
    ran = harness("audit", "data/train.jsonl", "--tasks", "vqa_rad", "--data", world / "rows")
    assert ran.code == 0
    assert (
        "3 rows hold test rows and were removed; 2 rows are in audit-train/train.jsonl" in ran.out
    )
    clean = harness(
        "audit", "audit-train/train.jsonl", "--images", "data", "--tasks", "vqa_rad",
        "--data", world / "rows", "--action", "report", "--out", "again",
    )  # fmt: skip
    assert "0 rows hold test rows; clean" in clean.out


@pytest.mark.parametrize("form", ["json", "parquet", "conversations"])
def test_other_forms(harness: Harness, world: Path, form: str) -> None:
    rows = read_lines(world / "data/train.jsonl")
    if form == "conversations":
        speakers = {"user": "human", "assistant": "gpt"}
        rows = [
            {
                "id": row["id"],
                "conversations": [
                    {"from": speakers[turn["role"]], "value": turn["content"]}
                    for turn in row["messages"]
                ],
                "image": row["images"][0],
            }
            for row in rows
        ]
    name = "train.parquet" if form == "parquet" else "train.json"
    path = world / "data" / name
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        for row in rows:
            files = [(path.parent / image).read_bytes() for image in row["images"]]
            row["images"] = [{"bytes": data, "path": None} for data in files]
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows), encoding="utf-8")
    ran = harness("audit", path, "--tasks", "vqa_rad,recipe1m", "--data", world / "rows", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["rows_out"], ran.json["contaminated"]) == (1, 4)
    cleaned = Path("audit-train") / name
    if form == "parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(cleaned).to_pylist() == rows[3:4]
    else:
        assert json.loads(cleaned.read_text()) == rows[3:4]


def test_pictures_among_the_parts_of_a_message(harness: Harness, world: Path) -> None:
    """As OpenAI's and Hugging Face's chat forms have them: paths, data URIs, bytes in base64."""
    path = world / "data/pictures/resized.jpg"
    plain = base64.b64encode(path.read_bytes()).decode()
    uri = f"data:image/jpeg;base64,{plain}"
    parts: dict[str, Any] = {
        "path": {"type": "image", "image": "pictures/resized.jpg"},
        "url": {"type": "image_url", "image_url": {"url": "pictures/resized.jpg"}},
        "data": {"type": "image_url", "image_url": {"url": uri, "detail": "low"}},
        "input": {"type": "input_image", "image_url": uri},
        "source": {"type": "image", "source": {"type": "base64", "data": plain}},
        "own": {"type": "image", "image": "pictures/own.png"},
        "bad": {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}},
        "far": {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
    }
    write_lines(
        world / "data/train.jsonl",
        (
            {
                "id": name,
                "messages": [
                    {"role": "user", "content": [part, {"type": "text", "text": "Describe it."}]},
                    {"role": "assistant", "content": [{"type": "text", "text": OWN}]},
                ],
            }
            for name, part in parts.items()
        ),
    )
    made = _audit(harness, world, code=1)
    found = {row["id"]: row["kind"] for row in read_lines(world / "out/found.jsonl")}
    assert found == dict.fromkeys(("path", "url", "data", "input", "source"), "same picture")
    assert made["rejects"] == {"contaminated": 5, "unusable image": 2}
    assert [row["id"] for row in read_lines(world / "out/train.jsonl")] == ["own"]


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
def test_pictures_of_other_programs(harness: Harness, world: Path, kind: str) -> None:
    place = world / "data/pictures" / f"copy.{kind.lower()}"
    frames = [resized(texture(0), 0.7), texture(33)]
    frames[0].save(place, kind, **({"save_all": True, "append_images": frames[1:]} if kind == "GIF"
                                   else {}))  # fmt: skip
    write_lines(world / "data/train.jsonl", [conversation("a", "?", OWN, f"pictures/{place.name}")])
    assert _audit(harness, world)["contaminated"] == 1


def test_bad_rows_are_counted_and_named(harness: Harness, world: Path) -> None:
    (world / "data/pictures/torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (world / "data/pictures/link.png").symlink_to(world / "rows/vqa_rad/images/0.png")
    os.mkfifo(world / "data/pictures/pipe.png")
    bad = [
        '{"torn": ', "[1]", '{"id": "none"}', '{"id": "texts", "messages": [1]}',
        '{"id": "null", "messages": [{"role": "user", "content": null}]}',
        *(
            json.dumps(conversation(place, "x", "y", place))
            for place in ("../rows/vqa_rad/images/0.png", "/etc/passwd", "https://a.b/c.png",
                          "pictures/gone.png", "pictures/torn.jpg", "pictures/link.png",
                          "pictures/pipe.png")
        ),
        json.dumps({**conversation("odd", "x", "y"), "images": [7]}),
    ]  # fmt: skip
    good = conversation("text \x1b[31m|*", "what? <script>", "y \ud800")
    write_lines(world / "data/train.jsonl", [*bad, good])
    made = _audit(harness, world, code=1)
    assert made["rejects"] == {"malformed": 5, "unusable image": 8}
    assert (made["rows_in"], made["rows_out"], made["contaminated"]) == (14, 1, 0)
    assert read_lines(world / "out/train.jsonl") == [good]
    assert "14 rows" in harness(
        "audit", "data/train.jsonl", "--tasks", "vqa_rad", "--data", "rows", "--max-failed", "1"
    ).out  # fmt: skip


def test_test_rows_that_cannot_be_read(harness: Harness, world: Path) -> None:
    (world / "rows/vqa_rad/images/0.png").write_bytes(b"")
    made = _audit(harness, world, code=1)
    assert made["tasks"][0]["without_picture"] == 2
    assert "a" not in {row["id"] for row in read_lines(world / "out/found.jsonl")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["nowhere.jsonl"], "no such file: nowhere.jsonl"),
        (["data/train.jsonl", "--images", "gone"], "--images gone: no such folder"),
        (["data/train.jsonl", "--tasks", "vqarad"], "vqa_rad"),
        (["data/train.jsonl", "--tasks", "slake"], "no test rows to compare with: slake"),
        (["data"], "holds no parquet files"),
        (["data/train.jsonl", "--out", "data"], "--out must not be the folder of the data"),
        (["torn.json"], "is no whole JSON array"),
    ],
)
def test_wrong_requests(harness: Harness, world: Path, change: list[str], message: str) -> None:
    (world / "torn.json").write_text('[{"id": "a"}, {"id')
    options = [] if "--tasks" in change else ["--tasks", "vqa_rad"]
    ran = harness("audit", *change, *options, "--data", world / "rows")
    assert ran.code == 2
    assert message in ran.err


def test_common_questions_and_passages_are_no_evidence(world: Path) -> None:
    """A sentence that stands in many labels is the genre's, not a row's."""
    start = "Preheat the oven to two hundred degrees and butter a large baking dish."
    rows = [
        {"id": f"r{n}", "image": f"images/{n}.png", "input": "How is it made?", "label": label}
        for n, label in enumerate([start, start, f"{start} Then wait.", LONG])
    ]
    for n in range(4):
        _save(texture(60 + n), world / f"rows/recipe1m/images/{n}.png")
    write_rows(world / "rows/recipe1m", rows)
    write_lines(
        world / "data/train.jsonl",
        [
            conversation("oven", "How is it made?", start, "pictures/own.png"),
            conversation("half", "x", " ".join(LONG.split()[:12]), "pictures/own.png"),
        ],
    )
    options = AuditOptions(world / "data/train.jsonl", ("recipe1m",), str(world / "rows"))
    outcome = audit(options)
    assert outcome.contaminated == []
    assert outcome.silent == {"recipe1m": 2}


def _stage(world: Path, **more: Any) -> tuple[SynthRecipe, Stage]:
    recipe = SynthRecipe(
        pairs=str(world / "data/pairs.jsonl"), generator="rules", audit=("vqa_rad", "recipe1m"),
        audit_data=str(world / "rows"), **more,
    )  # fmt: skip
    return recipe, Stage(world / "work", "audit", {}, {})


def test_stage_cleans_every_file(world: Path) -> None:
    rows = read_lines(world / "data/train.jsonl")
    write_lines(world / "data/captions.jsonl", rows[:4])
    write_lines(world / "data/tasks.jsonl", rows[2:])
    write_lines(world / "data/rejects.jsonl", [{"id": "x"}])
    recipe, stage = _stage(world)
    counts = audit_stage(world / "data/train.jsonl", recipe, stage)
    counts.check()
    assert (counts.rows_in, counts.rows_out, counts.rejects) == (5, 1, {"contaminated": 4})
    for name in ("train", "captions", "tasks"):
        assert [row["id"] for row in read_lines(stage.path / f"{name}.jsonl")] == ["d"]
    assert [row["id"] for row in read_lines(stage.path / "rejects.jsonl")] == list("abce")


def test_rows_that_share_an_id_are_told_apart_by_their_picture(world: Path) -> None:
    rows = [{**row, "id": "same"} for row in read_lines(world / "data/train.jsonl")]
    write_lines(world / "data/train.jsonl", rows[:1] + rows[3:4])
    write_lines(world / "data/tasks.jsonl", rows[:1] + rows[3:4])
    recipe, stage = _stage(world)
    assert audit_stage(world / "data/train.jsonl", recipe, stage).rows_out == 1
    assert read_lines(stage.path / "tasks.jsonl") == rows[3:4]


@pytest.mark.parametrize("role", ["GPT", "model", "bot", "tool"])
def test_no_text_goes_unread_for_its_role(world: Path, role: str) -> None:
    turns = [("Human", "Hello."), ("user", "Write it."), (role, LONG), ("user", "Thanks."),
             (role, "Gladly.")]  # fmt: skip
    messages = [{"role": who, "content": said} for who, said in turns]
    write_lines(world / "data/train.jsonl", [{"id": "x", "messages": messages}])
    options = AuditOptions(world / "data/train.jsonl", ("recipe1m",), str(world / "rows"))
    assert [row.id for row in audit(options).contaminated] == ["x"]


def test_the_cleaned_data_replaces_no_file_of_the_audit(harness: Harness, world: Path) -> None:
    (world / "data/train.jsonl").rename(world / "data/found.jsonl")
    command = ("audit", "data/found.jsonl", "--tasks", "vqa_rad", "--data", "rows", "--out", "out")
    ran = harness(*command)
    assert (ran.code, "rename the data" in ran.err) == (2, True)
    assert harness(*command, "--action", "report").code == 0


def test_stage_that_reports_passes_all_on(world: Path) -> None:
    recipe, stage = _stage(world, audit_action="report")
    counts = audit_stage(world / "data/train.jsonl", recipe, stage)
    assert (counts.rows_in, counts.rows_out, counts.rejects) == (5, 5, {})
    assert len(read_lines(stage.path / "train.jsonl")) == 5
    assert len(read_lines(stage.path / "found.jsonl")) == 4


def test_vqa_rad_against_itself(harness: Harness, shared_data: Path, tmp_path: Path) -> None:
    rows = read_lines(shared_data / "vqa_rad/test.jsonl")
    train = [conversation(r["id"], r["input"], r["label"], r["image"]) for r in rows]
    write_lines(tmp_path / "train.jsonl", train)
    ran = harness(
        "audit", "train.jsonl", "--images", shared_data / "vqa_rad", "--tasks", "biomed,food",
        "--data", shared_data, "--json",
    )  # fmt: skip
    tasks = {task["id"]: task for task in ran.json["tasks"]}
    assert tasks["vqa_rad"]["conversations"]["same picture and question"] == len(rows)
    assert sum(tasks["pathvqa"]["conversations"].values()) == 0
    assert ran.json["rows_out"] == 0


def test_many_copies_of_real_pictures(shared_data: Path, tmp_path: Path) -> None:
    """Copies of some tasks' pictures among pictures of others."""
    import random

    rng = random.Random(0)
    train = []
    for name in ("pathvqa", "nutrition5k"):
        files = sorted((shared_data / name / "images").iterdir())
        for number, path in enumerate(files):
            image = Image.open(path).convert("RGB")
            image.thumbnail((500, 500))
            copy = recompressed(cut(image, rng), 60)
            _save(copy, tmp_path / f"{name}{number}.jpg")
            train.append(conversation(f"{name}{number}", "x", "y", f"{name}{number}.jpg"))
    write_lines(tmp_path / "train.jsonl", train)
    outcome = audit(AuditOptions(tmp_path / "train.jsonl", ("biomed", "food"), str(shared_data)))
    own = [
        row for row in outcome.contaminated
        if all(row.id.startswith(outcome.tests.rows[f.row].task) for f in row.findings)
    ]  # fmt: skip
    assert len(own) == len(outcome.contaminated)
    assert len(own) >= 0.95 * len(train)
