"""The oracle against hand-made cases, the `rouge` package, scikit-learn and its own promises."""

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import paper_rules, texts
from oracles.cases import CASES, CONTRACTIONS, LISTS, LUNGS, Case, arguments
from rouge import Rouge
from sklearn.metrics import f1_score, recall_score

ABCD = ["A", "B", "C", "D"]
Facts = tuple[Mapping[str, str], Mapping[str, Sequence[str]]]
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=500)


@pytest.fixture(scope="module")
def facts() -> Facts:
    """The published contractions and lists, where the checkout stands beside them."""
    shared = (parent / "shared" / "facts" for parent in Path(__file__).resolve().parents)
    folder = next((folder for folder in shared if folder.is_dir()), None)
    if folder is None:
        pytest.skip("no shared/facts beside or above the checkout")
    lists = {}
    for key in LISTS:
        (file,) = folder.glob(f"class_lists/{key}_*.txt")
        lists[key] = file.read_text(encoding="utf-8").splitlines()
    lists["food101"] = [name.replace("_", " ") for name in lists["food101"]]
    by_id = [line.split("\t") for line in lists["foodseg103"]]
    lists["foodseg103"] = [name for index, name in by_id if index not in ("0", "103")]
    return json.loads((folder / "contractions.json").read_text(encoding="utf-8")), lists


def _package(label: str, prediction: str) -> float:
    try:
        return float(Rouge(metrics=["rouge-l"]).get_scores(prediction, label)[0]["rouge-l"]["f"])
    except ValueError:
        return 0.0


def _check(case: Case, contractions: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> None:
    value = getattr(paper_rules, case.rule)(*arguments(case, contractions, lists))
    if isinstance(case.expected, float):
        assert value == pytest.approx(case.expected, abs=1e-7), case.proves
    else:
        assert value == case.expected, case.proves


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.proves}")
def test_case(case: Case) -> None:
    _check(case, CONTRACTIONS, LISTS)


def test_cases_hold_with_the_published_lists(facts: Facts) -> None:
    for case in CASES:
        _check(case, *facts)


def test_lists_are_parts_of_the_published_ones(facts: Facts) -> None:
    contractions, lists = facts
    assert CONTRACTIONS.items() <= contractions.items()
    assert [len(lists[key]) for key in sorted(lists)] == [25, 101, 102, 555, 21]
    for key, part in LISTS.items():
        following = iter(lists[key])
        assert all(name in following for name in part), f"{key}: order or names differ"
    assert tuple(lists["food101"][: len(LISTS["food101"])]) == LISTS["food101"]
    assert len(set(lists["nutrition5k"])) == 552


def test_every_rule_has_cases() -> None:
    rules = {name for name in vars(paper_rules) if name.islower() and name[0] != "_"}
    functions = {name for name in rules if callable(getattr(paper_rules, name))}
    assert {case.rule for case in CASES} == functions


@MANY
@given(texts.vqa_texts())
def test_normalised_text_holds_no_mark_article_or_odd_blank(text: str) -> None:
    out = paper_rules.normalise(text.lower(), CONTRACTIONS)
    assert not set(out) & set(texts.MARKS)
    assert out == " ".join(out.split())
    assert not set(out.split()) & {"a", "an", "the", "none", "zero", "one", "ten", "dont"}
    stops = text.count(".") - out.count(".")
    assert 0 <= stops <= 32


@MANY
@given(texts.vqa_texts(), texts.vqa_texts())
def test_vqa_scores_of_a_text_against_itself(label: str, prediction: str) -> None:
    twice = paper_rules.normalise(label.lower(), CONTRACTIONS)
    twice = paper_rules.normalise(twice, CONTRACTIONS)
    assert paper_rules.open_recall(label, label, CONTRACTIONS) == (1.0 if twice else 0.0)
    assert 0.0 <= paper_rules.open_recall(label, prediction, CONTRACTIONS) <= 1.0
    assert paper_rules.floodnet_exact(label, label, CONTRACTIONS) == 1.0
    once = paper_rules.normalise(label.lower(), CONTRACTIONS)
    decisive = 1.0 if "yes" in once or "no" in once else 0.0
    assert paper_rules.closed_accuracy(label, label, CONTRACTIONS) == decisive


@MANY
@given(st.data(), texts.option_texts(), st.integers(0, 10_000))
def test_a_choice_is_a_letter_and_only_a_guess_needs_the_row(
    data: st.DataObject, options: list[str], row_index: int
) -> None:
    text = data.draw(texts.choice_texts(ABCD, options))
    letter, guessed = paper_rules.choose(text, ABCD, options, row_index)
    if guessed:
        assert letter == random.Random(row_index).choice(ABCD)
        assert not any(f"({x})" in text for x in ABCD)
    else:
        assert paper_rules.choose(text, ABCD, options, row_index + 1) == (letter, False)


@MANY
@given(texts.recipe_pairs())
def test_rouge_l_is_the_packages(pair: tuple[str, str]) -> None:
    label, prediction = pair
    for one, other in ((label, prediction), (prediction, label)):
        ours = paper_rules.rouge_l_summary(one, other)
        assert ours == pytest.approx(_package(one, other), abs=1e-9)


def test_rouge_l_has_a_value_where_the_package_fails() -> None:
    label = " ".join(f"word{i}" for i in range(1100))
    prediction = label.replace("word7 ", "other ")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        with pytest.raises(RecursionError):
            _package(label, prediction)
    finally:
        sys.setrecursionlimit(limit)
    true = 1099 / 1100
    assert paper_rules.rouge_l_summary(label, prediction) == pytest.approx(true, abs=1e-7)


@FEW
@given(texts.rows(LISTS["foodseg103"]))
def test_foodseg_f1_is_scikit_learns(row: tuple[list[str], str]) -> None:
    labels, prediction = row
    names = [name.lower() for name in LISTS["foodseg103"]]
    found = paper_rules.names_in(prediction, names)
    true = [int(name in [label.lower() for label in labels]) for name in names]
    predicted = [int(name in found) for name in names]
    expected = f1_score(true, predicted, zero_division=1)
    value = paper_rules.foodseg_f1(labels, prediction, LISTS["foodseg103"])
    assert value == pytest.approx(expected, abs=1e-12)


@FEW
@given(texts.rows(LISTS["nutrition5k"]))
def test_nutrition_recall_is_scikit_learns(row: tuple[list[str], str]) -> None:
    labels, prediction = row
    names = LISTS["nutrition5k"]
    true, predicted = [0] * len(names), [0] * len(names)
    last = {name: index for index, name in enumerate(names)}
    for label in labels:
        true[last[label.lower()]] = 1
    for name in paper_rules.names_in(prediction, names):
        predicted[names.index(name)] = 1
    expected = recall_score(true, predicted, zero_division=1)
    value = paper_rules.nutrition_recall(labels, prediction, names)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("score", [paper_rules.foodseg_f1, paper_rules.nutrition_recall])
def test_a_label_outside_the_vocabulary_is_refused(score: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="'gravel' is not in the vocabulary"):
        score(["gravel"], "egg", ["egg", "tea"])


@FEW
@given(texts.class_texts(LISTS["clrs"]))
def test_a_class_is_a_name_that_the_text_holds(text: str) -> None:
    name = paper_rules.classify(text, LISTS["clrs"])
    if name is not None:
        assert name.replace("-", " ") in text.lower().replace("-", " ").replace("_", " ")
    assert paper_rules.classify(text + ". Railway station", LISTS["clrs"]) == "railway-station"


def _pass(text: str) -> str:
    return paper_rules.normalise(text.lower(), CONTRACTIONS)


def _guessed(text: str) -> bool:
    return paper_rules.choose(text, ABCD, LUNGS, 0)[1]


_f, FOODSEG = paper_rules.rouge_l_summary, LISTS["foodseg103"]
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "vqa": texts.vqa_texts(),
    "choice": texts.choice_texts(ABCD, LUNGS),
    "names": texts.name_lists(FOODSEG),
    "class": texts.class_texts(LISTS["clrs"]),
    "recipe": texts.recipe_pairs(),
}
QUIRKS: dict[str, Callable[[Any], object]] = {
    "vqa: mark beside a space": lambda t: any(f" {m}" in t or f"{m} " in t for m in texts.MARKS),
    "vqa: mark beside no space": lambda t: any(f"x{m}" in t or f"{m}\n" in t for m in texts.MARKS),
    "vqa: digit-comma-digit": lambda t: re.search(r"\d,\d", t),
    "vqa: more than 32 stops": lambda t: t.count(".") > 32,
    "vqa: a second pass counts": lambda t: _pass(_pass(t)) != _pass(t),
    "vqa: no after one pass": lambda t: "no" in _pass(t),
    "vqa: nothing after one pass": lambda t: not _pass(t),
    "vqa: a contraction": lambda t: {"dont", "isnt"} & set(t.lower().split()),
    "vqa: an article": lambda t: {"a", "an", "the"} & set(t.lower().split()),
    "choice: bracketed": lambda t: any(f"({x})" in t for x in ABCD),
    "choice: several letters": lambda t: sum(f" {x} " in t for x in ABCD) > 1,
    "choice: several texts": lambda t: sum(x in t.lower() for x in LUNGS) > 1,
    "choice: a guess": _guessed,
    "choice: stripping decides": lambda t: not _guessed(t) and _guessed(f"\0{t}\0"),
    "choice: white space keeps a mark": lambda t: _guessed(t) and not _guessed(t.strip()),
    "names: one in another": lambda t: any(x in t for x in ("milkshake", "eggplant", "pineapple")),
    "names: deleting makes one": lambda t: any(
        name not in t.lower() for name in paper_rules.names_in(t, FOODSEG)
    ),
    "names: capitals": lambda t: "French beans" in t,
    "class: one in another": lambda t: re.search("railway.station|parking", t.lower()),
    "class: underscored": lambda t: re.search("golf_|railway_|storage_", t.lower()),
    "recipe: equal": lambda pair: _f(*pair) > 0.999 and pair[0] != pair[1],
    "recipe: between": lambda pair: 0.01 < _f(*pair) < 0.99,
    "recipe: an empty token": lambda pair: [""] in paper_rules._segments(pair[0]),
    "recipe: only stops": lambda pair: pair[0] and not pair[0].strip("."),
    "recipe: direction counts": lambda pair: abs(_f(*pair) - _f(*pair[::-1])) > 1e-6,
}


@pytest.mark.parametrize("kind", STRATEGIES)
def test_texts_hit_every_quirk(kind: str) -> None:
    quirks = {name: shows for name, shows in QUIRKS.items() if name.startswith(kind + ":")}
    seen: Counter[str] = Counter()

    @settings(FEW, max_examples=1_500, derandomize=True, database=None)
    @given(STRATEGIES[kind])
    def look(text: Any) -> None:
        seen.update(name for name, shows in quirks.items() if shows(text))

    look()
    # How often differs with the constants that Hypothesis finds in the modules loaded so far.
    assert {name: seen[name] for name in quirks if seen[name] < 5} == {}
