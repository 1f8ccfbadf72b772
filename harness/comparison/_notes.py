"""The sentences around a comparison's tables: what was compared, and what to mind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.comparison._paired import FEW_CLUSTERS, NO_CHANGE
from harness.comparison._ranks import LEVEL
from harness.comparison._runs import CONTROLS
from harness.comparison._types import Comparison, Pair

_MOST_SETTINGS = 6
_WIDTH = 40


def opening_notes(comparison: Comparison) -> Iterator[str]:
    """What is not compared, loudly, before any number."""
    if comparison.left_out:
        counts = ", ".join(f"{task} {n:,}" for task, n in comparison.left_out.items())
        yield f"PARTIAL (--common): rows that are not the same in all runs were left out: {counts}."
        yield "The scores below are over the rows that are left, not those of the runs."
    elif comparison.partial:
        yield "Partial: rows were left out by --limit; not comparable with published scores."
    only: dict[str, list[str]] = {}
    for task, letters in comparison.other_tasks.items():
        only.setdefault(", ".join(letters), []).append(task)
    for having, tasks in only.items():
        yield f"Left out, as only in {having}: {', '.join(tasks)}."


def unpaired_notes(comparison: Comparison) -> Iterator[str]:
    """Scores that no row has a part of."""
    for column, scores in comparison.unpaired.items():
        letters = (run.letter for run in comparison.runs)
        shown = ("-" if score is None else f"{score:.2f}" for score in scores)
        told = ", ".join(f"{a} {b}" for a, b in zip(letters, shown, strict=True))
        yield f"{column} ({column.protocol}) is no mean over rows, so not paired: {told}."


def pair_notes(pair: Pair) -> Iterator[str]:
    """How the two runs differ beside their answers."""
    a, b = pair.baseline, pair.candidate
    if pair.control:
        values = f"{_short(b.control(pair.control))} - {_short(a.control(pair.control))}"
        yield f"Only {pair.control} differs: {values}."
        return
    told = [each for each in pair.unlike if each.setting != "model"]
    for each in told[:_MOST_SETTINGS]:
        yield (
            f"{each.setting}: {_short(each.baseline)} in {a.letter}, "
            f"{_short(each.candidate)} in {b.letter}."
        )
    if len(told) > _MOST_SETTINGS:
        yield f"{len(told) - _MOST_SETTINGS} more settings differ (--json lists them)."
    mixed = [each.setting for each in pair.unlike if each.setting in CONTROLS]
    if mixed and len(pair.unlike) > 1:
        yield f"More than {mixed[0]} differs, so the difference is not due to that alone."


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 3] + "..."


def closing_notes(comparison: Comparison) -> list[str]:
    """What the numbers are, and which of them to mind."""
    notes = [note for pair in comparison.pairs for note in _cautions(pair, len(comparison.pairs))]
    notes += [
        *unpaired_notes(comparison),
        *_seen(comparison),
        "p: t test of the mean difference, clustered by image (CR1, clusters - 1 degrees of "
        "freedom). flip p: whole clusters' signs flipped.",
        "Holm p: p adjusted for the number of columns of a table. Verdicts go by it, at "
        f"{LEVEL:g}; an average's by its own p.",
        "shows: smallest difference found with 80 % power, (t(.975) + t(.80)) x standard error.",
    ]
    if comparison.rankings:
        notes.append(
            "Ranks: best = 1 + runs shown to be better, worst = runs - those shown to be worse; "
            "Holm over all pairs of a line."
        )
    return notes


def _cautions(pair: Pair, pairs: int) -> Iterator[str]:
    a, b = pair.baseline.letter, pair.candidate.letter
    where = f"{b} - {a}: " if pairs > 1 else ""
    mains = [each for each in pair.columns if each.main]
    told: dict[str, list[str]] = {}
    for each in mains:
        found = each.estimate
        if found.reason and found.reason != NO_CHANGE:
            told.setdefault(f"{each.column}: {found.reason}", []).append(each.column.protocol)
        if any(each.failed):
            failed = f"{each.failed[0]:,} rows failed in {a}, {each.failed[1]:,} in {b}"
            told.setdefault(f"{each.column}: {failed}; they count as wrong", [])
        if found.clusters >= FEW_CLUSTERS:
            for warning in found.warnings:
                told.setdefault(f"* {each.column}: {warning}", []).append(each.column.protocol)
    for average in pair.telling_averages:
        if average.estimate.reason and average.estimate.reason != NO_CHANGE:
            text = f"{average.name} average: {average.estimate.reason}"
            told.setdefault(text, []).append(average.protocol)
        for warning in average.estimate.warnings:
            told.setdefault(f"* {average.name} average: {warning}", []).append(average.protocol)
    for text, protocols in told.items():
        under = f" ({', '.join(protocols)})" if protocols else ""
        yield f"{where}{text}{under}."
    few = {f"{each.column.task} {each.estimate.clusters}" for each in mains
           if each.estimate.warnings and each.estimate.clusters < FEW_CLUSTERS}  # fmt: skip
    if few:
        yield (
            f"{where}* fewer than {FEW_CLUSTERS} clusters, intervals may be too short: "
            f"{', '.join(sorted(few))}."
        )


def _seen(comparison: Comparison) -> Iterator[str]:
    for run in comparison.runs:
        found = {
            line["task"]: line["may_have_seen"]
            for line in run.results["results"]
            if line["may_have_seen"] and line["task"] in comparison.tasks
        }
        for task, why in found.items():
            yield f"{task}: {run.letter} may have seen it. {why}."
