"""A closer look at a few candidates: radar, score against size or cost, and where to go on."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from harness.export import OTHER
from leaderboard import _charts as charts
from leaderboard._address import link, many, one
from leaderboard._parts import head_of, name_of_column
from leaderboard._radar import radar
from leaderboard._text import duration, parameters
from leaderboard.store import Candidate
from leaderboard.views._score_table import MOST_DRAWN, View, name_of

_PREVIEW = 3


def show_closer(view: View) -> None:
    """What can be done with a few candidates: open, compare, draw."""
    if not view.columns:
        return
    by_key = {candidate.key: candidate for candidate in view.candidates}
    names = {key: name_of(candidate) for key, candidate in by_key.items()}
    st.subheader("A closer look", anchor=False)
    picked = many(
        "Candidates (up to five; rows chosen in the table come here)",
        list(by_key),
        "pick",
        names=names,
        max_selections=MOST_DRAWN,
        placeholder="the first three",
    )
    chosen = [by_key[key] for key in picked] or list(by_key.values())[:_PREVIEW]
    _links([c for c in chosen if not c.reported] if picked else [])
    left, right = st.columns(2, gap="large")
    with left:
        _radar(view, chosen)
    with right:
        _scatter(view, chosen)


def _links(chosen: Sequence[Candidate]) -> None:
    if not chosen:
        return
    with st.container(horizontal=True, gap="medium"):
        if len(chosen) >= 2:
            a, b = _comparable(chosen[0], chosen[1])
            link("compare", "Compare the first two", icon=":material/compare_arrows:", a=a, b=b)
        link("candidate", "Open the first", icon=":material/badge:", run=chosen[0].key)
        link("samples", "Its rows", icon=":material/photo_library:", run=chosen[0].key)


def _comparable(a: Candidate, b: Candidate) -> tuple[str, str]:
    """The two runs that share most tasks."""
    pairs = [(len({*x.tasks} & {*y.tasks}), x.folder.id, y.folder.id)
             for x in a.runs for y in b.runs]  # fmt: skip
    _, first, second = max(pairs)
    return first, second


def _radar(view: View, chosen: Sequence[Candidate]) -> None:
    groups = list(dict.fromkeys(c.group for c in view.columns))
    axes = {g: [c for c in view.columns if c.group == g and c.task] for g in groups}
    groups = [group for group in groups if len(axes[group]) >= 3]
    st.markdown("**By domain**")
    if not groups:
        st.caption("A radar needs three columns of one domain.")
        return
    names = {name: name.replace("_", " ") for name in groups} | {OTHER: "own tasks"}
    group = groups[0]
    if len(groups) > 1:
        group = one(
            "Domain of the radar",
            groups,
            "radar",
            default=groups[0],
            form="buttons",
            names=names,
            label_visibility="collapsed",
        )
    scores = {
        name_of(c): [
            cell.score if (cell := c.cell(x, view.protocol)) else None for x in axes[group]
        ]
        for c in chosen
    }
    labels = [head_of(column) for column in axes[group]]
    st.altair_chart(
        radar(labels, scores),
        width="stretch",
        key="radar-chart",
        alt=f"Radar of {', '.join(scores)} on {', '.join(labels)}; the table has the numbers",
    )


def _scatter(view: View, chosen: Sequence[Candidate]) -> None:
    st.markdown("**Score against size or training time**")
    against = one(
        "Against",
        ("size", "training time"),
        "against",
        default="size",
        form="buttons",
        label_visibility="collapsed",
    )
    places = {str(place): column for place, column in enumerate(view.columns)}
    start = next((p for p, c in places.items() if c.task is None), "0")
    names = {
        place: f"{name_of_column(column)} ({column.measure})" for place, column in places.items()
    }
    names |= {
        place: name_of_column(column) for place, column in places.items() if column.task is None
    }
    column = places[one("Score", list(places), "score", names=names, default=start)]
    named = {candidate.key for candidate in chosen}
    points = []
    for candidate in view.candidates:
        facts, cell = candidate.facts, candidate.cell(column, view.protocol)
        x = facts.parameters if against == "size" else facts.training_seconds
        if cell is not None and cell.score is not None and x:
            points.append({
                "candidate": name_of(candidate), "x": x, "score": round(cell.score, 1),
                "told": parameters(x) if against == "size" else duration(x),
                "low": cell.low, "high": cell.high,
                "kind": "reported" if candidate.reported else "measured",
                "name": candidate.label if candidate.key in named else None,
            })  # fmt: skip
    if not points:
        st.caption(f"No candidate here says its {against}.")
        return
    st.altair_chart(
        charts.scatter(
            points,
            amount="parameters" if against == "size" else against,
            score=name_of_column(column),
        ),
        width="stretch",
        key="scatter",
        alt=f"{name_of_column(column)} of {len(points)} candidates against {against}",
    )
    if left := len(view.candidates) - len(points):
        st.caption(f"{left} candidates without a score or a known {against} are not drawn.")
