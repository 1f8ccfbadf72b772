"""The `paper` scorers against an independent transcription of the published rules."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import paper_rules, texts
from oracles.cases import CASES, LISTS, Case

from tasks import TASKS, Row
from tasks import _vocabulary as vocabulary
from tasks.scorers import SceneClass, rouge_l_summary
from tasks.scorers._choice import choose_paper
from tasks.scorers._normalize import normalize

MANY = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
CONTRACTIONS = vocabulary.contractions()
ABCD = ("A", "B", "C", "D")
FOOD101 = tuple(name.replace("_", " ") for name in vocabulary.food101())


def row(
    label: str | tuple[str, ...], split: str | None = None, index: int = 0, **more: object
) -> Row:
    return Row(index=index, id=str(index), prompt="", label=label, split=split, **more)  # type: ignore[arg-type]


def value(task: str, made: Row, text: str) -> float:
    return next(iter(TASKS[task].scorer.paper(made, text).metrics.values()))


def ours(case: Case) -> object:
    """The case's answer from the project's own scorers, with the full lists."""
    match case.rule:
        case "normalise":
            return normalize(*case.inputs)
        case "open_recall":
            label, text = case.inputs
            return value("slake", row(label, "open"), text)
        case "closed_accuracy":
            label, text = case.inputs
            return value("slake", row(label, "closed"), text)
        case "floodnet_exact":
            label, text = case.inputs
            return value("floodnet", row(label), text)
        case "choose":
            text, index = case.inputs
            indices = case.names == "food101"
            names = FOOD101 if indices else case.names
            letters = [str(i) for i in range(101)] if indices else list(ABCD[: len(names)])
            choice = choose_paper(text, letters, names, index)
            return letters[choice.position], choice.guessed
        case "names_in":
            found = TASKS[case.names].scorer.paper(row(()), *case.inputs).parsed
            return found.split(", ") if found else []
        case "foodseg_f1" | "nutrition_recall":
            labels, text = case.inputs
            task = "foodseg103" if case.rule == "foodseg_f1" else "nutrition5k"
            return value(task, row(tuple(labels)), text)
        case "rouge_l_summary":
            return rouge_l_summary(*case.inputs).f
        case "classify":
            if isinstance(case.names, tuple):
                return SceneClass(lambda: case.names).paper(row(case.names[0]), *case.inputs).parsed
            label = LISTS[case.names][0]
            return TASKS[case.names].scorer.paper(row(label), *case.inputs).parsed
    raise AssertionError(case.rule)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.proves}")
def test_hand_made_case(case: Case) -> None:
    if case.rule == "choose" and case.names == "food101" and case.expected[1]:
        pytest.skip("a guess among 15 names is another guess among 101")
    got = ours(case)
    if isinstance(case.expected, float):
        assert got == pytest.approx(case.expected, abs=1e-7), case.proves
    else:
        assert got == case.expected, case.proves


@MANY
@given(texts.vqa_texts(tuple(CONTRACTIONS)))
def test_normalising(text: str) -> None:
    assert normalize(text.lower()) == paper_rules.normalise(text.lower(), CONTRACTIONS)


@MANY
@given(texts.vqa_texts(tuple(CONTRACTIONS)), texts.vqa_texts(tuple(CONTRACTIONS)))
def test_open_recall(label: str, text: str) -> None:
    expected = paper_rules.open_recall(label, text, CONTRACTIONS)
    assert value("slake", row(label, "open"), text) == pytest.approx(expected, abs=1e-12)


@MANY
@given(st.sampled_from(["yes", "no", "Yes.", "left", "0"]) | texts.vqa_texts(), texts.vqa_texts())
def test_closed_accuracy(label: str, text: str) -> None:
    expected = paper_rules.closed_accuracy(label, text, CONTRACTIONS)
    assert value("pathvqa", row(label, "closed"), text) == expected


@MANY
@given(st.data(), texts.option_texts(), st.integers(0, 30_000))
def test_lettered_choice(data: st.DataObject, options: list[str], index: int) -> None:
    text = data.draw(texts.choice_texts(ABCD, options))
    letter, guessed = paper_rules.choose(text, ABCD, options, index)
    scored = TASKS["pmc_vqa"].scorer.paper(row("B", index=index, options=tuple(options)), text)
    assert (scored.parsed, scored.guessed) == (letter, guessed)
    assert scored.metrics["accuracy"] == (letter == "B")


INDICES = tuple(str(i) for i in range(101))


@MANY
@given(texts.choice_texts(INDICES, FOOD101), st.integers(0, 30_000), st.sampled_from(FOOD101))
def test_class_choice(text: str, index: int, label: str) -> None:
    letter, guessed = paper_rules.choose(text, INDICES, FOOD101, index)
    scored = TASKS["food101"].scorer.paper(row(label.replace(" ", "_"), index=index), text)
    assert (scored.parsed, scored.guessed) == (FOOD101[int(letter)], guessed)
    assert scored.metrics["accuracy"] == (FOOD101[int(letter)] == label)


@MANY
@given(texts.rows(vocabulary.foodseg103()))
def test_foodseg_f1(pair: tuple[list[str], str]) -> None:
    labels, text = pair
    expected = paper_rules.foodseg_f1(labels, text, vocabulary.foodseg103())
    assert value("foodseg103", row(tuple(labels)), text) == pytest.approx(expected, abs=1e-12)


@MANY
@given(texts.rows(vocabulary.nutrition5k()))
def test_nutrition_recall(pair: tuple[list[str], str]) -> None:
    labels, text = pair
    expected = paper_rules.nutrition_recall(labels, text, vocabulary.nutrition5k())
    assert value("nutrition5k", row(tuple(labels)), text) == pytest.approx(expected, abs=1e-12)


@MANY
@given(texts.recipe_pairs())
def test_rouge_summary(pair: tuple[str, str]) -> None:
    label, text = pair
    expected = paper_rules.rouge_l_summary(label, text)
    assert value("recipe1m", row(label), text) == pytest.approx(expected, abs=1e-9)


@MANY
@given(texts.class_texts(vocabulary.clrs()))
def test_scene_class(text: str) -> None:
    expected = paper_rules.classify(text, vocabulary.clrs())
    assert TASKS["clrs"].scorer.paper(row("park"), text).parsed == expected


@MANY
@given(texts.class_texts(vocabulary.ucmerced()))
def test_land_use_class(text: str) -> None:
    expected = paper_rules.classify(text, vocabulary.ucmerced())
    assert TASKS["ucmerced"].scorer.paper(row("river"), text).parsed == expected


@MANY
@given(texts.vqa_texts(), texts.vqa_texts())
def test_flood_answers(label: str, text: str) -> None:
    expected = paper_rules.floodnet_exact(label, text, CONTRACTIONS)
    assert value("floodnet", row(label), text) == expected
