"""The parts of controls by themselves: orders, other pictures, commonest labels, relations."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from choice_rows import TEXTS, choice_row
from harness_helpers import picture
from hypothesis import given
from hypothesis import strategies as st

from harness import images
from harness.controls import OtherPictures, commonest_answers, read_order, relation
from harness.controls._beside import control_notes
from harness.controls._options import OptionOrder, reordered
from harness.errors import RowError, UserError
from harness.runs import RunFolder
from tasks import TASKS, ImageRef, Row
from tasks.scorers import MultiLabel, OpenClosedVqa, RougeL

SLAKE = TASKS["slake"]
FORMS = ("({}) {}", "{}) {}", "{}. {}", "{}: {}")


def row(index: int, label: str | tuple[str, ...] = "x", **more: Any) -> Row:
    return Row(index=index, id=str(index), prompt="?", label=label, **more)


@given(
    st.sampled_from(FORMS),
    st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=10),
    st.sampled_from(["\n", "\n\n", " ", "; "]),
    st.randoms(),
)
def test_options_move_and_come_back(form: str, options: list[str], between: str, rng: Any) -> None:
    def written(texts: list[str]) -> str:
        letters = "ABCDEFGHIJ"[: len(texts)]
        lines = [form.format(letter, text) for letter, text in zip(letters, texts, strict=True)]
        return f"Which?\n{between.join(lines)}"

    prompt = written(options)
    places = list(range(len(options)))
    rng.shuffle(places)
    back = [places.index(place) for place in range(len(places))]
    try:
        moved = reordered(prompt, options, places)
    except RowError:
        return  # an option that reads like the end of the list may be refused, never mixed up
    texts = [options[place] for place in places]
    assert moved.split() == written(texts).split()
    assert reordered(moved, texts, back).split() == prompt.split()


@pytest.mark.parametrize("form", FORMS)
def test_usual_forms_are_recognised(form: str) -> None:
    lines = [form.format(x, text) for x, text in zip("ABCD", TEXTS, strict=True)]
    prompt = "Which of them?\n" + "\n".join(lines) + "\nAnswer with a letter."
    moved = reordered(prompt, TEXTS, [3, 2, 1, 0]).splitlines()
    assert moved[0] == "Which of them?"
    assert moved[-1] == "Answer with a letter."
    assert moved[1:5] == [form.format(x, t) for x, t in zip("ABCD", TEXTS[::-1], strict=True)]


@pytest.mark.parametrize(
    "prompt",
    [
        "(A) left lung\n(B) right lung\n(C) liver",  # one is missing
        "(A) left lungs\n(B) right lung\n(C) liver\n(D) spleen",
        "(A) left lung\n(B) right lung\n(C) liver\n(D) spleens",
        "(a) left lung\n(b) right lung\n(c) liver\n(d) spleen",
        "(A) right lung\n(B) left lung\n(C) liver\n(D) spleen",
        "",
    ],
)
def test_other_texts_are_refused(prompt: str) -> None:
    with pytest.raises(RowError, match="does not hold"):
        reordered(prompt, TEXTS, [3, 2, 1, 0])


def test_blanks_without_end_are_no_trouble() -> None:
    began = time.perf_counter()
    prompt = "(A)" + " \n" * 200_000 + "(B)" + "(A) " * 50_000
    with pytest.raises(RowError):
        reordered(prompt, ["", "", "x"], [2, 1, 0])
    assert time.perf_counter() - began < 5


@given(st.integers(2, 10), st.text())
def test_orders_hold_every_option_once(count: int, seed: str) -> None:
    for text in ("reversed", "rotated:3", "shuffled"):
        order = read_order(text)
        assert isinstance(order, OptionOrder)
        assert order.name == text
        seeded = json.dumps(seed)
        places = order.places(count, seeded)
        assert sorted(places) == list(range(count))
        assert order.places(count, seeded) == places
        if text != "rotated:3":
            assert places != list(range(count))
    assert read_order("given") is None


def test_order_of_a_row_depends_on_its_id_alone() -> None:
    fields = choice_row(0)
    options = tuple(TEXTS)
    one = Row(index=0, id="a\ud800", prompt=fields["input"], label="A", options=options)
    order = OptionOrder("shuffled")
    moved = order.applied(one, "pmc_vqa")
    assert moved == order.applied(one, "pmc_vqa")
    assert moved.options["ABCD".index(str(moved.label))] == "left lung"
    others = {
        order.applied(Row(index=0, id=str(i), prompt=fields["input"], label="A", options=options),
                      "pmc_vqa").options for i in range(40)
    }  # fmt: skip
    assert len(others) > 10


def refs(count: int, size: int = 0) -> Iterator[Row]:
    for index in range(count):
        data = picture(index) + b"\0" * size
        yield row(index, images=(ImageRef(f"row {index}", data=data),))


def test_other_pictures_differ_from_the_own_by_pixels(tmp_path: Path) -> None:
    """A picture that is encoded twice is one picture, and a damaged one is shown to nobody."""
    shown = [picture(i) for i in range(5)]
    same = [picture(i, kind="WEBP") for i in range(5)]
    (tmp_path / "own.png").write_bytes(picture(7))
    rows = [row(i, images=(ImageRef(f"{i}", data=data),)) for i, data in enumerate(shown + same)]
    rows += [row(20, images=(ImageRef("x", data=b"no picture"),)), row(21)]
    rows += [row(22, images=(ImageRef("own.png", root=tmp_path),))]
    with OtherPictures(tmp_path) as others:
        others.read(rows, SLAKE)
        seen = set()
        for data in (*shown, picture(7)):
            own = images.pixel_hash(images.decode(data, ("PNG", "WEBP"), "x"))
            (ref,) = others.instead_of([own])
            assert [ref] == others.instead_of([own])
            other = images.pixel_hash(images.load(ref, ("PNG", "WEBP")).image)
            assert other != own
            seen.add(other)
        assert len(seen) >= 6
        with pytest.raises(RowError, match="no other picture"):
            others.instead_of(["00" * 16])
    assert [path.name for path in tmp_path.glob("*") if path.is_file()] == ["own.png"]


def test_rows_of_several_pictures_are_shown_none_of_their_own(tmp_path: Path) -> None:
    with OtherPictures(tmp_path) as others:
        others.read(refs(4), SLAKE)
        own = [images.pixel_hash(images.decode(picture(i), ("PNG",), "x")) for i in range(3)]
        found = [images.pixel_hash(images.load(r, ("PNG",)).image) for r in others.instead_of(own)]
        assert len(found) == 3
        assert not set(found) & set(own)
        with pytest.raises(RowError, match="no other"):
            others.instead_of([*own, found[0]])


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    with OtherPictures(tmp_path) as others:
        tracemalloc.start()
        others.read(refs(256, size=200_000), SLAKE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3_000_000  # of 51 MB of pictures


def test_one_picture_cannot_be_shuffled(tmp_path: Path) -> None:
    with OtherPictures(tmp_path) as others, pytest.raises(UserError, match="slake has fewer"):
        others.read(refs(1), SLAKE)


def test_commonest_answers_by_kind_of_label() -> None:
    closed = OpenClosedVqa()
    rows = [row(0, "Yes", split="closed"), row(1, "yes ", split="closed"),
            row(2, "no", split="closed"), row(3, "b", split="open"), row(4, "a", split="open"),
            row(5, "Yes", split="closed")]  # fmt: skip
    assert commonest_answers(rows, closed) == {"closed": "Yes", "open": "a"}
    assert commonest_answers(rows[::-1], closed) == {"closed": "Yes", "open": "a"}
    names = MultiLabel(lambda: ("rice", "egg", "tofu"), "f1")
    sets = [row(0, ("rice", "egg")), row(1, ("egg", "rice")), row(2, ("tofu",)), row(3, ("nut",)),
            row(4, ("nut",)), row(5, ("nut",))]  # fmt: skip
    assert commonest_answers(sets, names) == {None: "egg, rice"}
    references = [row(0, ("a dog", "a cat")), row(1, ("two", "a cat"))]
    assert commonest_answers(references, RougeL("best")) == {None: "a cat"}
    assert commonest_answers([], closed) == {}


def settings(**more: Any) -> dict[str, Any]:
    tasks = {"slake": {"version": 1, "data": "d", "task_yaml": None, "sampling": {"max": 3}}}
    answers = {"engine": "vllm"}
    base = {"model": "m", "answers": answers, "images": "given", "limit": None, "tasks": tasks}
    return base | more


@pytest.mark.parametrize(
    ("control", "name"),
    [
        ({"images": "blank"}, "image benefit over blank"),
        ({"images": "shuffled"}, "image benefit over shuffled pictures"),
        ({"images": "none"}, "image benefit over no picture"),
        ({"option_order": "reversed"}, "effect of option order (given - reversed)"),
        ({"repeat": 2}, "repeat noise"),
        ({"model": "x", "answers": {}}, "gain over a constant answer"),
        ({"model": "x", "answers": {"baseline": "majority"}}, "gain over the commonest label"),
    ],
)
def test_relations(control: dict[str, Any], name: str) -> None:
    assert relation(settings(**control), settings()) == (name, 1)
    assert relation(settings(), settings(**control)) == (name, -1)
    for two in ({"limit": 3}, {"tasks": {}}, {"unheard": 1}):
        assert relation(settings(**control), settings(**two)) is None


def test_what_is_no_relation() -> None:
    assert relation(settings(), settings()) is None
    assert relation(settings(), settings(model="other")) is None
    assert relation(settings(images="blank"), settings(images="none")) is None
    assert relation(settings(images="blank"), settings(repeat=2)) is None
    assert relation(settings(images=["blank"]), settings()) is None
    assert relation(settings(tasks=None, model="x", answers={}), settings()) is None
    both = (settings(option_order="reversed"), settings(option_order="shuffled"))
    assert relation(*both) == ("effect of option order (shuffled - reversed)", 1)


def test_two_hundred_runs_are_looked_through_quickly(tmp_path: Path) -> None:
    results: dict[str, Any] = {
        "schema_version": 1, "results": [], "unreadable": {}, "groups": [], "model": {},
    }  # fmt: skip
    for number in range(200):
        folder = tmp_path / "runs" / f"{number:03d}"
        folder.mkdir(parents=True)
        run = {"schema_version": 1, "tasks": [], "settings": settings(model=f"m{number}")}
        (folder / "run.json").write_text(json.dumps(run | {"padding": "x" * 3_000}))
        (folder / "results.json").write_text(json.dumps(results))
    blank = tmp_path / "runs" / "blank"
    blank.mkdir()
    run = {"schema_version": 1, "tasks": [], "settings": settings(model="m7", images="blank")}
    (blank / "run.json").write_text(json.dumps(run))
    (blank / "results.json").write_text(json.dumps(results))
    began = time.perf_counter()
    (found,) = control_notes(RunFolder(tmp_path / "runs" / "007"))
    assert time.perf_counter() - began < 5
    assert found == "Image benefit over blank (paper): no rows. Control: blank."


def test_a_turn_that_changes_nothing_is_no_control() -> None:
    fields = choice_row(0)
    row = Row(index=0, id="a", prompt=fields["input"], label="A", options=tuple(TEXTS))
    for by, moves in ((3, True), (4, False), (5, True), (8, False)):
        order = OptionOrder("rotated", by)
        if moves:
            assert order.applied(row, "pmc_vqa").options != row.options
        else:
            with pytest.raises(RowError, match=f"rotated:{by} leaves 4 options in the given order"):
                order.applied(row, "pmc_vqa")
