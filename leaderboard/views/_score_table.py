"""The table of scores: numbers that sort, written with interval, rank range and marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from harness.comparison import RankRange
from leaderboard import _charts as charts
from leaderboard._parts import store
from leaderboard._tables import download
from leaderboard._text import one_line
from leaderboard.store import Candidate, Column

MOST_DRAWN = 5
Ranks = Mapping[Column, Mapping[str, RankRange]]


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
        height=min(38 * (len(keys) + 2) + 4, 640),
        placeholder="not run",
        column_config=_widths(view),
        alt=f"Scores of {len(keys)} candidates on {len(view.columns)} columns",
    )
    _legend(view)
    download(_records(view), name="leaderboard")


def _styled(view: View) -> Any:
    """Numbers that sort as numbers, written with interval, rank and mark."""
    import pandas as pd

    heads = [(c.group.replace("_", " "), head_of(c)) for c in view.columns]
    values, texts, styles = [], [], []
    for candidate in view.candidates:
        cells = [candidate.cell(column, view.protocol) for column in view.columns]
        # Rounded: a screen reader reads the number itself.
        values.append([_rounded(cell.score) if cell else None for cell in cells])
        texts.append([_told(view, candidate, column) for column in view.columns])
        grey = f"color: {charts.GREY}"
        first = "background-color: rgba(0, 158, 115, 0.16)"
        best = [view.ranks.get(c, {}).get(candidate.key) for c in view.columns]
        of = [len(view.ranks.get(c, {})) for c in view.columns]
        marked = [
            first if r and r.best == 1 and r.worst < n else ""
            for r, n in zip(best, of, strict=True)
        ]
        styles.append([grey] * len(heads) if candidate.reported else marked)
    index = _unique([name_of(candidate) for candidate in view.candidates])
    frame = pd.DataFrame(values, columns=pd.MultiIndex.from_tuples(heads), index=index)
    frame.index.name = "candidate"
    for place in range(len(heads)):
        frame.isetitem(place, pd.to_numeric(frame.iloc[:, place]))
    styler = frame.style.apply(
        lambda _: pd.DataFrame(styles, index=index, columns=frame.columns), axis=None
    )
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            # `Styler.format` takes one function a column, and knows no row.
            styler._display_funcs[(i, j)] = lambda _, text=text: text
    return styler


def _widths(view: View) -> dict[Any, Any]:
    """Wide enough for a score with all that stands beside it, by the column's place."""
    wide = 84 + 48 * view.interval + 36 * any(view.ranks.values())
    places = range(1, len(view.columns) + 1)
    return {"_index": st.column_config.Column(width=200)} | {
        place: st.column_config.Column(width=wide) for place in places
    }


def head_of(column: Column) -> str:
    """What the table calls a column, beneath its group."""
    return one_line(column.title, 40)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _unique(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _told(view: View, candidate: Candidate, column: Column) -> str:
    cell = candidate.cell(column, view.protocol)
    if cell is None or cell.score is None:
        return "not run"
    parts = [f"{cell.score:.1f}"]
    if view.interval and cell.low is not None and cell.high is not None:
        parts.append(f"±{(cell.high - cell.low) / 2:.1f}")
    if (rank := view.ranks.get(column, {}).get(candidate.key)) is not None:
        parts.append(f"#{rank.best}" if rank.best == rank.worst else f"#{rank.best}-{rank.worst}")
    if cell.seen:
        parts.append("†")
    return " ".join(parts)


def _legend(view: View) -> None:
    told = ["± half of the 95 % interval, clustered by picture."]
    if any(view.ranks.values()):
        told.append(
            "#2-4: between second and fourth, as far as the rows tell (all pairs, Holm's "
            "adjustment; same rows only). Green: nobody is shown to be better."
        )
    progress = store().progress()
    if progress.done < progress.of:
        told.append(f"Ranks are being worked out: {progress.done} of {progress.of} runs read.")
    cells = (c.cell(x, view.protocol) for c in view.candidates for x in view.columns)
    if any(cell.seen for cell in cells if cell):
        told.append("† may have seen the test data (the Task page says why).")
    if any(c.reported for c in view.candidates):
        told.append("Grey, reported: printed in arXiv:2411.19930v4, not measured here.")
    elif view.protocol == "strict":
        told.append("Reported scores were made under the paper protocol and are left out here.")
    st.caption(" ".join(told))


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
