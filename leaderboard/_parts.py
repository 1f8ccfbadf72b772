"""Pieces that several pages show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import streamlit as st

from harness.errors import UserError
from harness.export import Column, LoadedRun
from leaderboard._address import link
from leaderboard._text import clean, one_line
from leaderboard.store import Candidate, Reading, SampleRow, Shown, Store
from tasks import TASKS

_WIDTH = 150
_FIRST_RUN = "harness eval --model yes --engine constant --tasks biomed --data sample"
Page = TypeVar("Page", bound=Callable[..., None])

STYLE = """
<style>
.st-key-subject [data-testid="stText"] { font-size: 1.15rem; font-weight: 600; }
[class*="st-key-card"] [data-testid="stImage"] img { border-radius: 0.3rem; max-height: 160px; }
[class*="st-key-question"] [data-testid="stText"] { font-weight: 600; }
[data-testid="stText"] { overflow-wrap: anywhere; unicode-bidi: plaintext; }
[data-testid="stMainBlockContainer"] { padding-top: 4.2rem; padding-bottom: 3rem; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding-left: 0.9rem; padding-right: 0.9rem; }
}
</style>
"""
"""Nothing in it comes from a run."""


def store() -> Store:
    """The store of this app."""
    return cast("Store", st.session_state["_store"])


def problem(error: UserError) -> None:
    """Say what went wrong; the message may quote a stranger."""
    with st.container(border=True):
        st.markdown(":material/error: **This cannot be shown.**")
        st.text(clean(error.message))
        if error.hint:
            st.text(clean(error.hint))


@contextmanager
def guarded() -> Iterator[None]:
    """Show a `UserError` in its place, and go on with the page."""
    try:
        yield
    except UserError as error:
        problem(error)


def page(draw: Page) -> Page:
    """A page that is never taken down by what a run holds."""

    @wraps(draw)
    def drawn() -> None:
        with guarded():
            draw()

    return cast("Page", drawn)


def subject(text: str) -> None:
    """What a page is about: a stranger's name, in larger letters."""
    with st.container(key="subject"):
        st.text(clean(text))


def fact(name: str, value: object) -> None:
    """A name and a stranger's value side by side."""
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="top"):
        st.caption(name, width=64)
        st.text(clean(value), width="stretch")


def marks_of(row: SampleRow, protocol: str, metric: str | None) -> None:
    """What became of a row, as words in colours."""
    reading = row.readings[protocol]
    value = reading.metrics.get(metric) if metric else None
    with st.container(horizontal=True, gap="xsmall"):
        if row.failed:
            st.badge("failed", icon=":material/error:", color="red")
        elif value is not None:
            right = value >= 1
            name = "right" if right else "wrong" if value == 0 else f"{100 * value:.0f} of 100"
            icon = ":material/check:" if right else ":material/close:" if value == 0 else None
            st.badge(name, icon=icon, color="blue" if right else "orange")
        if reading.unparsed:
            st.badge("unparsed", color="gray")
        if reading.guessed:
            st.badge("guessed", color="gray")
        if row.split in ("open", "closed"):
            st.badge(row.split, color="violet")


def metric_of(run: LoadedRun, task: str, split: str | None, protocol: str) -> str | None:
    """Main metric of a row."""
    for line in run.lines:
        if line.main and (line.task, line.split, line.protocol) == (task, split, protocol):
            return line.metric
    return None


def _thumbnail(shown: Shown, question: str | None) -> None:
    if shown.data is None:
        st.text(f"[{one_line(shown.reason, 120)}]", width=_WIDTH)
    else:
        st.image(shown.data, width=_WIDTH, alt=one_line(f"Picture of: {question}", 200))


class Thumbnails:
    """Small pictures of a page's rows: those at hand at once, the rest when all else is drawn."""

    def __init__(self, rows: Sequence[SampleRow]) -> None:
        self._rows = rows
        self._kept = store().pictures.kept(rows)
        self._slots: dict[int, Any] = {}

    def place(self, row: SampleRow) -> None:
        """Where a row's picture goes."""
        self._slots[row.position] = slot = st.empty()
        with slot:
            if row.position in self._kept:
                _thumbnail(self._kept[row.position], row.question)
            else:
                st.text("…", width=_WIDTH)

    def fill(self, run: LoadedRun, task: str) -> None:
        """Read what is missing from the run's source."""
        missing = {row.position: row for row in self._rows if row.position not in self._kept}
        for position, shown in store().pictures.thumbnails(run, task, missing.values()):
            with self._slots[position]:
                _thumbnail(shown, missing[position].question)


def answer_of(row: SampleRow, reading: Reading) -> None:
    """What was answered and what was read out of it."""
    if row.failed:
        fact("failed", one_line(row.reason or "no reason given", 300))
    else:
        fact("answer", one_line(row.text or "(empty)", 300))
        if reading.parsed is not None and reading.parsed != row.text:
            fact("parsed", one_line(reading.parsed, 200))


def title_of(task: str, split: str | None) -> str:
    """What people call a task's column; a task of somebody's own by its id."""
    title = TASKS[task].card.title if task in TASKS else task
    return f"{title} {split}" if split else title


def head_of(column: Column) -> str:
    """What a table calls a column beneath its group."""
    return "average" if column.task is None else one_line(title_of(column.task, column.split), 40)


def name_of_column(column: Column) -> str:
    """What a column is called without a group above it."""
    return f"{column.group.replace('_', ' ')} average" if column.task is None else head_of(column)


def run_names(runs: dict[str, LoadedRun], candidates: list[Candidate]) -> dict[str, str]:
    """What lists call the runs: the candidate, its tasks, the day."""
    labels = {run.folder.id: c.label for c in candidates for run in c.runs}
    return {
        name: f"{one_line(labels.get(name, name), 60)} · {_tasks(run)} · {_day(name)}"
        for name, run in runs.items()
    }


def _tasks(run: LoadedRun) -> str:
    few = ", ".join(run.tasks[:2])
    return f"{few} and {len(run.tasks) - 2} more" if len(run.tasks) > 2 else few


def _day(name: str) -> str:
    digits = name[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if digits.isdigit() else name[:12]


def gone(what: str) -> None:
    """Say that an address leads to something that is no longer there."""
    st.info(f"There is no such {what} here (any more).", icon=":material/search_off:")
    link("overview", "To the overview", icon=":material/leaderboard:")


def no_runs(found: Any) -> bool:
    """Say so if there is nothing to show yet."""
    if found.runs:
        return False
    st.info(
        "There is no folder of runs yet." if found.missing else "No finished run is here yet.",
        icon=":material/hourglass_empty:",
    )
    st.text(f"Runs are looked for in {clean(store().root.resolve())}.")
    st.code(_FIRST_RUN, language=None)
    st.caption("makes a first one; it appears here by itself.")
    return True
