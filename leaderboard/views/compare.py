"""Two runs row by row: the difference, how sure it is, and the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from harness.comparison import ColumnDifference, Pair
from harness.export import LoadedRun
from leaderboard._address import asked, link, one, page_number, protocol, switch
from leaderboard._parts import (
    Thumbnails,
    answer_of,
    fact,
    gone,
    marks_of,
    no_runs,
    run_names,
    store,
    title_of,
)
from leaderboard._tables import table
from leaderboard._text import one_line
from leaderboard.store import SampleRow
from leaderboard.views._differences import show_differences

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
    # Where it is refused, the reason is all there is to show.
    with st.spinner("Comparing row by row"):
        comparison = store().compare(found.runs[a], found.runs[b], chosen, common=common)
    pair = comparison.pairs[0]
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
    averages = [each for each in pair.telling_averages if each.estimate.n]
    show_differences(
        [line.to_json() for line in pair.columns],
        [each.to_json() for each in averages],
        name="differences",
    )


def _changed(runs: tuple[LoadedRun, LoadedRun], pair: Pair, chosen: str) -> None:
    st.subheader("Rows that changed", anchor=False)
    columns = {str(place): line for place, line in enumerate(pair.columns) if line.main}
    if not columns:
        st.caption("No column is measured in both.")
        return
    names = {
        place: f"{title_of(line.column.task, line.column.split)} ({_moved(line):,} changed)"
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
    if flips is not None:
        told = {"only B right": flips.only_candidate, "only A right": flips.only_baseline,
                "both right": flips.both_right, "both wrong": flips.both_wrong}  # fmt: skip
    else:
        told = {"gained": moved.up, "lost": moved.down, "stayed": moved.same}
    grid = st.grid(min_column_width=130, gap="small")
    for name, count in told.items():
        with grid.cell():
            st.metric(name, f"{count:,}", border=True)


def _cards(
    runs: tuple[LoadedRun, LoadedRun],
    task: str,
    rows: Sequence[tuple[SampleRow, SampleRow]],
    chosen: str,
    metric: str,
) -> None:
    pictures = Thumbnails([before for before, _ in rows])
    for before, after in rows:
        with st.container(border=True, key=f"card-{before.position}"):
            left, middle, right = st.columns([1.3, 2, 2], gap="medium")
            with left:
                pictures.place(before)
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
                    st.text(one_line(before.prompt or before.question, 400))
                fact("label", one_line(before.label, 300))
            with right:
                _side("A", before, chosen, metric)
                _side("B", after, chosen, metric)
    pictures.fill(runs[0], task)


def _side(letter: str, row: SampleRow, chosen: str, metric: str) -> None:
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(f"**{letter}**")
            marks_of(row._replace(split=None), chosen, metric)
        answer_of(row, row.readings[chosen])
