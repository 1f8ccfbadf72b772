"""Two runs row by row: the difference, how sure it is, and the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from harness.comparison import AverageDifference, ColumnDifference, Pair
from harness.export import LoadedRun
from leaderboard import _charts as charts
from leaderboard._address import asked, link, one, page_number, protocol, switch
from leaderboard._parts import (
    answer_of,
    fact,
    gone,
    guarded,
    marks_of,
    no_runs,
    run_names,
    store,
    thumbnail,
)
from leaderboard._tables import table
from leaderboard._text import one_line
from leaderboard.store import SampleRow

_PAGE = 8
_DIRECTIONS = {"all": "all that changed", "gained": "gained", "lost": "lost"}


def draw() -> None:
    """Draw the page."""
    st.title("Compare", anchor=False)
    found = store().look()
    if no_runs(found):
        return
    if len(found.runs) < 2:
        st.info("Comparing takes two runs; there is one.", icon=":material/compare_arrows:")
        return
    names = run_names(found.runs, store().candidates())
    named = [asked(key, found.runs) for key in ("a", "b")]
    if any(name is not None and name not in found.runs for name in named):
        gone("run")
    newest = list(reversed(found.runs))
    left, right = st.columns(2)
    with left:
        # The newest but one, so that an address may name B alone.
        bases = [name for name in newest if name != named[1]]
        a = one(
            "A: the baseline", [*bases[1:], *bases[:1]] if not named[1] else bases, "a", names=names
        )
    with right:
        others = [name for name in newest if name != a]
        shared = [n for n in others if {*found.runs[n].tasks} & {*found.runs[a].tasks}]
        b = one(
            "B: the candidate", shared + [n for n in others if n not in shared], "b", names=names
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = protocol()
        common = switch("Only the rows that both have", "common")
    with guarded(), st.spinner("Comparing row by row"):
        comparison = store().compare(found.runs[a], found.runs[b], chosen, common=common)
    try:
        pair = comparison.pairs[0]
    except UnboundLocalError:  # it was refused, and the reason is on the page
        return
    runs = found.runs[pair.baseline.folder.id], found.runs[pair.candidate.folder.id]
    _about(pair, comparison.partial, comparison.left_out)
    _verdicts(pair)
    _changed(runs, pair, chosen)


def _about(pair: Pair, partial: bool, left_out: dict[str, int]) -> None:
    """What is compared, where that is not plain."""
    if pair.title != "difference":
        st.text(f"{pair.title}: {pair.candidate.folder.id} minus {pair.baseline.folder.id}")
    if left_out:
        st.caption(f"{sum(left_out.values()):,} rows were left out: not all runs have them.")
    elif partial:
        st.caption("One of the runs is partial: it was made with --limit.")
    if pair.unlike:
        with st.expander("What differs in their settings"):
            records = [
                {"setting": one_line(name), "A": one_line(a), "B": one_line(b)}
                for name, a, b in pair.unlike
            ]
            table(records, name="settings", alt="Settings in which the runs differ")


def _verdicts(pair: Pair) -> None:
    st.subheader("Differences, B − A", anchor=False)  # noqa: RUF001 - a minus sign
    lines: list[ColumnDifference | AverageDifference] = [
        *pair.columns,
        *(each for each in pair.telling_averages if each.estimate.n),
    ]
    records = [_record(line) for line in lines]
    drawn = [r for r in records if r["low"] is not None]
    if drawn:
        drawable = [{"column": r["column"], "difference": r["B - A"], "low": r["low"],
                   "high": r["high"], "verdict": r["verdict"]} for r in drawn]  # fmt: skip
        st.altair_chart(
            charts.differences(drawable),
            width="stretch",
            key="differences",
            alt="Differences with 95 % intervals; the table has the numbers",
        )
    points = st.column_config.NumberColumn(format="%.1f")
    config = dict.fromkeys(("A", "B", "low", "high", "shows"), points)
    config["B - A"] = st.column_config.NumberColumn(format="%+.1f")
    config["p"] = config["Holm p"] = st.column_config.NumberColumn(format="%.3g")
    table(
        records, name="differences", alt="Differences with intervals, p and verdict", config=config
    )
    st.caption(
        "Intervals are 95 %, clustered by picture; verdicts go by Holm's p over the columns, at "
        "0.05. shows: the smallest difference this many rows could have shown. No difference shown "
        "is no proof of equality."
    )


def _record(line: ColumnDifference | AverageDifference) -> dict[str, Any]:
    found = line.estimate
    name = f"{line.name} average" if isinstance(line, AverageDifference) else str(line.column)
    record: dict[str, Any] = {
        "column": name,
        "A": line.scores[0], "B": line.scores[1], "B - A": found.difference,
        "low": found.low, "high": found.high, "verdict": line.verdict,
        "p": found.p, "Holm p": None, "shows": found.detectable, "rows": found.n,
        "pictures": found.clusters, "gained": None, "lost": None,
    }  # fmt: skip
    if isinstance(line, ColumnDifference):
        moved = line.changes
        record |= {"Holm p": line.holm_p, "gained": moved.up, "lost": moved.down}
    record["note"] = found.reason or "; ".join(found.warnings) or None
    return record


def _changed(runs: tuple[LoadedRun, LoadedRun], pair: Pair, chosen: str) -> None:
    st.subheader("Rows that changed", anchor=False)
    columns = {str(place): line for place, line in enumerate(pair.columns) if line.main}
    if not columns:
        st.caption("No column is measured in both.")
        return
    names = {
        place: f"{line.column} ({line.changes.up + line.changes.down:,} changed)"
        for place, line in columns.items()
    }
    most = max(columns, key=lambda place: _moved(columns[place]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        line = columns[one("Column", list(columns), "column", names=names, default=most,
                           on_change=_first_page, width=360)]  # fmt: skip
        direction = one(
            "Direction",
            tuple(_DIRECTIONS),
            "direction",
            default="all",
            form="buttons",
            names=_DIRECTIONS,
            on_change=_first_page,
        )
    _flips(line)
    column = line.column
    total = {"all": _moved(line), "gained": line.changes.up, "lost": line.changes.down}[direction]
    if not total:
        st.caption("No row changed this way.")
        return
    pages = -(-total // _PAGE)
    number = page_number(pages)
    found = store().samples.changed(
        runs,
        column.task,
        (column.split, column.metric, column.protocol),
        direction,  # type: ignore[arg-type]
        size=_PAGE,
        first=(number - 1) * _PAGE,
    )
    _cards(runs, column.task, found.rows, chosen, column.metric)


def _moved(line: ColumnDifference) -> int:
    return line.changes.up + line.changes.down


def _first_page() -> None:
    st.session_state["page"] = 1


def _flips(line: ColumnDifference) -> None:
    moved, flips = line.changes, line.changes.flips
    with st.container(horizontal=True, gap="large"):
        if flips is not None:
            st.metric("only B right", f"{flips.only_candidate:,}", border=True, width=150)
            st.metric("only A right", f"{flips.only_baseline:,}", border=True, width=150)
            st.metric("both right", f"{flips.both_right:,}", border=True, width=150)
            st.metric("both wrong", f"{flips.both_wrong:,}", border=True, width=150)
        else:
            st.metric("gained", f"{moved.up:,}", border=True, width=150)
            st.metric("lost", f"{moved.down:,}", border=True, width=150)
            st.metric("stayed", f"{moved.same:,}", border=True, width=150)


def _cards(
    runs: tuple[LoadedRun, LoadedRun],
    task: str,
    rows: Sequence[tuple[SampleRow, SampleRow]],
    chosen: str,
    metric: str,
) -> None:
    pictures = store().pictures.thumbnails(runs[0], task, [a for a, _ in rows])
    for before, after in rows:
        with st.container(border=True, key=f"card-{before.position}"):
            left, middle, right = st.columns([1.3, 2, 2], gap="medium")
            with left:
                thumbnail(pictures.get(before.position), before.question)
                link(
                    "row",
                    "Open this row",
                    icon=":material/open_in_full:",
                    run=runs[0].folder.id,
                    task=task,
                    row=before.position,
                    b=runs[1].folder.id,
                )
            with middle:
                with st.container(key=f"question-{before.position}"):
                    st.text(one_line(before.question, 400))
                fact("label", one_line(before.label, 300))
            with right:
                _side("A", before, chosen, metric)
                _side("B", after, chosen, metric)


def _side(letter: str, row: SampleRow, chosen: str, metric: str) -> None:
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(f"**{letter}**")
            marks_of(row._replace(split=None), chosen, metric)
        answer_of(row, row.readings[chosen])
