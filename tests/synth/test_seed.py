"""Seed data: both forms, the wire format, and choices that hang on seed and id alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from harness.errors import UserError
from harness.recipes import SeedRecipe
from harness.stages import Stage
from synth._lines import read_lines, read_rejects
from synth.seed import Seeded, make_seed, seed_config, seed_inputs
from synth.seed._summary import task_type

HINTS = {
    "Answer with a precise response.": "precise",
    "Answer with an informative response.": "informative",
}


def draw(path: Path, number: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), (number % 256, 90, 9)).save(path)


def generic(folder: Path, rows: int = 300) -> Path:
    draw(folder / "pictures" / "a.png")
    records = [
        {
            "id": f"r{n}", "image": "pictures/a.png", "caption": f"Caption {n}.", "task": f"task {n % 3}",
            "instruction": f"Question {n}?", "precise": f"Short {n}", "informative": f"Long {n}.",
        }
        for n in range(rows)
    ]  # fmt: skip
    path = folder / "seed.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def make(work: Path, **fields: Any) -> tuple[Path, Seeded]:
    recipe = SeedRecipe(**fields)
    stage = Stage(work, "seed", seed_config(recipe), seed_inputs(recipe))
    found = make_seed(recipe, stage)
    found.counts.check()
    assert all((stage.path / name).is_file() for name in found.files)
    return stage.path, found


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    names = ("train.jsonl", "validation.jsonl")
    return {row["id"]: {**row, "file": n} for n in names for row in read_lines(folder / n)}


def test_conversations_in_the_wire_format(tmp_path: Path) -> None:
    folder, found = make(tmp_path / "work", data=generic(tmp_path))
    rows = rows_of(folder)
    assert len(rows) == 300 == found.counts.rows_out
    orders = set()
    for n in range(300):
        row = rows[f"r{n}"]
        turns = [(turn["role"], turn["content"]) for turn in row["messages"]]
        assert turns[:2] == [
            ("user", "<image>\nDescribe the image."),
            ("assistant", f"Caption {n}."),
        ]
        assert [role for role, _ in turns] == ["user", "assistant"] * 3
        said = {}
        for asked, answer in ((turns[2], turns[3]), (turns[4], turns[5])):
            hint, _, question = asked[1].partition("\n")
            assert question == f"Question {n}?"
            said[HINTS[hint]] = answer[1]
        assert said == {"precise": f"Short {n}", "informative": f"Long {n}."}
        orders.add(tuple(said))
        (image,) = row["images"]
        with Image.open(folder / image) as picture:
            assert picture.size == ((336, 336) if image == "blank.png" else (24, 24))
    assert len(orders) == 2
    shares = [row["images"] == ["blank.png"] for row in rows.values()]
    assert found.more["blank"] == sum(shares)
    assert 12 <= sum(shares) <= 50
    for task in range(3):
        held = sum(rows[f"r{n}"]["file"] == "validation.jsonl" for n in range(task, 300, 3))
        assert 2 <= held <= 22


def test_choices_do_not_hang_on_order_or_company(tmp_path: Path) -> None:
    path = generic(tmp_path, 60)
    whole, _ = make(tmp_path / "a", data=path)
    path.write_text("\n".join(reversed(path.read_text().splitlines()[::2])))
    half, _ = make(tmp_path / "b", data=path)
    other, _ = make(tmp_path / "c", data=path, seed=1)
    before, after = rows_of(whole), rows_of(half)
    assert len(after) == 30
    assert all(before[row_id] == row for row_id, row in after.items())
    assert rows_of(other) != after


@pytest.mark.parametrize(
    ("fields", "blank", "caption"),
    [
        ({"input": "caption"}, 60, True),
        ({"input": "image"}, 0, False),
        ({"input": "image", "blank": 1}, 0, False),
        ({"blank": 0}, 0, True),
        ({"blank": 1}, 60, True),
    ],
)
def test_variants_of_the_input(
    tmp_path: Path, fields: dict[str, Any], blank: int, caption: bool
) -> None:
    folder, found = make(tmp_path / "work", data=generic(tmp_path, 60), **fields)
    assert found.more["blank"] == blank
    told = {row["messages"][1]["content"] for row in rows_of(folder).values()}
    assert (len(told) == 60) == caption
    assert caption or told == {"No description is given."}


def test_pictures_and_blank_have_one_root(tmp_path: Path) -> None:
    folder, _ = make(tmp_path / "work", data=generic(tmp_path, 3), blank=0)
    linked = folder / "images" / "pictures" / "a.png"
    assert linked.samefile(tmp_path / "pictures" / "a.png")
    make(tmp_path / "work", data=tmp_path / "seed.jsonl", blank=0)


def test_without_links_pictures_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    folder, _ = make(tmp_path / "work", data=generic(tmp_path, 3), blank=0)
    copied = folder / "images" / "pictures" / "a.png"
    assert copied.read_bytes() == (tmp_path / "pictures" / "a.png").read_bytes()
    assert not copied.samefile(tmp_path / "pictures" / "a.png")


def talk(image: str, question: str, answer: str, **more: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {**more, "image": image, "conversations": turns}


def vision_flan(folder: Path) -> Path:
    """The published files' fields, a few rows of them."""
    names = [f"PACS+guitar_category_{n}.png" for n in range(4)] + ["FlickrLogos+logo_0.png"]
    for number, name in enumerate(names):
        draw(folder / "images" / name, number)
    ask = "What is this? Options: (a) photo (b) sketch"
    data = [
        talk(names[0], f"{ask}\n<image>", "(b) sketch", id="x", task_name="PACS+guitar_classification"),
        talk(names[1], "Another question?\n<image>", "(a)", id="x", task_name="PACS+guitar_classification"),
        talk(names[1], f"<image>\n{ask}", "(a) photo", id="x", task_name="PACS+guitar_classification"),
        talk(names[1], f"<image>\n{ask}", "(a) photo", id="x", task_name="PACS+guitar_classification"),
        talk(names[2], f"{ask}\n<image>", "(b) sketch", id="x", task_name="PACS+guitar_classification"),
        talk(names[3], f"{ask}\n<image>", "(b) sketch", id="x", task_name="PACS+guitar_classification"),
        talk(names[4], "Which logo?\n<image>", "Ferrari", id="x", task_name="FlickrLogos+logo_identification"),
        talk("gone.png", "Which logo?\n<image>", "Ferrari", id="x", task_name="FlickrLogos+logo_identification"),
        {"id": "x", "image": names[0], "conversations": []},
    ]  # fmt: skip
    prefix = "allava_vflan/images/images_191task_1k/"
    captioned = [*names[:3], names[4], "gone.png"]
    captions = [talk(prefix + n, "<image>\nDescribe it.", f"Seen: {n}", id="c") for n in captioned]
    answers = [
        talk(prefix + n, f"<image>\n{ask}", "Lines only. A sketch.", id="i") for n in names[:2]
    ]
    answers += [talk(prefix + names[3], f"<image>\n{ask}", "Lines only.", id="i")]
    answers += [
        talk(prefix + n, "<image>\nWhich logo?", "A horse. Ferrari.")
        for n in (names[4], "gone.png")
    ]
    (folder / "metadata.json").write_text(json.dumps(data))
    (folder / "allava").mkdir()
    (folder / "allava" / "ALLaVA-Caption-VFLAN-4V.json").write_text(json.dumps(captions))
    (folder / "allava" / "ALLaVA-Instruct-VFLAN-4V.json").write_text(json.dumps(answers))
    return folder / "metadata.json"


def test_vision_flan_joined_with_allava(tmp_path: Path) -> None:
    data = vision_flan(tmp_path)
    fields = {"data": data, "images": tmp_path / "images", "captions": tmp_path / "allava"}
    folder, _ = make(tmp_path / "work", blank=0, **fields)
    rows = rows_of(folder)
    assert sorted(rows) == [
        "FlickrLogos+logo_0.png", "PACS+guitar_category_0.png", "PACS+guitar_category_1.png",
    ]  # fmt: skip
    turns = [turn["content"] for turn in rows["PACS+guitar_category_1.png"]["messages"]]
    question = "What is this? Options: (a) photo (b) sketch"
    assert turns[1] == "Seen: PACS+guitar_category_1.png"
    assert f"Answer with a precise response.\n{question}" in turns
    assert f"Answer with an informative response.\n{question}" in turns
    assert {"(a) photo", "Lines only. A sketch."} < set(turns)
    lost = {reject.index: reject.reason for reject in read_rejects(folder / "rejects.jsonl")}
    assert lost == {
        1: "no matching pair", 3: "duplicate", 4: "no matching pair", 5: "no caption",
        7: "unusable image", 8: "malformed",
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["sources"] == {"PACS": 2, "FlickrLogos": 1}
    assert summary["task_types"]["Logo Detection"] == 1
    chart = ElementTree.parse(folder / "summary.svg").getroot()  # noqa: S314
    told = " ".join(text for node in chart.iter() if (text := node.text))
    assert "66.7 % (2)" in told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"precise": None}, "malformed"), ({"precise": " "}, "malformed"), ({"informative": 5}, "malformed"),
        ({"instruction": "x" * 3_000}, "malformed"), ({"instruction": None}, "malformed"),
        ({"precise": "Yes<|im_end|>"}, "malformed"), ({"caption": None}, "no caption"),
        ({"caption": "<|eot_id|>"}, "unusable caption"), ({"image": "../a.png"}, "unusable image"),
        ({"image": "pictures/none.png"}, "unusable image"), ({"image": None}, "no image"),
    ],
)  # fmt: skip
def test_rows_that_are_none(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = generic(tmp_path, 2)
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text(f"{json.dumps({**first, **change})}\n{json.dumps(second)}\nnonsense\n")
    folder, found = make(tmp_path / "work", data=path)
    assert found.counts.rejects in ({reason: 1, "malformed": 1}, {"malformed": 2})
    assert [one.reason for one in read_rejects(folder / "rejects.jsonl")] == [reason, "malformed"]


def test_names_in_charts_cannot_forge_marks(tmp_path: Path) -> None:
    path = generic(tmp_path, 1)
    row = {**json.loads(path.read_text()), "source": '<script>"&\x1b</script>', "task": "a<b"}
    path.write_text(json.dumps(row))
    folder, _ = make(tmp_path / "work", data=path)
    ElementTree.parse(folder / "summary.svg")  # noqa: S314


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data": "none.jsonl"}, "no such file"),
        ({"data": "seed.jsonl", "images": "none"}, "no folder"),
        ({"data": "seed.jsonl", "captions": "pictures"}, "must hold one"),
    ],
)
def test_wrong_requests(tmp_path: Path, fields: dict[str, str], told: str) -> None:
    generic(tmp_path, 1)
    with pytest.raises(UserError, match=told):
        make(tmp_path / "work", **fields)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PACS+guitar_image_category_classification", "Style Classification"),
        ("FlickrLogos-27+logo_identification", "Logo Detection"), ("ITM", "Image-Text Matching"),
        ("Places205+Image_env_classification", "Scene Classification"), ("zzz", "Other"),
        ("VQA_utility_affordance", "Utility and Affordance"), ("coco+image_caption", "Caption Generation"),
    ],
)  # fmt: skip
def test_task_types_from_names(name: str, kind: str) -> None:
    assert task_type(name) == kind
