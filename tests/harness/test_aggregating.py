"""What becomes of another harness's aggregations: means, resampled scores, scales, failures."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.aggregating import BorrowedTally
from harness.samples import Sample
from harness.scoring import ScoredRow
from harness.statistics import clustered_mean
from tasks import Aggregation, Card, Column, Row, Rules, Scored, Task

DRAWS = np.random.default_rng(5)
VALUES = [float(v) for v in DRAWS.integers(0, 2, size=60)]


class Stock:
    """A scorer and a borrowed task in one: items come ready."""

    spelling = "lmms_eval:stock"
    settings: Mapping[str, Any] = {}
    needs: frozenset[str] = frozenset()
    rules = Rules(paper="theirs")

    def __init__(self, *aggregations: Aggregation) -> None:
        self.aggregations = aggregations
        self.columns = (Column(None, aggregations[0].metric),)

    def metrics(self, protocol: str, column: Column) -> tuple[str, ...]:
        return tuple(a.metric for a in self.aggregations) if protocol == "paper" else ()

    def missed(self, index: int) -> Mapping[str, Any]:
        return {} if index % 2 else {a.metric: 1.0 for a in self.aggregations}


def _tally(
    items: list[Any], *aggregations: Aggregation, failed: frozenset[int] = frozenset()
) -> BorrowedTally:
    stock: Any = Stock(*aggregations)
    card = Card(title="", measures="", prompt="", rows="", paper="", strict="")
    task = Task(id="x", group="x", source=None, scorer=stock, card=card, borrowed=stock)
    tally = BorrowedTally(task, stock)
    for index, item in enumerate(items):
        found = None
        if index not in failed:
            found = Scored({}, items={a.metric: item for a in aggregations})
        why = "broken" if found is None else None
        tally.add(ScoredRow(index, None, f"picture {index // 3}", found, None, why))
    tally.settle()
    return tally


def _line(items: list[Any], call: Callable[[list[Any]], float], **more: Any) -> dict[str, Any]:
    (line,) = _tally(items, Aggregation("m", call, **more)).lines()
    return line


def _mean(items: list[float]) -> float:
    return sum(items) / len(items)


def test_a_mean_has_the_clustered_interval_of_all_others() -> None:
    line = _line(VALUES, _mean)
    clusters = np.arange(60) // 3
    wanted = clustered_mean(np.array(VALUES) * 100, clusters)
    assert line["score"] == 100 * _mean(VALUES)
    assert line["stderr"] == pytest.approx(wanted.stderr)
    assert line["ci95"] == pytest.approx([wanted.low, wanted.high])
    assert (line["n"], line["clusters"], line["rule"]) == (60, 20, "theirs")


def test_a_rounded_mean_of_records_is_seen_as_one() -> None:
    line = _line([{"ok": v} for v in VALUES], lambda rs: round(_mean([r["ok"] for r in rs]), 5))
    assert line["ci95"]
    assert line["reason"] is None
    assert line["score"] == pytest.approx(100 * _mean(VALUES), abs=1e-12)  # not rounded


def test_what_is_no_mean_is_resampled_and_has_no_row_values() -> None:
    tally = _tally(VALUES, Aggregation("m", lambda items: _mean(items) ** 2))
    (line,) = tally.lines()
    assert line["score"] == pytest.approx(100 * _mean(VALUES) ** 2)
    assert line["ci95"][0] < line["score"] < line["ci95"][1]
    assert "500 resamples" in line["reason"]
    delta = clustered_mean(np.array(VALUES) * 100, np.arange(60) // 3).stderr
    assert delta is not None
    assert line["stderr"] == pytest.approx(2 * _mean(VALUES) * delta, rel=0.15)
    row = ScoredRow(0, None, "p", Scored({}), None)
    assert tally.with_values(0, row).paper == Scored({})


def test_scales() -> None:
    of_hundred = _line([100 * v for v in VALUES], _mean)
    assert of_hundred["score"] == pytest.approx(100 * _mean(VALUES))
    assert "per cent" in of_hundred["reason"]
    unknown = _line([3 * v for v in VALUES], _mean)
    assert unknown["score"] is None
    assert f"{3 * _mean(VALUES):g} is no share of a known maximum" in unknown["reason"]
    known = _line([5 * v for v in VALUES], _mean, maximum=5.0)
    assert known["score"] == pytest.approx(100 * _mean(VALUES))
    assert "its maximum 5" in known["rule"]
    below = _line([-v for v in VALUES], _mean)
    assert below["score"] is None


def test_what_gives_no_score_says_why() -> None:
    def broken(items: list[float]) -> float:
        raise ZeroDivisionError("no items")

    assert "ZeroDivisionError: no items" in _line(VALUES, broken)["reason"]
    assert "gives nan" in _line(VALUES, lambda items: float("nan"))["reason"]
    lower = _line(VALUES, _mean, lower_is_better=True)
    assert lower["score"] is None
    assert "lower is better" in lower["reason"]
    assert _line(VALUES, broken, unusable="only a file")["reason"] == "only a file"


def test_failed_rows_are_wrong_even_where_an_empty_answer_would_be_right() -> None:
    tally = _tally([1.0] * 10, Aggregation("m", _mean), failed=frozenset((2, 3)))
    (line,) = tally.lines()
    assert (line["score"], line["n"], line["failed"]) == (80.0, 10, 2)
    row = ScoredRow(3, None, "p", None, None, "broken")
    written = tally.with_values(3, row)
    assert written.paper is not None
    assert written.paper.metrics == {"m": 0.0}
    assert written.failure == "broken"


def test_rows_may_have_no_part_in_a_metric() -> None:
    aggregations = (Aggregation("one", _mean), Aggregation("two", _mean))
    stock: Any = Stock(*aggregations)
    card = Card(title="", measures="", prompt="", rows="", paper="", strict="")
    task = Task(id="x", group="x", source=None, scorer=stock, card=card, borrowed=stock)
    tally = BorrowedTally(task, stock)
    for index, value in enumerate(VALUES):
        items = {"one" if index % 3 else "two": value}
        tally.add(ScoredRow(index, None, f"p{index}", Scored({}, items=items), None))
    tally.settle()
    assert [line["n"] for line in tally.lines()] == [40, 20]


def test_samples_keep_their_order() -> None:
    from harness.aggregating import added

    stock: Any = Stock(Aggregation("m", _mean))
    card = Card(title="", measures="", prompt="", rows="", paper="", strict="")
    task = Task(id="x", group="x", source=None, scorer=stock, card=card, borrowed=stock)
    tally = BorrowedTally(task, stock)
    samples = [
        Sample(
            Row(i, str(i), "", ""),
            ScoredRow(i, None, f"p{i}", Scored({}, items={"m": value}), None),
            "", None, None, "", None,
        )
        for i, value in enumerate(VALUES)
    ]  # fmt: skip
    written = [sample.scored.paper for sample in added(tally, samples)]
    assert [scored.metrics["m"] for scored in written if scored] == VALUES
