"""Candidates and tasks: scores, intervals, rank ranges; published rows beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from harness.export import OTHER, Column
from leaderboard._address import many, one, protocol
from leaderboard._parts import no_runs, store
from leaderboard._tables import table
from leaderboard._text import clean
from leaderboard.store import Candidate, Snapshot
from leaderboard.store._candidates import columns_of, reported_candidates
from leaderboard.views._closer import show_closer
from leaderboard.views._score_table import Ranks, View, show_scores

_SHOW = ("reported", "baselines", "controls", "partial", "sample")
_SHOWN = ("reported", "baselines")
_NAMES = {"reported": "reported rows", "partial": "partial runs", "sample": "sample rows"}
_SIZES = {"under 4B": (0.0, 4e9), "4B to 10B": (4e9, 1e10), "over 10B": (1e10, float("inf"))}
_UNKNOWN = "not known"


def draw() -> None:
    """Draw the page."""
    st.title("Leaderboard", anchor=False)
    found = store().look()
    if no_runs(found):
        _folders(found)
        return
    view = _controls(store().candidates())
    show_scores(view)
    show_closer(view)
    _folders(found)


def _controls(measured: Sequence[Candidate]) -> View:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = protocol()
        groups = list(dict.fromkeys(c.group for c in columns_of(measured, chosen)))
        domains = ("all", *groups)
        names = {name: name.replace("_", " ") for name in domains} | {OTHER: "own tasks"}
        domain = one("Domain", domains, "domain", default="all", form="buttons", names=names)
        with st.popover("Filters", icon=":material/filter_list:"):
            shown = many("Also show", _SHOW, "show", default=_SHOWN, form="buttons", names=_NAMES)
            everyone = [*measured, *reported_candidates()]
            kept = _filtered(everyone)
        names = {"interval": "± 95 %", "rank": "rank range"}
        cells = many("In each cell", tuple(names), "cells", default=tuple(names), form="buttons",
                     names=names)  # fmt: skip
    visible = [c for c in kept if not c.reported and _hidden_by(c) <= {*shown}]
    if not visible and (rest := [c for c in kept if not c.reported]):
        # A folder of first tries would look empty.
        st.caption("Only partial runs, sample rows or controls are here, so they are shown.")
        visible = rest
    columns = tuple(c for c in columns_of(visible, chosen) if domain in ("all", c.group))
    beside = []
    # A score on drawn rows says nothing beside a published one.
    drawn = bool(visible) and all("sample" in _hidden_by(c) for c in visible)
    if "reported" in shown and drawn:
        st.caption("Reported rows are left out: all scores here are of drawn sample rows.")
    elif "reported" in shown:
        beside = [c for c in kept if c.reported and any(c.cell(x, chosen) for x in columns)]
    order = _order(columns, chosen)
    rows = (*sorted(visible, key=order), *sorted(beside, key=order))
    ranks: Ranks = {}
    if "rank" in cells:
        ranks = {column: store().ranks(visible, column, columns, chosen) for column in columns}
    return View(chosen, columns, rows, ranks, "interval" in cells)


def _hidden_by(candidate: Candidate) -> set[str]:
    """Which of `_SHOW` must be switched on for it."""
    kinds = {"baseline": "baselines", "control": "controls", "repetition": "controls",
             "partial": "partial", "sample": "sample"}  # fmt: skip
    return {kind for mark in candidate.marks for start, kind in kinds.items()
            if mark.startswith(start)}  # fmt: skip


def _filtered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that base family, size, method and training data let through."""
    kept = list(candidates)
    for label, key, of in (
        ("Base family", "family", lambda c: c.facts.family or _UNKNOWN),
        ("Size", "size", _size),
        ("Method", "method", lambda c: c.facts.method or _UNKNOWN),
        ("Training data", "data", lambda c: c.facts.data or _UNKNOWN),
    ):
        options = sorted({of(c) for c in candidates}, key=lambda name: (name == _UNKNOWN, name))
        wanted = many(label, options, key, placeholder="all")
        if wanted:
            kept = [c for c in kept if of(c) in wanted]
    return kept


def _size(candidate: Candidate) -> str:
    size = candidate.facts.parameters
    if size is None:
        return _UNKNOWN
    return next(name for name, (low, high) in _SIZES.items() if low <= size < high)


def _order(columns: Sequence[Column], chosen: str) -> Any:
    """Best average first; where there is none, best in the mean of what was run."""
    averages = [c for c in columns if c.task is None] or list(columns)

    def key(candidate: Candidate) -> tuple[float, ...]:
        cells = (candidate.cell(column, chosen) for column in averages)
        scores = [cell.score for cell in cells if cell and cell.score is not None]
        if not scores:
            cells = (candidate.cell(column, chosen) for column in columns)
            rest = [cell.score for cell in cells if cell and cell.score is not None]
            return (1, 0, -sum(rest) / len(rest) if rest else 1.0)
        # What was made for one domain is listed domain by domain.
        first = next(
            place for place, column in enumerate(averages) if candidate.cell(column, chosen)
        )
        return (0, -len(scores), first, -sum(scores) / len(scores))

    return key


def _folders(found: Snapshot) -> None:
    if not found.problems:
        return
    st.subheader("Folders that are not shown", anchor=False)
    records = [
        {"folder": clean(p.name), "state": p.kind, "reason": clean(p.reason)}
        for p in found.problems
    ]
    table(
        records,
        name="not-shown",
        alt="Run folders that are unfinished or cannot be read",
        config={"reason": st.column_config.Column(width=560)},
    )
