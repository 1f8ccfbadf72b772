"""Putting a comparison together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.comparison._flips import changes
from harness.comparison._measured import Averaged, Measured, averages_of
from harness.comparison._pairs import PairedTask, pair_task
from harness.comparison._ranks import rank_ranges
from harness.comparison._runs import (
    CONTROLS,
    Column,
    Run,
    Unlike,
    check_rules,
    common_tasks,
    open_runs,
    unlike_settings,
)
from harness.comparison._types import AverageDifference, ColumnDifference, Comparison, Pair, Ranking
from harness.controls import relation
from harness.errors import UserError
from harness.statistics import holm
from tasks import PROTOCOLS

_EQUAL = 1e-6


def compare_runs(
    paths: Sequence[Path],
    *,
    protocols: Sequence[str] = PROTOCOLS,
    all_metrics: bool = False,
    common: bool = False,
    rows: int = 5,
) -> Comparison:
    """Compare runs row by row; the first is the baseline of all others.

    Args:
        paths: Folders of two or more finished runs.
        protocols: `paper`, `strict` or both, in the order wanted.
        all_metrics: Beside the main metrics, all others too (outside of Holm's family).
        common: Leave rows out that are not the same in all runs, instead of refusing.
        rows: Rows to name in each direction of change.

    Raises:
        UserError: They cannot be compared; the message says what differs.
    """
    runs = open_runs(paths)
    tasks, other = common_tasks(runs)
    check_rules(runs, tasks)
    kinds = runs[0].columns
    wanted = [
        column
        for protocol in protocols
        for column, kind in kinds.items()
        if column.task in tasks and column.protocol == protocol and (all_metrics or kind.main)
    ]
    paired = {}
    for task in tasks:
        mine = [column for column in wanted if column.task == task]
        paired[task] = pair_task(runs, task, mine, common=common)
    unpaired = [column for column in wanted if not paired[column.task].has_values(column)]
    measured = [
        _measure(runs, column, kinds[column].main, paired[column.task])
        for column in wanted
        if column not in unpaired
    ]
    averages = [a for protocol in protocols for a in averages_of(measured, protocol)]
    pairs = [_pair(runs, i, j, measured, averages, rows) for i, j in _orient(runs)]
    return Comparison(
        runs=tuple(runs),
        protocols=tuple(protocols),
        tasks=tuple(tasks),
        other_tasks=other,
        left_out={task: rows.left_out for task, rows in paired.items() if rows.left_out},
        unpaired={column: tuple(_said(run, column) for run in runs) for column in unpaired},
        pairs=tuple(pairs),
        rankings=tuple(_rankings(len(runs), measured, averages)) if len(runs) > 2 else (),
    )


def _measure(runs: Sequence[Run], column: Column, main: bool, paired: PairedTask) -> Measured:
    places = paired.in_split(column.split)
    found = Measured(
        column=column,
        main=main,
        paired=paired,
        places=places,
        values=tuple(paired.values(run, column, places) for run in range(len(runs))),
        failed=tuple(paired.failed(run, places) for run in range(len(runs))),
        letters=tuple(run.letter for run in runs),
    )
    if not paired.left_out:
        for run, score in zip(runs, found.scores, strict=True):
            _check_score(run, column, score)
    return found


def _check_score(run: Run, column: Column, score: float | None) -> None:
    """Make sure that the samples are those of which `results.json` speaks."""
    said = _said(run, column)
    if (said is None) != (score is None) or abs((said or 0.0) - (score or 0.0)) > _EQUAL:
        raise UserError(
            f"{run.folder.path}: the samples of {column} give {score}, results.json says {said}",
            "`harness score RUN` writes both anew.",
        )


def _said(run: Run, column: Column) -> float | None:
    """A column's score in `results.json`."""
    score: float | None = next(
        line["score"]
        for line in run.results["results"]
        if all(line[name] == value for name, value in column._asdict().items())
    )
    return score


def _orient(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """(baseline, candidate) of the first run with each other.

    The first is the baseline, unless the other is its control: that is taken from it.
    """
    found = []
    for j in range(1, len(runs)):
        name = _control(runs[0], runs[j])
        controlled = name is not None and runs[0].control(name) == CONTROLS[name].ordinary
        if related := relation(runs[0].settings, runs[j].settings):
            controlled = related.sign == -1
        found.append((j, 0) if controlled else (0, j))
    return found


def _control(a: Run, b: Run) -> str | None:
    """The control that alone tells two runs apart, one of them being ordinary in it."""
    names = [name for name in CONTROLS if a.control(name) != b.control(name)]
    if len(names) != 1 or unlike_settings(a, b):
        return None
    ordinary = CONTROLS[names[0]].ordinary
    return names[0] if ordinary in (a.control(names[0]), b.control(names[0])) else None


def _pair(
    runs: Sequence[Run],
    i: int,
    j: int,
    measured: Sequence[Measured],
    averages: Sequence[Averaged],
    rows: int,
) -> Pair:
    named = [
        Unlike(name, runs[i].control(name), runs[j].control(name))
        for name in CONTROLS
        if runs[i].control(name) != runs[j].control(name)
    ]
    return Pair(
        baseline=runs[i],
        candidate=runs[j],
        control=_control(runs[i], runs[j]),
        unlike=(*named, *unlike_settings(runs[i], runs[j])),
        columns=tuple(_adjusted([_column(m, i, j, rows) for m in measured])),
        averages=tuple(_average(average, i, j) for average in averages),
    )


def _column(measured: Measured, i: int, j: int, rows: int) -> ColumnDifference:
    ids = [measured.paired.ids[place] for place in measured.places]
    index = measured.paired.index[measured.places]
    return ColumnDifference(
        column=measured.column,
        main=measured.main,
        scores=(measured.scores[i], measured.scores[j]),
        failed=(measured.failed[i], measured.failed[j]),
        estimate=measured.estimate(i, j, resample=True),
        holm_p=None,
        changes=changes(measured.values[i], measured.values[j], ids, index, rows),
    )


def _adjusted(columns: Sequence[ColumnDifference]) -> list[ColumnDifference]:
    """Columns with Holm's p; the main columns of one protocol are a family."""
    found = list(columns)
    for protocol in dict.fromkeys(each.column.protocol for each in columns):
        family = [
            place
            for place, each in enumerate(columns)
            if each.main and each.column.protocol == protocol
        ]
        p_values = holm([columns[place].estimate.p for place in family])
        for place, p in zip(family, p_values, strict=True):
            found[place] = replace(columns[place], holm_p=p)
    return found


def _average(average: Averaged, i: int, j: int) -> AverageDifference:
    return AverageDifference(
        name=average.name,
        protocol=average.protocol,
        columns=tuple(measured.column for measured in average.columns),
        scores=(average.scores[i], average.scores[j]),
        estimate=average.estimate(i, j, resample=True),
    )


def _rankings(
    runs: int, measured: Sequence[Measured], averages: Sequence[Averaged]
) -> list[Ranking]:
    columns = [m for m in measured if m.main]
    whole = [average for average in averages if not average.missing]
    return [*(_ranking(runs, each) for each in columns), *(_ranking(runs, each) for each in whole)]


def _ranking(runs: int, one: Measured | Averaged) -> Ranking:
    column = one.column if isinstance(one, Measured) else None
    return Ranking(
        name=one.name if isinstance(one, Averaged) else str(one.column),
        column=column,
        protocol=one.protocol if isinstance(one, Averaged) else one.column.protocol,
        scores=one.scores,
        ranges=rank_ranges(runs, lambda i, j: one.estimate(i, j, resample=False)),
    )
