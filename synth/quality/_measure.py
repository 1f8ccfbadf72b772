"""From ratings and texts to the report's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.statistics import clustered_mean
from synth.quality._agreement import agreement
from synth.quality._rating import Ratings
from synth.quality._samples import distinct_words
from synth.quality._sheet import Sheet
from synth.quality._tasks import OTHER, TASK_TYPES, diversity, guess
from synth.quality._types import GRADES, Rating, Sample, Set, scaled

_DIGITS = 4


class Measured(NamedTuple):
    """The report's numbers, as JSON values."""

    sets: list[dict[str, Any]]
    agreement: dict[str, Any] | None
    """None where there is no judge or nobody filled in a sheet."""


def measure(sets: Sequence[Set], ratings: Ratings | None, sheet: Sheet | None) -> Measured:
    """Everything the report shows about its sets.

    Args:
        sets: The sets.
        ratings: A judge's; None: there was none.
        sheet: People's; None: none came back.
    """
    judged = _of_judge(ratings)
    least = min((len(set_.samples) for set_ in sets if set_.samples), default=0)
    return Measured(
        [_set(set_, ratings, judged, sheet, least) for set_ in sets],
        _agreement(sets, judged, sheet) if ratings and sheet else None,
    )


def _of_judge(ratings: Ratings | None) -> dict[str, Rating]:
    if ratings is None:
        return {}
    return {key: found.rating for key, found in ratings.rated.items() if found.rating}


def _set(
    set_: Set,
    ratings: Ratings | None,
    judged: Mapping[str, Rating],
    sheet: Sheet | None,
    least: int,
) -> dict[str, Any]:
    typed = [judged[s.key].task_type or OTHER for s in set_.samples if s.key in judged]
    by = "judge" if ratings is not None else "rules"
    if ratings is None:
        typed = [guess(sample.triplet.instruction) for sample in set_.samples]
    people = sheet.ratings if sheet else {}
    found: dict[str, Any] = {
        "name": set_.name,
        "source": set_.source.name,
        "final": set_.final,
        "rows": set_.rows,
        "samples": len(set_.samples),
        "types": {"by": by, "of": len(typed), "counts": _counts(typed)},
        "diversity": _round(diversity(typed)),
        "words": {name: dict(zip(_SPREAD, n, strict=False)) for name, n in set_.words.items()},
        "distinct": {"of": least, "grams": distinct_words(set_.samples, least)},
        "judge": None,
        "people": None,
    }
    if ratings is not None:
        rejects = Counter(
            ratings.rated[s.key].reason
            for s in set_.samples
            if ratings.rated[s.key].reason is not None
        )
        found["judge"] = {**rated_means(set_.samples, judged), "rejects": dict(rejects)}
    # The sheet holds what becomes training data: of the rest, people saw a part that is none by
    # chance.
    if sheet is not None and set_.final:
        found["people"] = {
            **rated_means(set_.samples, people),
            "diversity": _round(
                diversity(
                    kind
                    for s in set_.samples
                    if s.key in people and (kind := people[s.key].task_type)
                )
            ),
        }
    return found


_SPREAD = ("mean", "lower_quartile", "median", "upper_quartile")


def _counts(types: Iterable[str]) -> dict[str, int]:
    counted = Counter(types)
    names = [*(kind.name for kind in TASK_TYPES), OTHER]
    return {name: counted[name] for name in names if counted[name]}


_SHARES: dict[str, Callable[[Rating], bool | None]] = {
    "consistency": lambda rating: rating.agree,
    "precise": lambda rating: None if rating.accuracy is None else rating.accuracy >= 4,
    "informative": lambda rating: None if rating.accuracy is None else rating.accuracy in (3, 5),
}
"""Table 7's measures: share of samples whose answers agree, whose short answer is right (accuracy
4 or 5), whose long one is (3 or 5)."""


def rated_means(samples: Sequence[Sample], ratings: Mapping[str, Rating]) -> dict[str, Any]:
    """Mean grades (0 to 100) and shares (in percent), with 95 % intervals clustered by picture."""
    known = [(sample, ratings[sample.key]) for sample in samples if sample.key in ratings]
    means: dict[str, Any] = {"rated": len(known)}
    for grade in GRADES:
        values = [(s, rating.grade(grade)) for s, rating in known]
        means[grade] = _mean([(s, scaled(value)) for s, value in values if value is not None])
    for name, share in _SHARES.items():
        shares = [(s, share(rating)) for s, rating in known]
        means[name] = _mean([(s, 100.0 * value) for s, value in shares if value is not None])
    return means


def _mean(values: Sequence[tuple[Sample, float]]) -> dict[str, Any]:
    pictures = [sample.triplet.pair.image.locator for sample, _ in values]
    codes = {name: code for code, name in enumerate(dict.fromkeys(pictures))}
    found = clustered_mean(
        np.array([value for _, value in values], np.float64),
        np.array([codes[name] for name in pictures], np.int64),
    )
    low, high = found.low, found.high
    return {
        "mean": _round(found.mean),
        "low": None if low is None else _round(max(0.0, low)),
        "high": None if high is None else _round(min(100.0, high)),
        "n": found.n,
        **({"reason": found.reason} if found.reason else {}),
    }


def _agreement(sets: Sequence[Set], judged: Mapping[str, Rating], sheet: Sheet) -> dict[str, Any]:
    samples = {sample.key: sample for set_ in sets for sample in set_.samples}
    both = [key for key in samples if key in judged and key in sheet.ratings]
    found: dict[str, Any] = {"both": len(both)}
    for grade in GRADES:
        pairs = [
            (mine, theirs, samples[key].triplet.pair.image.locator)
            for key in both
            if (mine := sheet.ratings[key].grade(grade)) is not None
            and (theirs := judged[key].grade(grade)) is not None
        ]
        people, judge, pictures = zip(*pairs, strict=True) if pairs else ((), (), ())
        found[grade] = _rounded(agreement(people, judge, pictures))
    for name in ("agree", "task_type"):
        same = [
            getattr(sheet.ratings[key], name) == getattr(judged[key], name)
            for key in both
            if getattr(sheet.ratings[key], name) is not None
        ]
        found[name] = {
            "n": len(same),
            "exact": _round(100 * sum(same) / len(same)) if same else None,
        }
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return _round(value) if isinstance(value, float) else value


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
