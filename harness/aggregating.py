"""Scores that another harness's aggregation makes of its rows' items."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harness.samples import Sample
from harness.scoring import ScoredRow, Tally
from harness.statistics import Codes, Estimate, Floats, clustered_mean
from tasks import Aggregation, Borrowed, Scored, Task

_ROUNDING = 6e-5
"""Aggregations round to as few as four digits: so far a mean may be off."""
_HALVES = 8
_RESAMPLES = 500
_PATIENCE = 20.0
"""Seconds that may go into one interval; aggregations that start a Java program take minutes."""


class _Given(NamedTuple):
    """One row's item for one metric."""

    place: int
    """Position of the row in the tally."""
    item: Any


class _Score(NamedTuple):
    """What became of one metric. Scores are 0 to 100."""

    estimate: Estimate
    rows: dict[int, float]
    """Value from 0 to 1 by the row's place; empty where the score is no mean over rows."""


class BorrowedTally(Tally):
    """Adds up a task whose own aggregations make the scores.

    Whether an aggregation is a mean over rows is not declared but can be seen: then it equals, on
    all rows and on random halves of them, the mean of what it makes of each row alone. Such scores
    have the clustered interval of all others; the rest a cluster bootstrap.
    """

    def __init__(self, task: Task, borrowed: Borrowed) -> None:
        super().__init__(task)
        self._borrowed = borrowed
        self._items: dict[str, list[_Given]] = {a.metric: [] for a in borrowed.aggregations}
        self._failures: set[int] = set()
        self._scores: dict[str, _Score] = {}

    def add(self, row: ScoredRow) -> None:
        """Add a row's items; a failed row's are those of an empty answer."""
        place = self.rows
        self._count(row)
        if row.paper is None:
            self._failures.add(place)
        items = row.paper.items if row.paper else self._borrowed.missed(row.index)
        for metric, item in (items or {}).items():
            self._items[metric].append(_Given(place, item))

    def settle(self) -> None:
        """Make the scores, once all rows are added."""
        codes = self._codes_of(self.task.scorer.columns[0])
        for aggregation in self._borrowed.aggregations:
            given = self._items[aggregation.metric]
            given = given + self._missing(given)
            self._scores[aggregation.metric] = _score(aggregation, given, codes, self._failures)

    def _missing(self, given: list[_Given]) -> list[_Given]:
        """Failed rows of which not even an empty answer could be scored: still wrong, not gone."""
        has = {one.place for one in given}
        if any(place not in has for place in range(self.rows) if place not in self._failures):
            return []  # not every row has a part in this metric
        return [_Given(place, _NOTHING) for place in sorted(self._failures - has)]

    def with_values(self, place: int, row: ScoredRow) -> ScoredRow:
        """A row with its value for every metric that is a mean over rows."""
        values = {
            name: score.rows[place] for name, score in self._scores.items() if place in score.rows
        }
        return replace(row, paper=(row.paper or Scored({}))._replace(metrics=values, items=None))

    def lines(self, *, seen: str | None = None, note: str | None = None) -> list[dict[str, Any]]:
        """Result lines of the one protocol there is."""
        column = self.task.scorer.columns[0]
        lines = []
        for aggregation in self._borrowed.aggregations:
            metric, best = aggregation.metric, aggregation.maximum
            score = self._scores[metric]
            # A rule is the same in every run of a task; what one run's rows show is a reason.
            share = None if best is None else f"as a share of its maximum {best:g}"
            parts = (self.task.scorer.rules.paper, share, note)
            rule = "; ".join(part for part in parts if part)
            line = self._line_of(column, "paper", metric, score.estimate, rule, seen)
            lines.append({**line, "failed": len(self._failures)})
        return lines


_NOTHING = object()
_PER_CENT = "taken as per cent: single rows reach 100 and none more"


def tally_of(task: Task) -> Tally:
    """What adds up a task's rows."""
    return Tally(task) if task.borrowed is None else BorrowedTally(task, task.borrowed)


def added(tally: Tally, samples: Iterable[Sample]) -> Iterator[Sample]:
    """Add samples to a tally and pass them on, as they are to be written.

    A borrowed task's rows are held until its aggregations have said what each row is worth.
    """
    if not isinstance(tally, BorrowedTally):
        for sample in samples:
            tally.add(sample.scored)
            yield sample
        return
    held = list(samples)
    for sample in held:
        tally.add(sample.scored)
    tally.settle()
    for place, sample in enumerate(held):
        yield sample._replace(scored=tally.with_values(place, sample.scored))


def _score(
    aggregation: Aggregation, given: list[_Given], codes: Codes, failures: set[int]
) -> _Score:
    places = [one.place for one in given]
    clusters = codes[places] if given else codes[:0]
    groups = len(set(clusters.tolist()))

    def none(reason: str) -> _Score:
        return _Score(Estimate(None, len(given), groups, None, None, None, reason), {})

    if aggregation.unusable is not None:
        return none(aggregation.unusable)
    if not given:
        return none("no rows")
    scorable = [position for position, one in enumerate(given) if one.item is not _NOTHING]
    known = [given[position].item for position in scorable]
    if not known:
        return none("lmms-eval's scoring fails on every row")
    began = time.perf_counter()
    try:
        total = aggregation.call(known)
    # Their aggregations assert, divide by zero, and miss keys; the score is missing then.
    except Exception as error:  # noqa: BLE001
        return none(f"lmms-eval's aggregation fails: {type(error).__name__}: {error}"[:300])
    seconds = time.perf_counter() - began
    if not math.isfinite(total):
        return none(f"lmms-eval's aggregation gives {total}")
    if aggregation.lower_is_better:
        return none(f"lower is better, so it is no score: {total:g}")
    patient = seconds * (_HALVES + 1) < _PATIENCE
    values = _alone(aggregation.call, given, failures) if patient else None
    scale = aggregation.maximum or _scale(total, values)
    if scale is None:
        return none(f"{total:g} is no share of a known maximum")
    why = _PER_CENT if scale == 100 and aggregation.maximum is None else None
    if values is not None and _is_mean(aggregation.call, given, values, total, failures):
        shares = values / scale
        estimate = clustered_mean(shares * 100.0, clusters)
        estimate = estimate._replace(reason=_joined(estimate.reason, why))
        return _Score(estimate, dict(zip(places, shares.tolist(), strict=True)))
    spread = _bootstrap(aggregation.call, known, clusters[scorable], scale)
    mean, reason = total / scale * 100.0, _joined(spread.reason, why)
    shown = Estimate(mean, len(given), groups, spread.stderr, spread.low, spread.high, reason)
    return _Score(shown, {})


def _joined(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _alone(
    call: Callable[[list[Any]], float], given: list[_Given], failures: set[int]
) -> Floats | None:
    """What an aggregation makes of each row alone; failed rows are worth nothing."""
    values = np.zeros(len(given))
    began = time.perf_counter()
    for position, one in enumerate(given):
        if time.perf_counter() - began > _PATIENCE:
            return None
        if one.place in failures:
            continue
        try:
            values[position] = call([one.item])
        # It is then no mean over rows, whatever else it is.
        except Exception:  # noqa: BLE001
            return None
    return values if bool(np.isfinite(values).all()) else None


def _scale(total: float, values: Floats | None) -> float | None:
    """What full marks are, as the rows show it; None if they do not."""
    numbers = [total] if values is None else [total, float(values.min()), float(values.max())]
    if min(numbers) < 0:
        return None
    if max(numbers) <= 1:
        return 1.0
    # Single rows reach 100 and none more.
    return 100.0 if max(numbers[1:], default=0.0) == 100 and total <= 100 else None


def _is_mean(
    call: Callable[[list[Any]], float],
    given: list[_Given],
    values: Floats,
    total: float,
    failures: set[int],
) -> bool:
    """Whether an aggregation is the mean of its rows, on all of them and on random halves."""
    kept = np.array([position for position, one in enumerate(given) if one.place not in failures])
    if not len(kept):
        return True
    tolerance = _ROUNDING * max(1.0, float(values.max()))
    draws = np.random.default_rng(0)
    halves = [draws.permutation(kept)[: (len(kept) + 1) // 2] for _ in range(_HALVES)]
    try:
        return all(
            abs(call([given[i].item for i in part]) - float(values[part].mean())) <= tolerance
            for part in (kept, *halves)
        )
    # On some rows only it may fail: then it is no mean.
    except Exception:  # noqa: BLE001
        return False


class _Spread(NamedTuple):
    """What resampling shows, 0 to 100."""

    stderr: float | None
    low: float | None
    high: float | None
    reason: str


def _bootstrap(
    call: Callable[[list[Any]], float], items: list[Any], clusters: Codes, scale: float
) -> _Spread:
    """Standard error and 95 % percentile interval over resampled pictures, or why there is none."""

    def none(reason: str) -> _Spread:
        return _Spread(None, None, None, reason)

    order = np.argsort(clusters, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
    if len(groups) < 2:
        return none("one cluster: no error can be estimated")
    draws, began = np.random.default_rng(0), time.perf_counter()
    scores = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        chosen = draws.integers(len(groups), size=len(groups))
        try:
            scores[number] = call([items[i] for code in chosen for i in groups[code]])
        # Some want every question exactly once, or twice.
        except Exception:  # noqa: BLE001
            scores[number] = math.nan
        if not math.isfinite(scores[number]):
            return none("no mean over rows, and lmms-eval's aggregation fails on resampled rows")
        if time.perf_counter() - began > _PATIENCE:
            return none("no mean over rows, and too slow to be repeated for an interval")
    scores *= 100.0 / scale
    stderr = float(scores.std(ddof=1))
    if not stderr > 0:
        return none("all resamples are equal: no spread to see")
    low, high = np.percentile(scores, [2.5, 97.5])
    reason = f"no mean over rows: interval by {_RESAMPLES} resamples of pictures"
    return _Spread(stderr, float(low), float(high), reason)
