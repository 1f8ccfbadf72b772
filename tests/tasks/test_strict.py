"""The `strict` scorers: what a careful evaluator would say of each answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import TASKS, LabelError, Row, Scored
from tasks._vocabulary import food101, foodseg103


def strict(task: str, label: str | tuple[str, ...], text: str, **more: object) -> Scored:
    row = Row(index=0, id="0", prompt="", label=label, **more)  # type: ignore[arg-type]
    return TASKS[task].scorer.strict(row, text)


@pytest.mark.parametrize(
    ("label", "text", "right"),
    [
        ("yes", "Yes", 1), ("yes", "yes.", 1), ("no", "No", 1), ("yes", "no", 0),
        ("yes", "Yeah, it is.", 1), ("yes", "That is true.", 1), ("yes", "Correct", 1),
        ("no", "That is not true.", 1), ("no", "It isn't correct", 1), ("yes", "not correct", 0),
        ("no", "not entirely correct", 1), ("yes", "That is not false.", 1),
        ("no", "There is no evidence of effusion.", 1), ("no", "incorrect", 1),
        ("yes", "Yes and no", 0), ("no", "Yes and no", 0), ("no", "yes, no", 0),
        ("yes", "No, wait: yes.", 0), ("no", "no, that is incorrect", 1),
        ("yes", "Yes, there is no fracture.", 1), ("no", "normal", 0), ("no", "unknown", 0),
        ("no", "Nothing is seen", 0), ("yes", "eyes", 0), ("yes", "", 0), ("no", "I am not sure", 0),
        ("Yes.", "yes", 1), (" NO ", "no", 1), ("yes", "**Yes**", 1), ("yes", "Yes\nNo", 0),
        ("no", "Certainly not, no.", 1), ("no", "No, certainly not.", 1), ("yes", "It is true that it is.", 1),
        ("no", "The correct answer is no.", 1), ("no", "No, it is certainly healthy.", 1),
        ("no", "The statement is not at all true.", 1), ("no", "No, a false positive", 1),
        ("left", "On the left side.", 1), ("left", "leftward", 0), ("left lung", "the left-lung", 1),
    ],
)  # fmt: skip
def test_closed(label: str, text: str, right: int) -> None:
    assert strict("slake", label, text, split="closed").metrics["accuracy"] == right


def test_closed_unparsed() -> None:
    assert strict("slake", "no", "normal", split="closed").unparsed
    assert not strict("slake", "no", "yes and no", split="closed").unparsed


def test_open_counts_are_clipped() -> None:
    scored = strict("slake", "left lung", "lung lung lung", split="open")
    assert scored.metrics == pytest.approx({"recall": 0.5, "exact_match": 0.0, "token_f1": 0.4})
    exact = strict("slake", "left lung", "The left lung.", split="open").metrics
    assert exact == {"recall": 1.0, "exact_match": 1.0, "token_f1": 1.0}
    assert strict("slake", "left lung", "", split="open").unparsed


OPTIONS = ("large mass", "mass", "vitamin C deficiency", "The aorta")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("b", "B"), ("**B**", "B"), ("B)", "B"), ("(B)", "B"), ("B.", "B"), ("B.\n", "B"),
        ("Answer: B", "B"), ("The answer is B because it is small", "B"), ("The answer is (C).", "C"),
        ("The correct option is D", "D"), ("Option C", "C"), ("B. mass", "B"), ("A. large mass", "A"),
        ("B) mass, since (A) is wrong", "B"), ("The answer is B, option A is wrong", "B"),
        ("**B** mass", "B"), ("$\\boxed{B}$", "B"), ("(D) The aorta", "D"), ("A", "A"), ("a", "A"),
        ("Answer: **C**", "C"), ("The answer is: (D)", "D"), ("B:", "B"), ("C - vitamin", "C"),
        ("A large mass", "A"), ("large mass", "A"), ("mass", "B"), ("a mass", "B"),
        ("It shows a large mass.", "A"), ("The aorta is seen", "D"), ("A picture of the aorta", "D"),
        ("It shows Vitamin C in the blood", None), ("A or B", None), ("(A) or (B)", None),
        ("A, B", None), ("", None), ("nothing", None), ("A picture of a heart", None),
        ("large mass or the aorta", None), ("massive", None), ("E", None), ("(A) and (C)", None),
        ("I think a doctor should look", None), ("B/C", None), ("Answer: B, C", None),
        ("A) lung\nB) heart\nC) liver\nD) spleen", None), ("A: lung, B: heart", None),
        ("The answer is B or C", None), ("(A) no. (B) yes.", None), ("The answer is B and not C", "B"),
    ],
)  # fmt: skip
def test_lettered_choice(text: str, letter: str | None) -> None:
    scored = strict("pmc_vqa", "B", text, options=OPTIONS)
    assert scored.parsed == letter
    assert scored.unparsed == (letter is None)
    assert not scored.guessed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pizza", "pizza"), ("This is Apple Pie.", "apple pie"), ("apple_pie", "apple pie"),
        ("7", None), ("pizza or lasagna", None), ("It could be pizza. The answer is lasagna.", "lasagna"),
        ("**Caesar salad**", "caesar salad"), ("pizzas", None), ("", None),
        ("chocolate cake", "chocolate cake"),
    ],
)  # fmt: skip
def test_food101(text: str, name: str | None) -> None:
    scored = strict("food101", "pizza", text)
    assert scored.parsed == name
    assert scored.metrics["accuracy"] == (name == "pizza")


def test_multi_label_takes_whole_words_longest_first() -> None:
    scored = strict("foodseg103", ("egg", "milk"), "[egg tart, milkshake, milk]")
    assert scored.parsed == "egg tart, milk, milkshake"
    assert scored.metrics == pytest.approx({"f1": 2 / 5, "precision": 1 / 3, "recall": 1 / 2})
    assert strict("foodseg103", ("egg",), "eggs").unparsed
    assert strict("foodseg103", ("French beans",), "french beans").metrics["f1"] == 1
    assert strict("nutrition5k", (), "nothing").metrics == {"recall": 1, "precision": 1, "f1": 1}
    assert strict("nutrition5k", (), "bacon").metrics == {"recall": 0, "precision": 0, "f1": 0}
    assert strict("nutrition5k", ("deprecated",), "deprecated").metrics["recall"] == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("parking lot", "parkinglot"), ("parkinglot", "parkinglot"), ("a river and a beach", None),
        ("Dense residential area", "denseresidential"), ("harbour", None),
    ],
)  # fmt: skip
def test_scene(text: str, name: str | None) -> None:
    assert strict("ucmerced", "river", text).parsed == name


def test_flood_answers() -> None:
    assert strict("floodnet", "yes", "Yes, it is.").metrics["accuracy"] == 1
    assert strict("floodnet", "flooded", "non flooded").metrics["accuracy"] == 0
    assert strict("floodnet", "4", "Four").metrics["accuracy"] == 1
    assert strict("floodnet", "A", "").metrics["accuracy"] == 0


@pytest.mark.parametrize(
    ("task", "label"),
    [("pmc_vqa", "E"), ("food101", "stew"), ("foodseg103", ("background",)), ("clrs", "moon"),
     ("nutrition5k", ("unobtainium",)), ("slake", ("a", "b"))],
)  # fmt: skip
def test_labels_outside_the_vocabulary(task: str, label: str | tuple[str, ...]) -> None:
    row = Row(index=0, id="0", prompt="", label=label, split="open", options=OPTIONS)
    scorer = TASKS[task].scorer
    refuse = scorer.paper if task == "slake" else lambda row, _: scorer.check(row)
    with pytest.raises(LabelError):
        refuse(row, "text")


@given(st.text(), st.sampled_from(sorted(TASKS)), st.sampled_from(["open", "closed"]))
def test_any_text_scores_between_0_and_1(text: str, name: str, split: str) -> None:
    task = TASKS[name]
    labels = {
        "pmc_vqa": "B", "food101": food101()[3], "foodseg103": foodseg103()[:3], "clrs": "park",
        "nutrition5k": ("bacon",), "ucmerced": "river", "nwpu_captions": ("a b.", "c d."),
    }  # fmt: skip
    column_split = split if task.scorer.columns[0].split else None
    row = Row(
        index=3,
        id="3",
        prompt="",
        label=labels.get(name, "yes"),
        split=column_split,
        options=OPTIONS,
    )  # type: ignore[arg-type]
    column = next(c for c in task.scorer.columns if c.split == column_split)
    for protocol in ("paper", "strict"):
        scored = getattr(task.scorer, protocol)(row, text)
        assert tuple(scored.metrics) == task.scorer.metrics(protocol, column)
        assert all(0 <= value <= 1 for value in scored.metrics.values())
