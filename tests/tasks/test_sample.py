"""The toy rows behind `--data sample`."""

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from tasks import _vocabulary
from tasks.sample import sample_count, sample_records, scan
from tasks.sample._canvas import png
from tasks.sample._rng import seeded

ROOT = Path(__file__).parents[2]
COUNTS = {
    "slake": 182,
    "pathvqa": 126,
    "vqa_rad": 56,
    "pmc_vqa": 60,
    "recipe1m": 24,
    "nutrition5k": 48,
    "food101": 48,
    "foodseg103": 48,
    "clrs": 50,
    "ucmerced": 42,
    "floodnet": 48,
    "nwpu_captions": 30,
}
BIOMED = ("slake", "pathvqa", "vqa_rad", "pmc_vqa")
VQA = BIOMED[:3]
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def rows() -> dict[str, Rows]:
    return {task: list(sample_records(task)) for task in COUNTS}


def texts(rows: Rows, field: str) -> list[str]:
    values = [row[field] for row in rows]
    assert all(isinstance(value, str) for value in values)
    return [str(value) for value in values]


def picture(row: dict[str, object]) -> Image.Image:
    data = row["image"]
    assert isinstance(data, bytes)
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def label_set(row: dict[str, object]) -> tuple[str, ...]:
    label = row["label"]
    assert isinstance(label, list)
    return tuple(label)


def test_same_rows_whatever_the_hash_seed() -> None:
    code = (
        "import hashlib, sys\n"
        "from tasks.sample import sample_records\n"
        "whole = hashlib.sha256()\n"
        "for task in sys.argv[1:]:\n"
        "    for row in sample_records(task):\n"
        "        whole.update(repr(row).encode())\n"
        "print(whole.hexdigest())\n"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code, *COUNTS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    whole = hashlib.sha256()
    for task in COUNTS:
        for row in sample_records(task):
            whole.update(repr(row).encode())
    assert [digest.strip() for digest in digests] == [whole.hexdigest()] * 2


def test_an_unknown_task_is_refused_at_once() -> None:
    with pytest.raises(KeyError):
        sample_records("sqad")
    with pytest.raises(KeyError):
        sample_count("sqad")


@pytest.mark.parametrize("task", COUNTS)
def test_counts_and_ids(rows: dict[str, Rows], task: str) -> None:
    assert len(rows[task]) == COUNTS[task] == sample_count(task)
    assert len(set(texts(rows[task], "id"))) == COUNTS[task]


@pytest.mark.parametrize("task", COUNTS)
def test_every_picture_decodes_at_its_size_and_carries_nothing_else(
    rows: dict[str, Rows], task: str
) -> None:
    side = 56 if task in BIOMED else 112
    for row in rows[task]:
        image = picture(row)
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (side, side))
        assert image.info == {}


@pytest.mark.parametrize("task", COUNTS)
def test_one_image_id_is_one_picture_and_its_rows_are_neighbours(
    rows: dict[str, Rows], task: str
) -> None:
    ids = texts(rows[task], "image_id")
    by_id = dict(zip(ids, (row["image"] for row in rows[task]), strict=True))
    assert len(set(by_id.values())) == len(by_id)
    assert all(by_id[str(row["image_id"])] == row["image"] for row in rows[task])
    changes = sum(left != right for left, right in pairwise(ids))
    assert changes == len(by_id) - 1
    assert (len(by_id) < len(ids)) == (task in {*BIOMED, "floodnet"})


@pytest.mark.parametrize("task", VQA)
def test_open_and_closed_questions(rows: dict[str, Rows], task: str) -> None:
    closed = [row for row in rows[task] if row["answer_type"] == "CLOSED"]
    open_ = [row for row in rows[task] if row["answer_type"] == "OPEN"]
    assert len(closed) + len(open_) == COUNTS[task]
    answers = Counter(texts(closed, "label"))
    assert answers["yes"] == answers["no"] == len(closed) / 2
    words = {word for label in texts(open_, "label") for word in label.split()}
    assert {*scan.MODALITIES, *scan.COUNTS, *scan.SIDES} <= words
    # The published closed rule looks for "yes" and "no" inside words too.
    assert not [word for word in words if "no" in word or "yes" in word]
    assert not any(letter.isdigit() for word in words for letter in word)
    for image_id in set(texts(rows[task], "image_id")):
        asked = [row for row in rows[task] if row["image_id"] == image_id]
        assert len({str(row["input"]) for row in asked}) == len(asked)


def test_no_question_gives_its_yes_or_no_away(rows: dict[str, Rows]) -> None:
    for task in VQA:
        for kind in range(3, 7):  # seven questions a picture, the closed ones last
            asked = rows[task][kind::7]
            assert {row["answer_type"] for row in asked} == {"CLOSED"}
            answers = Counter(texts(asked, "label"))
            assert answers["yes"] == answers["no"], asked[0]["input"]


def test_wordings_differ_between_the_tasks(rows: dict[str, Rows]) -> None:
    asked = [set(texts(rows[task], "input")) for task in VQA]
    assert sum(map(len, asked)) == len(set.union(*asked))


def test_multiple_choice_is_balanced_and_follows_its_template(rows: dict[str, Rows]) -> None:
    letters = Counter(texts(rows["pmc_vqa"], "label"))
    assert letters == Counter(A=15, B=15, C=15, D=15)
    for row in rows["pmc_vqa"]:
        options = [str(row[letter]) for letter in "ABCD"]
        assert len(set(options)) == 4
        lines = str(row["input"]).split("\n")
        assert lines[0].startswith("Question: ")
        assert lines[1] == "The choices are:"
        assert lines[2:] == [
            f"({letter}) {option}" for letter, option in zip("ABCD", options, strict=True)
        ]


def test_class_labels_are_classes_that_the_prompt_lists(rows: dict[str, Rows]) -> None:
    spoken = tuple(name.replace("_", " ") for name in _vocabulary.food101())
    lists = {"food101": spoken, "clrs": _vocabulary.clrs(), "ucmerced": _vocabulary.ucmerced()}
    for task, names in lists.items():
        labels = Counter(texts(rows[task], "label"))
        assert set(labels) <= set(names)
        assert len(labels) >= 12
        assert max(labels.values()) - min(labels.values()) <= 1
        assert {text.endswith(", ".join(names)) for text in texts(rows[task], "input")} == {True}


@pytest.mark.parametrize(("task", "most"), [("nutrition5k", 5), ("foodseg103", 4)])
def test_label_sets_of_every_size(rows: dict[str, Rows], task: str, most: int) -> None:
    vocabulary = _vocabulary.nutrition5k() if task == "nutrition5k" else _vocabulary.foodseg103()
    labels = [label_set(row) for row in rows[task]]
    assert {name for names in labels for name in names} <= {*vocabulary} - {"deprecated"}
    assert {len(names) for names in labels} == {*range(1, most + 1)}
    assert all(len(set(names)) == len(names) for names in labels)


def test_prompts_of_the_food_and_caption_tasks(rows: dict[str, Rows]) -> None:
    def only(task: str) -> str:
        (prompt,) = set(texts(rows[task], "input"))
        return prompt

    assert only("nutrition5k") == "What ingredients are used to make the dish in the image?"
    assert only("food101").startswith(
        "What type of food is shown in this image?\n"
        "Choose one type from the following options:\n"
        "apple pie, baby back ribs, "
    )
    segmented = only("foodseg103").split("\n")
    assert segmented == [
        "Identify the food categories present in the image.",
        f"The available categories are: {', '.join(_vocabulary.foodseg103())}",
        "Please return a list of the selected food categories, formatted as a list of names like "
        "[candy, egg tart, french fries, chocolate].",
    ]
    assert only("clrs").startswith(
        "What is the category of this remote sensing image? Answer the question using a single "
        "word or phrase. Reference categories include: airport, bare-land, "
    )
    assert only("nwpu_captions") == (
        "Please provide an one-sentence caption for the provided remote sensing image in details."
    )


def test_recipes_are_several_sentences_and_differ(rows: dict[str, Rows]) -> None:
    labels = texts(rows["recipe1m"], "label")
    assert len(set(labels)) == len(labels)
    for label in labels:
        title, ingredients, steps = label.split("\n")
        assert title.startswith("Title: ")
        assert ingredients.startswith("Ingredients: ")
        assert steps.startswith("Steps: ")
        assert label.endswith(".")
        assert steps.count(".") >= 5


def test_captions_have_five_references(rows: dict[str, Rows]) -> None:
    for row in rows["nwpu_captions"]:
        references = label_set(row)
        assert len(references) == len(set(references)) == 5


def test_flood_answers_are_consistent_and_mixed(rows: dict[str, Rows]) -> None:
    numbers = ("zero", "one", "two", "three", "four")
    labels = texts(rows["floodnet"], "label")
    seen = Counter(labels)
    assert seen["yes"] == seen["no"] == 6
    assert seen["flooded"] + seen["non flooded"] == 12
    assert set(seen) == {*numbers, "yes", "no", "flooded", "non flooded"}
    for start in range(0, len(labels), 4):
        condition, buildings, flooded, road = labels[start : start + 4]
        assert numbers.index(flooded) <= numbers.index(buildings)
        assert (condition == "flooded") == (flooded != "zero" or road == "yes")


def test_different_facts_give_different_pixels() -> None:
    base = scan.Scan(modality="ct", lesions=2, shadow="left", effusion=False)
    changed = [
        replace(base, modality="mri"),
        replace(base, lesions=3),
        replace(base, shadow="bottom"),
        replace(base, effusion=True),
    ]
    pictures = [scan.draw(one, seeded("test")).tobytes() for one in (base, *changed)]
    assert len(set(pictures)) == 5
    assert scan.draw(base, seeded("test")).tobytes() == pictures[0]
    assert scan.draw(base, seeded("another")).tobytes() != pictures[0]


def test_a_scan_shows_its_facts() -> None:
    rng = seeded("facts")
    for _ in range(200):
        facts = scan.random_scan(rng)
        image = scan.draw(facts, rng)

        def sums(at: tuple[int, int], image: Image.Image = image) -> int:
            pixel = image.getpixel(at)
            assert isinstance(pixel, tuple)
            return int(sum(pixel))

        bright = [sums((x, y)) > 560 for x in (14, 42) for y in (14, 42)]
        assert bright.count(True) == facts.lesions
        edges = {"left": (1, 28), "right": (54, 28), "top": (28, 1), "bottom": (28, 54)}
        assert min(edges, key=lambda side: sums(edges[side])) == facts.shadow
        red, _, blue = (band.tobytes()[28 * 56 + 28] for band in image.split())
        assert (red - blue > 100) == facts.effusion


def test_captions_of_scans_state_the_four_facts() -> None:
    facts = scan.Scan(modality="mri", lesions=1, shadow="top", effusion=False)
    assert scan.caption(facts) == (
        "This is an mri scan. The number of lesions is one. The shadow is on the top. "
        "There is no effusion."
    )
    assert "There is an effusion." in scan.caption(replace(facts, effusion=True))


def test_closed_questions_suggest_the_fact_or_another_value() -> None:
    facts, rng = scan.Scan("ct", 2, "left", effusion=True), seeded("closed")
    words: dict[scan.Aspect, str] = {"modality": "ct", "lesions": "two", "shadow": "left"}
    for aspect, word in words.items():
        yes = scan.closed_question(facts, aspect, rng, truth=True)
        no = scan.closed_question(facts, aspect, rng, truth=False)
        assert (yes.answer, no.answer) == ("yes", "no")
        assert word in yes.text.rstrip("?").split()
        assert word not in no.text.rstrip("?").split()
    assert scan.closed_question(facts, "effusion", rng, truth=False).answer == "yes"


def test_png_of_more_than_one_stored_block() -> None:
    image = Image.effect_noise((200, 150), 80).convert("RGB")
    decoded = Image.open(io.BytesIO(png(image)))
    assert decoded.size == (200, 150)
    assert decoded.tobytes() == image.tobytes()


def test_vocabularies() -> None:
    assert len(_vocabulary.food101()) == 101
    assert len(_vocabulary.foodseg103()) == 102
    assert _vocabulary.foodseg103()[0] == "candy"
    assert _vocabulary.foodseg103()[-1] == "salad"
    assert len(_vocabulary.nutrition5k()) == 555
    assert len(set(_vocabulary.nutrition5k())) == 552
    assert (len(_vocabulary.clrs()), len(_vocabulary.ucmerced())) == (25, 21)
    assert _vocabulary.contractions()["dont"] == "don't"
