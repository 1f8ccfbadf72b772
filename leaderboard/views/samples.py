"""The rows of a run: filtered, searched, page by page."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from harness.export import LoadedRun
from leaderboard._address import asked, link, one, page_number, protocol, text
from leaderboard._parts import (
    Thumbnails,
    answer_of,
    fact,
    gone,
    marks_of,
    metric_of,
    no_runs,
    run_names,
    store,
)
from leaderboard._tables import download
from leaderboard._text import one_line
from leaderboard.store import SampleRow, Wanted
from leaderboard.store._rows import Kind

_PAGE = 12
_MOST_DOWNLOADED = 5_000
_KINDS = {"wrong": "not fully right", "right": "right"}


def draw() -> None:
    """Draw the page."""
    st.title("Samples", anchor=False)
    found = store().look()
    if no_runs(found):
        return
    if asked("run", found.runs) not in (None, *found.runs):
        gone("run")
    names = run_names(found.runs, store().candidates())
    left, right = st.columns([3, 1])
    with left:
        run = found.runs[one("Run", list(reversed(found.runs)), "run", names=names,
                             on_change=_first_page)]  # fmt: skip
    with right:
        task = one("Task", run.tasks, "task", on_change=_first_page)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = protocol()
        kind = one(
            "Rows",
            get_args(Kind),
            "rows",
            default="all",
            form="buttons",
            names=_KINDS,
            on_change=_first_page,
        )
        splits = store().samples.splits(run, task)
        split = None
        if splits:
            picked = one(
                "Answer type",
                ("any", *splits),
                "type",
                default="any",
                form="buttons",
                on_change=_first_page,
            )
            split = None if picked == "any" else picked
    search = text(
        "Search in questions, labels and answers",
        "search",
        type="search",
        on_change=_first_page,
        placeholder="a word or a part of one",
    )
    wanted = Wanted(kind, split, search, chosen)  # type: ignore[arg-type]
    _rows(run, task, wanted)


def _first_page() -> None:
    st.session_state["page"] = 1


def _rows(run: LoadedRun, task: str, wanted: Wanted) -> None:
    page = st.query_params.get("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 9 else 1
    if "page" in st.session_state:
        number = int(st.session_state["page"])
    found = store().samples.page(run, task, wanted, size=_PAGE, first=(max(number, 1) - 1) * _PAGE)
    pages = max(1, -(-found.total // _PAGE))
    st.caption(
        f"{found.total:,} rows" + (f", page {min(number, pages)} of {pages}" if pages > 1 else "")
    )
    if not found.total:
        st.info("No row is like that.", icon=":material/search_off:")
        return
    pictures = Thumbnails(found.rows)
    grid = st.grid(min_column_width=340, gap="small")
    for row in found.rows:
        with grid.cell(), st.container(border=True, key=f"card-{row.position}", height="stretch"):
            _card(run, task, row, wanted.protocol, pictures)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        page_number(pages)
        _download(run, task, wanted, found.total)
    pictures.fill(run, task)


def _card(run: LoadedRun, task: str, row: SampleRow, chosen: str, pictures: Thumbnails) -> None:
    left, right = st.columns([2, 3], gap="small", wrap=False)
    with left:
        pictures.place(row)
    with right:
        with st.container(key=f"question-{row.position}"):
            st.text(one_line(row.question, 220))
        marks_of(row, chosen, metric_of(run, task, row.split, chosen))
    with st.container(gap="xsmall"):
        fact("label", one_line(row.label, 160))
        answer_of(row, row.readings[chosen])
    link(
        "row",
        f"Open row {row.position}",
        icon=":material/open_in_full:",
        run=run.folder.id,
        task=task,
        row=row.position,
    )


def _download(run: LoadedRun, task: str, wanted: Wanted, total: int) -> None:
    def records() -> list[dict[str, Any]]:
        page = store_.samples.page(run, task, wanted, size=_MOST_DOWNLOADED, first=0)
        return [_record(row) for row in page.rows]

    store_ = store()
    download(records, name=f"{task}-rows", key="rows")
    if total > _MOST_DOWNLOADED:
        st.caption(f"The file holds the first {_MOST_DOWNLOADED:,} rows.")


def _record(row: SampleRow) -> dict[str, Any]:
    record: dict[str, Any] = {
        "row": row.position, "id": row.row_id, "answer_type": row.split, "question": row.question,
        "prompt": row.prompt, "label": row.label, "answer": row.text, "failed": row.failed,
        "reason": row.reason,
    }  # fmt: skip
    for name, reading in row.readings.items():
        record |= {f"{name}_{metric}": value for metric, value in reading.metrics.items()}
        record |= {f"{name}_parsed": reading.parsed, f"{name}_unparsed": reading.unparsed,
                   f"{name}_guessed": reading.guessed}  # fmt: skip
    return record
