"""ROUGE-L against the two packages whose definitions it follows."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import texts
from rouge import Rouge
from rouge_score.rouge_scorer import RougeScorer

from tasks import TASKS, Row
from tasks.scorers import RougeL, rouge_l_sentence, rouge_l_summary
from tasks.scorers._lcs import lcs_length

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
SCORER = RougeScorer(["rougeL"], use_stemmer=False)
PACKAGE = Rouge(metrics=["rouge-l"])


def package(label: str, text: str) -> float:
    try:
        return float(PACKAGE.get_scores(text, label)[0]["rouge-l"]["f"])
    except ValueError:  # an empty side, which its callers score 0
        return 0.0


def row(label: str | tuple[str, ...]) -> Row:
    return Row(index=0, id="0", prompt="", label=label)


@MANY
@given(texts.recipe_pairs())
def test_summary_level_equals_rouge(pair: tuple[str, str]) -> None:
    assert rouge_l_summary(*pair).f == pytest.approx(package(*pair), abs=1e-9)


@MANY
@given(texts.recipe_pairs() | st.tuples(st.text(), st.text()))
def test_sentence_level_equals_rouge_score(pair: tuple[str, str]) -> None:
    expected = SCORER.score(*pair)["rougeL"].fmeasure
    assert rouge_l_sentence(*pair) == pytest.approx(expected, abs=1e-12)


def test_both_on_long_recipes() -> None:
    pick = random.Random(3)
    words = [f"word{i}" for i in range(60)]
    for _ in range(12):
        label, text = (
            ". ".join(" ".join(pick.choices(words, k=pick.randint(1, 25))) for _ in range(20))
            for _ in range(2)
        )
        assert rouge_l_summary(label, text).f == pytest.approx(package(label, text), abs=1e-9)
        expected = SCORER.score(label, text)["rougeL"].fmeasure
        assert rouge_l_sentence(label, text) == pytest.approx(expected, abs=1e-12)


@MANY
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_lcs_length_is_the_tables(left: list[str], right: list[str]) -> None:
    above = [0] * (len(right) + 1)
    for word in left:
        here = [0]
        for place, other in enumerate(right):
            here.append(above[place] + 1 if word == other else max(above[place + 1], here[-1]))
        above = here
    assert lcs_length(left, right) == above[-1]


def test_long_text_without_a_full_stop() -> None:
    """Where the package's recursion fails the true value stands, and the row is flagged."""
    pick = random.Random(0)
    label = " ".join(pick.choices("abcdefghij", k=1_500))
    text = " ".join(pick.choices("abcdefghij", k=1_500))
    with pytest.raises(RecursionError):
        PACKAGE.get_scores(text, label)
    scored = TASKS["recipe1m"].scorer.paper(row(label), text)
    assert scored.metrics["rouge_l"] == pytest.approx(1.0)
    assert scored.reason is not None
    assert "package" in scored.reason
    short = TASKS["recipe1m"].scorer.paper(row("Mix the eggs."), "Mix two eggs.")
    assert short.reason is None


def test_several_references() -> None:
    references, text = ("A red roof. ", "Two ships at sea. "), "Two ships at sea. "
    best, mean = RougeL("best"), RougeL("mean")
    each = [rouge_l_summary(label, text).f for label in references]
    assert best.paper(row(references), text).metrics["rouge_l"] == max(each)
    assert mean.paper(row(references), text).metrics["rouge_l"] == pytest.approx(sum(each) / 2)
    assert "best" in (best.rules.paper or "")
    assert "mean" in (mean.rules.strict or "")
