"""One row: the full picture, the exact prompt, and what was made of the answer."""

from __future__ import annotations

import streamlit as st

from harness.export import LoadedRun
from leaderboard._address import asked, link
from leaderboard._parts import fact, gone, guarded, marks_of, metric_of, run_names, store, subject
from leaderboard._tables import table
from leaderboard._text import clean, one_line
from leaderboard.store import SampleRow


def draw() -> None:
    """Draw the page that `run`, `task` and `row` name; `b` puts another run beside it."""
    st.title("Row", anchor=False)
    found = store().look()
    given = st.query_params
    run = found.runs.get(asked("run", found.runs) or "")
    task, position = given.get("task", ""), given.get("row", "")
    if run is None or task not in run.tasks or not (position.isdecimal() and len(position) < 16):
        gone("row")
        return
    row = store().samples.row(run, task, int(position))
    if row is None:
        gone("row")
        return
    subject(f"{task}, row {row.position} ({one_line(row.row_id)})")
    _links(run, task, row)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _picture(run, task, row)
    with right:
        _asked(row)
    runs = [run]
    if (other := found.runs.get(asked("b", found.runs) or "")) is not None and task in other.tasks:
        runs.append(other)
    names = run_names(found.runs, store().candidates())
    for place, (one, column) in enumerate(
        zip(runs, st.columns(len(runs), gap="large"), strict=True)
    ):
        with column, guarded():
            _answer(one, task, row, place, names[one.folder.id])


def _links(run: LoadedRun, task: str, row: SampleRow) -> None:
    with st.container(horizontal=True, gap="medium"):
        link(
            "samples",
            "All rows of this run",
            icon=":material/photo_library:",
            run=run.folder.id,
            task=task,
        )
        if row.position:
            link(
                "row",
                "Previous row",
                icon=":material/chevron_left:",
                run=run.folder.id,
                task=task,
                row=row.position - 1,
                b=st.query_params.get("b"),
            )
        link(
            "row",
            "Next row",
            icon=":material/chevron_right:",
            run=run.folder.id,
            task=task,
            row=row.position + 1,
            b=st.query_params.get("b"),
        )


def _picture(run: LoadedRun, task: str, row: SampleRow) -> None:
    shown = store().pictures.full(run, task, row)
    if shown.data is None or shown.size is None:
        st.text(f"No picture is shown: {clean(shown.reason)}.")
    else:
        small = shown.size[0] < 320
        st.image(
            shown.data,
            width=320 if small else "stretch",
            alt=one_line(f"Picture of: {row.question}", 200),
        )
        st.caption(f"{shown.size[0]} × {shown.size[1]} pixels")  # noqa: RUF001 - a times sign
    if run.images != "given":
        st.caption(f"This run was a control: the model was shown {run.images} pictures instead.")
    fact("source", ": ".join(part for part in (run.source(task), row.image) if part) or "-")


def _asked(row: SampleRow) -> None:
    st.markdown("**Prompt, exactly as it was given**")
    st.code(clean(row.prompt), language=None, wrap_lines=True)
    if row.question != row.prompt:
        fact("question", row.question)
    for letter, option in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", row.options, strict=False):
        fact(letter, option)
    st.markdown("**Label**")
    st.code(clean(row.label), language=None, wrap_lines=True)


def _answer(run: LoadedRun, task: str, row: SampleRow, place: int, name: str) -> None:
    if place:
        found = next(iter(_same(run, task, row)), None)
        if found is None:
            st.info("The other run has no such row.")
            return
        row = found
    st.subheader(
        f"Answer of {'AB'[place]}" if place or st.query_params.get("b") else "Answer", anchor=False
    )
    st.text(name)
    st.code(clean(row.text if row.text is not None else ""), language=None, wrap_lines=True)
    if row.failed:
        fact("failed", row.reason)
    if row.finish_reason not in (None, "stop"):
        fact("finished", row.finish_reason)
    records = []
    for protocol, reading in row.readings.items():
        st.caption(protocol)
        marks_of(row, protocol, metric_of(run, task, row.split, protocol))
        fact("parsed", reading.parsed if reading.parsed is not None else "(nothing)")
        if reading.note:
            fact("note", reading.note)
        records += [{"protocol": protocol, "metric": metric, "value": round(100 * value, 2)}
                    for metric, value in reading.metrics.items()]  # fmt: skip
    table(records, name=f"values-{place}", alt="Values of this row under both protocols")


def _same(run: LoadedRun, task: str, row: SampleRow) -> list[SampleRow]:
    """The row of another run that has the same id, where it stands at the same place."""
    other = store().samples.row(run, task, row.position)
    return [other] if other is not None and other.row_id == row.row_id else []
