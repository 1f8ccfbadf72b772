"""The table of scores: numbers that sort, written with interval, rank range and marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from harness.comparison import RankRange
from harness.export import Column
from leaderboard import _charts as charts
from leaderboard._parts import head_of, store
from leaderboard._tables import download
from leaderboard._text import one_line
from leaderboard.store import Candidate
from tasks import GROUPS

MOST_DRAWN = 5
Ranks = Mapping[Column, Mapping[str, RankRange]]
_ROW, _TALLEST = 35, 700
"""Pixels."""
_REPORTED, _MARKED = "◇", "○"
"""Before the names of those that are no measured models: the marks behind may be cut off."""
_DIGITS = len("100.0")
_LEADS = "background-color: rgba(0, 158, 115, 0.16)"


class View(NamedTuple):
    """What the table shows."""

    protocol: str
    columns: tuple[Column, ...]
    candidates: tuple[Candidate, ...]
    ranks: Ranks
    interval: bool
    """Whether cells show it."""


def name_of(candidate: Candidate) -> str:
    """What the table calls a candidate."""
    marks = f" [{one_line(', '.join(candidate.marks), 60)}]" if candidate.marks else ""
    return one_line(candidate.label, 60) + marks


def show_scores(view: View) -> None:
    """The table; rows chosen in it are drawn below it."""
    if not view.columns:
        st.info("No candidate passes these filters.", icon=":material/filter_list_off:")
        return
    keys = [candidate.key for candidate in view.candidates]

    def choose() -> None:
        rows = st.session_state["table"]["selection"]["rows"]
        st.session_state["pick"] = [keys[row] for row in rows if row < len(keys)][:MOST_DRAWN]

    st.dataframe(
        _styled(view),
        on_select=choose,
        selection_mode="multi-row",
        key="table",
        height=min(_ROW * (len(keys) + 2) + 4, _TALLEST),
        column_config=_widths(view),
        alt=f"Scores of {len(keys)} candidates on {len(view.columns)} columns",
    )
    _legend(view)
    download(lambda: _records(view), name="leaderboard")


def _styled(view: View) -> Any:
    """Cells that sort and are read out by what they hold, and are drawn shorter."""
    import pandas as pd

    heads = [(c.group.replace("_", " "), head_of(c)) for c in view.columns]
    cells = [[_written(view, one, column) for column in view.columns] for one in view.candidates]
    index = _unique([_symbol(one) + name_of(one) for one in view.candidates])
    frame = pd.DataFrame(
        [[cell.held for cell in row] for row in cells],
        columns=pd.MultiIndex.from_tuples(heads),
        index=pd.Index(index, name="candidate"),
        dtype=object,
    )
    styles = [[cell.style for cell in row] for row in cells]
    styler = frame.style.apply(
        lambda _: pd.DataFrame(styles, index=index, columns=frame.columns), axis=None
    )
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            # `Styler.format` takes one function a column, and knows no row.
            styler._display_funcs[(i, j)] = lambda _, text=cell.drawn: text
    return styler


def _symbol(candidate: Candidate) -> str:
    if candidate.ordinary:
        return ""
    return f"{_REPORTED} " if candidate.reported else f"{_MARKED} "


def _widths(view: View) -> dict[Any, Any]:
    """Wide enough for a score with all that stands beside it, by the column's place."""
    wide = 84 + 22 * view.interval + 18 * any(view.ranks.values())
    places = range(1, len(view.columns) + 1)
    return {"_index": st.column_config.Column(width=200)} | {
        place: st.column_config.TextColumn(width=wide, alignment="right") for place in places
    }


class _Written(NamedTuple):
    """A cell of the table."""

    held: str
    """In words; begins with the score, right-aligned with blanks so that texts sort as numbers."""
    drawn: str
    style: str


def _written(view: View, candidate: Candidate, column: Column) -> _Written:
    cell, ranks = candidate.cell(column, view.protocol), view.ranks.get(column, {})
    if cell is None or cell.score is None:
        missing = "not reported" if candidate.reported else "not run"
        return _Written(" " * _DIGITS + missing, missing, f"color: {charts.GREY}")
    held, drawn = [f"{cell.score:.1f}".rjust(_DIGITS)], f"{cell.score:.1f}"
    if view.interval and cell.low is not None and cell.high is not None:
        half = f"{(cell.high - cell.low) / 2:.1f}"
        held.append(f"plus or minus {half}")
        drawn += f" ±{half}"
    if (rank := ranks.get(candidate.key)) is not None:
        same = rank.best == rank.worst
        held.append(f"rank {rank.best}" if same else f"rank {rank.best} to {rank.worst}")
        drawn += f" #{rank.best}" if same else f" #{rank.best}-{rank.worst}"
    if cell.seen:
        held.append("may have seen the test data")
        drawn += " †"
    if candidate.reported:
        held.append("reported")
        return _Written(", ".join(held), drawn, f"color: {charts.GREY}")
    leads = rank is not None and rank.best == 1 and rank.worst < len(ranks)
    return _Written(", ".join(held), drawn, _LEADS if leads else "")


def _unique(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _legend(view: View) -> None:
    told = ["± half of the 95 % interval, clustered by picture."]
    if any(view.ranks.values()):
        told.append(
            "#2-4: between second and fourth, as far as the rows tell (all pairs, Holm's "
            "adjustment; same rows only). Green: nobody is shown to be better, and somebody to be "
            "worse."
        )
    progress = store().progress()
    if progress.done < progress.of:
        told.append(f"Ranks are being worked out: {progress.done} of {progress.of} runs read.")
    cells = (c.cell(x, view.protocol) for c in view.candidates for x in view.columns)
    if any(cell.seen for cell in cells if cell):
        told.append("† may have seen the test data (the Task page says why).")
    if any(not c.ordinary and not c.reported for c in view.candidates):
        told.append(f"{_MARKED} no model's score on whole test sets; the brackets say why.")
    if any(c.reported for c in view.candidates):
        told.append(f"{_REPORTED}, grey: printed in arXiv:2411.19930v4, not measured here.")
    elif view.protocol == "strict":
        told.append("Reported scores were made under the paper protocol and are left out here.")
    st.caption(" ".join(told))
    for group in dict.fromkeys(column.group for column in view.columns):
        if missing := _without_average(view, group):
            st.caption(f"{group.replace('_', ' ')} has no average here; not run: {missing}.")


def _without_average(view: View, group: str) -> str:
    """Tasks of a group that nobody shown has run, where that is why it has no average."""
    mine = [column for column in view.columns if column.group == group]
    if group not in GROUPS or any(column.task is None for column in mine):
        return ""
    run = {column.task for column in mine}
    return ", ".join(task.card.title for task in GROUPS[group] if task.id not in run)


def _records(view: View) -> list[dict[str, Any]]:
    """A line a cell."""
    records = []
    for candidate in view.candidates:
        for column in view.columns:
            cell = candidate.cell(column, view.protocol)
            rank = view.ranks.get(column, {}).get(candidate.key)
            records.append({
                "candidate": candidate.label, "kind": ", ".join(candidate.marks) or "measured",
                "group": column.group, "task": column.task or "average", "split": column.split,
                "metric": column.metric, "protocol": view.protocol,
                "score": cell.score if cell else None, "low": cell.low if cell else None,
                "high": cell.high if cell else None, "n": cell.n if cell else None,
                "clusters": cell.clusters if cell else None,
                "unparsed": cell.unparsed if cell else None,
                "guessed": cell.guessed if cell else None,
                "failed": cell.failed if cell else None,
                "rank_best": rank.best if rank else None,
                "rank_worst": rank.worst if rank else None,
                "may_have_seen": cell.seen if cell else None,
                "run": cell.run if cell else None,
                "source": candidate.source,
                "note": "not run" if cell is None else cell.reason,
            })  # fmt: skip
    return records
