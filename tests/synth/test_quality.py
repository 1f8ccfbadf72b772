"""The quality report: samples, rubric, sheet, agreement, and the command."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chat_server import Server, serving
from harness_helpers import Harness, Ran, picture
from hypothesis import given
from hypothesis import strategies as st
from synth_pairs import lines_of, write_pairs, write_recipe

from synth._types import Pair, Triplet
from synth.quality._published import published
from synth.quality._rubric import SCHEMA, ask, read
from synth.quality._samples import distinct_grams
from synth.quality._tasks import NAMES, OTHER, TASK_TYPES, diversity, guess
from tasks import ImageRef

HOSTILE = '=cmd|\' /C calc\'!A0</p><script>alert(1)</script><img src=x onerror="a()">\x1b[2J\u202e"'
GOOD = {"task_type": "Object Recognition", "knowledge": 3, "complexity": 2, "accuracy": 5,
        "agree": True}  # fmt: skip


def triplet(instruction: str = "What is it?", informative: str = "A cat.") -> Triplet:
    return Triplet(Pair(0, "a", ImageRef("a.png"), "A cat."), instruction, informative, "a cat")


def test_the_twenty_types_are_the_published_ones() -> None:
    assert len(TASK_TYPES) == len(NAMES) == 20
    assert (TASK_TYPES[0].name, TASK_TYPES[-1].name) == (
        "Domain Classification",
        "Visual Storytelling",
    )
    assert diversity(["Sentiment"] * 5 + ["Segmentation", OTHER]) == pytest.approx(200 / 17)
    assert diversity(kind.name for kind in TASK_TYPES) == 100
    assert diversity([]) is None


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What imaging modality was used?", "Domain Classification"),
        ("Which side is the effusion on?", "Visual Grounding"),
        ("Where is the airport?", "Visual Grounding"),
        ("Is there a fracture?", "Anomaly Detection"),
        ("How many eggs are needed?", "Task-Oriented Recognition"),
        ("What is the first step?", "Step-by-Step Guidance"),
        ("What is written on the sign?", "Text Detection and OCR"),
        ("What colour is the roof?", "Attribute and Context"),
        ("Which dish is this?", "Object Recognition"),
        ("What is the mood of the picture?", "Sentiment"),
        ("Describe the image.", "Caption Generation"),
        ("Tell me a story about it.", "Visual Storytelling"),
        ("Hm?", OTHER),
    ],
)  # fmt: skip
def test_rules_guess_a_type(question: str, kind: str) -> None:
    assert guess(question) == kind


def test_published_values_are_the_facts(shared_data: Path) -> None:
    with (shared_data.parent / "facts" / "quality_scores.csv").open() as file:
        assert len(published()) == len(list(csv.DictReader(file))) == 54
    ours = [
        row.score
        for row in published()
        if (row.domain, row.whose) == ("Recipe1M", "the paper's synthesizer")
    ]
    assert ours == [52.9, 21.9, 69.9, 84.3]


def test_what_a_judge_is_asked() -> None:
    (seen,), (unseen,) = (ask(triplet(HOSTILE, HOSTILE), sees=sees) for sees in (True, False))
    assert (seen.images, unseen.images) == (1, 0)
    assert all(kind.name in seen.text for kind in TASK_TYPES)
    # A stranger's text stays inside its quotation marks, on its line.
    assert seen.text.count('"') == ask(triplet(), sees=True)[0].text.count('"')
    assert len(seen.text.splitlines()) == len(ask(triplet(), sees=True)[0].text.splitlines())


def test_the_schema_is_one() -> None:
    import jsonschema

    jsonschema.validate(GOOD, json.loads(SCHEMA))
    for wrong in ({"knowledge": 6}, {"task_type": "Cooking"}, {"agree": "yes"}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**GOOD, **wrong}, json.loads(SCHEMA))


def test_judges_answers_are_read() -> None:
    rating = read(f"```json\n{json.dumps({**GOOD, 'knowledge': '4', 'accuracy': 5.0})}\n```")
    assert rating is not None
    assert (rating.knowledge, rating.accuracy, rating.agree) == (4, 5, True)
    assert read(json.dumps({**GOOD, "task_type": "Cooking"})).task_type == OTHER  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "said",
    ["", "Fine.", "[]", json.dumps({**GOOD, "accuracy": 6}), json.dumps({**GOOD, "accuracy": 2.5}),
     json.dumps({**GOOD, "accuracy": True}), json.dumps({**GOOD, "agree": 1}),
     json.dumps({**GOOD, "task_type": None}), '{"accuracy": NaN}', json.dumps(GOOD)[:-9],
     json.dumps({**GOOD, "accuracy": "9" * 5_000}), json.dumps({**GOOD, "accuracy": "\u00b2"})],
)  # fmt: skip
def test_what_is_not_in_form_is_no_rating(said: str) -> None:
    assert read(said) is None


@given(
    st.dictionaries(
        st.sampled_from(list(GOOD)),
        st.none() | st.text() | st.floats() | st.integers() | st.booleans(),
    )
)
def test_no_answer_breaks_the_reading(fields: dict[str, Any]) -> None:
    rating = read(json.dumps({**GOOD, **fields}))
    assert rating is None or rating.knowledge in range(1, 6)


def test_distinct_grams() -> None:
    assert distinct_grams(["The cat. The dog", "the cat"]) == [50.0, 75.0, 100.0]
    assert distinct_grams([]) == distinct_grams([""]) == [None, None, None]


class World:
    """A recipe with a judge, and the server that answers it."""

    def __init__(self, harness: Harness, recipe: Path, server: Server) -> None:
        self.harness, self.recipe, self.server = harness, recipe, server

    def report(self, *arguments: object, recipe: Path | None = None) -> Ran:
        ran = self.harness("synth", recipe or self.recipe, "--report", *arguments)
        assert ran.code == 0, ran.err
        return ran

    def folder(self, *arguments: object) -> Path:
        return Path(self.report("--json", *arguments).json["report"]["path"])


def rate(body: dict[str, Any]) -> str:
    text = json.dumps(body["messages"])
    if "Object" not in text:
        return "Yes" if len(text) % 3 else "No"
    if "24" in text:
        return "I would rather not."
    return json.dumps({**GOOD, "knowledge": 1 + len(text) % 5, "agree": len(text) % 2 == 0})


@pytest.fixture
def world(harness: Harness, tmp_path: Path) -> Iterator[World]:
    pairs = write_pairs(tmp_path / "data", 30)
    with serving(answer=rate) as server:
        model = {"model": "m", "engine": "openai", "base_url": server.url}
        recipe = write_recipe(tmp_path / "soup.yaml", pairs, filter=model, judge=model)
        yield World(harness, recipe, server)


def test_samples_before_and_after_the_filter_are_rated(world: World) -> None:
    folder = world.folder()
    made = json.loads((folder / "quality.json").read_text())
    record = json.loads((folder / "stage.json").read_text())
    before, after = made["sets"]
    assert (before["name"], after["name"]) == ("soup, before the filter", "soup")
    assert before["samples"] == before["rows"] > after["rows"] == after["samples"] > 0
    assert (
        record["rows_in"] == record["rows_out"] + sum(record["rejects"].values()) == before["rows"]
    )
    assert record["rejects"]["malformed"] == len(lines_of(folder / "rejects.jsonl")) > 0
    for found in (before, after):
        judge = found["judge"]
        assert judge["rated"] + sum(judge["rejects"].values()) == found["samples"]
        assert judge["accuracy"]["mean"] == 100
        assert judge["accuracy"]["low"] is None
        assert judge["knowledge"]["low"] <= judge["knowledge"]["mean"] <= judge["knowledge"]["high"]
        assert found["types"] == {
            "by": "judge",
            "of": judge["rated"],
            "counts": {"Object Recognition": judge["rated"]},
        }
    asked = sum(world.server.answered.values())
    assert max(world.server.answered.values()) == 1
    assert world.server.bodies[-1]["response_format"]["type"] == "json_schema"
    world.report()
    world.harness("synth", world.recipe, "--report", "--set", "synth.seed=0", "--work", "work")
    assert sum(world.server.answered.values()) == asked


def fill(sheet: Path, target: Path, delimiter: str = ",", **cells: str) -> Path:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        own = {"knowledge": str(1 + number % 5), "complexity": "2", "accuracy": "4", "agree": "Yes",
               "task_type": "sentiment"}  # fmt: skip
        row.update(own | cells)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        # Spreadsheets write rows that were emptied, or only touched.
        file.write(2 * (delimiter * (len(rows[0]) - 1) + "\n"))
    return target


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_sheet_comes_back(world: World, tmp_path: Path, delimiter: str) -> None:
    folder = world.folder()
    filled = fill(folder / "sheet.csv", tmp_path / "filled.csv", delimiter)
    asked = len(world.server.bodies)
    again = world.folder("--read-sheet", filled)
    assert len(world.server.bodies) == asked
    assert again != folder
    made = json.loads((again / "quality.json").read_text())
    agreed, (_, after) = made["agreement"], made["sets"]
    assert agreed["both"] == agreed["accuracy"]["n"] == after["judge"]["rated"]
    assert agreed["accuracy"]["exact"] == 0
    assert agreed["accuracy"]["within_one"] == 100
    assert agreed["accuracy"]["kappa"]["value"] == 0
    assert "reason" in agreed["accuracy"]["spearman"]
    assert -1 <= agreed["knowledge"]["kappa"]["value"] <= 1
    assert after["people"]["accuracy"]["mean"] == 75
    assert after["people"]["rated"] == after["samples"]
    assert "soup, people" in world.report("--read-sheet", filled).out


def test_a_sheet_that_somebody_has_begun_is_left_alone(world: World) -> None:
    sheet = world.folder() / "sheet.csv"
    sheet.write_text("begun")
    (sheet.parent / "stage.json").unlink()
    assert world.folder() == sheet.parent
    assert sheet.read_text() == "begun"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"accuracy": "6"}, "accuracy is '6'"), ({"knowledge": "good"}, "knowledge is 'good'"),
        ({"complexity": "2.5"}, "complexity"), ({"agree": "maybe"}, "yes or no"),
        ({"task_type": "Cooking"}, "no task type"), ({"sample": "sff"}, "stands twice"),
        (dict.fromkeys(("knowledge", "complexity", "accuracy", "agree", "task_type"), ""), "nothing is filled in"),
    ],
)  # fmt: skip
def test_wrong_cells_are_named(
    world: World, tmp_path: Path, cells: dict[str, str], said: str
) -> None:
    filled = fill(world.folder() / "sheet.csv", tmp_path / "filled.csv", **cells)
    ran = world.harness("synth", world.recipe, "--report", "--read-sheet", filled)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks the columns"), (b"sample,accuracy\n", "task_type"),
        (b"sample,task_type,knowledge,complexity,accuracy,agree\n,,,,5,\n", "but no sample"),
        (b"\xff\xfes\x00", "CSV UTF-8"), (b"sample,task_type,knowledge,complexity,accuracy,agree\nsff,,,,5,\n", "none of its samples"),
        (b'sample,task_type,knowledge,complexity,accuracy,agree\n"' + b"x" * 200_000, "field"),
    ],
)  # fmt: skip
def test_what_is_no_sheet_is_refused(
    world: World, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    ran = world.harness("synth", world.recipe, "--report", "--read-sheet", path)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report", "--dry-run"], "--report"), (["--report", "--stage", "mix"], "--report"),
        (["--report", "--preview", "2"], "--report"), (["--against", "x"], "--report"),
        (["--read-sheet", "x"], "--report"), (["--report", "--captions-only"], "captions only"),
        (["--report", "--against", "nowhere.yaml"], "neither a recipe"),
        (["--report", "--read-sheet", "nowhere.csv"], "nowhere.csv"),
        (["--report", "--set", "synth.judge=no/such"], "no/such"),
    ],
)  # fmt: skip
def test_wrong_requests(harness: Harness, tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = harness(
        "synth", write_recipe(tmp_path / "soup.yaml", write_pairs(tmp_path / "data", 3)), *arguments
    )
    assert ran.code == 2
    assert said in ran.err
    assert not Path("work").exists()


def test_without_a_judge_what_can_be_counted_is(harness: Harness, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "soup.yaml", write_pairs(tmp_path / "data", 6), filter=None)
    ran = harness("synth", recipe, "--report", "--json")
    folder = Path(ran.json["report"]["path"])
    made = json.loads((folder / "quality.json").read_text())
    (only,) = made["sets"]
    assert only["judge"] is only["people"] is made["agreement"] is None
    assert only["types"]["by"] == "rules"
    assert only["words"]["informative"]["median"] > 5
    assert "Nobody rated" in (folder / "quality.html").read_text()
    filled = fill(folder / "sheet.csv", tmp_path / "filled.csv")
    again = harness("synth", recipe, "--report", "--read-sheet", filled, "--json").json["report"]
    assert again["scores"][0]["people"]["complexity"] == 25


def test_recipes_and_files_side_by_side(world: World, tmp_path: Path) -> None:
    pairs = json.loads(world.recipe.read_text())["synth"]["pairs"]
    other = write_recipe(tmp_path / "other.yaml", Path(pairs), seed=5, filter=None)
    folder = world.folder("--against", other)
    made = json.loads((folder / "quality.json").read_text())
    assert [found["name"] for found in made["sets"]] == ["soup, before the filter", "soup", "other"]
    assert list(Path("work/other/answers").glob("judge-*"))
    page = (folder / "quality.html").read_text()
    assert page.count("data:image/webp") == 8
    assert "rejected by the filter" in page
    (triplets,) = Path("work/other").glob("generate-*")
    again = json.loads(
        (
            world.folder("--against", triplets, "--against", triplets / "triplets.jsonl")
            / "quality.json"
        ).read_text()
    )
    assert again["sources"] == ["soup", triplets.name, "triplets"]
    assert again["sets"][2]["words"] == again["sets"][3]["words"] == made["sets"][2]["words"]
    (tmp_path / "bad.jsonl").write_text('{"id": "a"}\n')
    ran = world.harness("synth", world.recipe, "--report", "--against", tmp_path / "bad.jsonl")
    assert ran.code == 2
    assert "holds no triplets" in ran.err


class Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_hostile_text_stays_text(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(3))
    (folder / "b.png").write_bytes(picture(3)[:60])
    base = {"index": 0, "id": HOSTILE, "caption": HOSTILE, "instruction": HOSTILE,
            "informative": f" {HOSTILE}", "precise": "+1"}  # fmt: skip
    lines = [{**base, "image": name} for name in ("a.png", "b.png")]
    (folder / "triplets.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "pairs.jsonl").write_text(
        json.dumps({"id": "x", "image": "a.png", "caption": "Soup. Ingredients: salt, milk. Boil."})
        + "\n"
    )
    judge = {"model": json.dumps({**GOOD, "task_type": HOSTILE}), "engine": "constant"}
    recipe = write_recipe(tmp_path / "x.yaml", folder / "pairs.jsonl", judge=judge)
    ran = harness("synth", recipe, "--report", "--json", "--against", folder)
    report = Path(ran.json["report"]["path"])
    assert json.loads((report / "stage.json").read_text())["rejects"] == {"unusable image": 1}
    text = (report / "quality.html").read_text()
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "link", "a"}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert all(
        (attrs["src"] or "").startswith("data:image/webp")
        for tag, attrs in page.tags
        if tag == "img"
    )
    assert "\x1b" not in text
    assert not re.search(r"https?:|url\(", text)
    with (report / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())
        assert "\x1b" not in "".join(row.values())
