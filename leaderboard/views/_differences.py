"""Differences between two runs, as `harness compare --json` gives them: chart, table, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from leaderboard import _charts as charts
from leaderboard._parts import fact, title_of
from leaderboard._tables import table

Line = Mapping[str, Any]


def show_differences(columns: Sequence[Line], averages: Sequence[Line], *, name: str) -> None:
    """Chart and table of one protocol's differences.

    Args:
        columns: `ColumnDifference.to_json` of each.
        averages: `AverageDifference.to_json` of each.
        name: Of the file with the table.
    """
    records = [_record(line) for line in (*columns, *averages)]
    drawn = [r for r in records if r["low"] is not None]
    if drawn:
        st.altair_chart(
            charts.differences(
                [
                    {**r, "column": f"{r['column']} {r['metric'] or ''}", "difference": r["B - A"]}
                    for r in drawn
                ]
            ),
            width="stretch",
            key=name,
            alt="Differences with 95 % intervals; the table has the numbers",
        )
    points = st.column_config.NumberColumn(format="%.1f")
    config: dict[str, Any] = dict.fromkeys(("A", "B", "low", "high", "shows"), points)
    config["B - A"] = st.column_config.NumberColumn(format="%+.1f")
    config["p"] = config["Holm p"] = st.column_config.NumberColumn(format="%.2g")
    table(records, name=name, alt="Differences with intervals, p and verdict", config=config)
    st.caption(
        "Intervals are 95 %, clustered by picture; verdicts go by Holm's p over the columns, at "
        "0.05. shows: the smallest difference this many rows could have shown. No difference shown "
        "is no proof of equality."
    )
    with st.container(gap="xxsmall"):
        for record in records:
            if record["note"] and record["verdict"] != "same on every row":
                fact("note", f"{record['column']}: {record['note']}")


def _record(line: Line) -> dict[str, Any]:
    low, high = line["ci95"] or (None, None)
    average = "task" not in line
    flips = {} if average else {"gained": line["up"], "lost": line["down"]}
    name = f"{line['name']} average" if average else title_of(line["task"], line["split"])
    return {
        "column": name, "metric": None if average else line["metric"],
        "A": line["baseline"], "B": line["candidate"], "B - A": line["difference"],
        "low": low, "high": high, "verdict": line["verdict"],
        "p": line["p"], "Holm p": line.get("holm_p"), "shows": line["detectable"],
        "rows": line["n"], "pictures": line["clusters"],
        "gained": flips.get("gained"), "lost": flips.get("lost"),
        "note": line["reason"] or "; ".join(line["warnings"]) or None,
    }  # fmt: skip
