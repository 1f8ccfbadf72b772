"""Charts. Colours are those of Okabe and Ito, and shapes say the same for who sees no colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard._text import one_line

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4])
GREY = "#8a8a8a"
"""Seen on white and on black."""


_AMOUNTS = {
    "parameters": "replace(format(datum.value, '~s'), 'G', 'B')",
    "training time": "datum.value >= 3600 ? format(datum.value / 3600, '~g') + ' h' : "
    "datum.value >= 60 ? format(datum.value / 60, '~g') + ' min' : "
    "format(datum.value, '~g') + ' s'",
}
"""How a scatter's x axis writes its numbers: of parameters, of seconds."""


def scatter(points: Sequence[Mapping[str, Any]], *, amount: str, score: str) -> Any:
    """Score against size or cost, with intervals; measured filled, reported hollow.

    Args:
        points: With candidate, x, told, score, low, high, kind, name (beside the point; or None).
        amount: What x is: `parameters` or `training time`.
        score: Of the y axis.
    """
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame([
        {**p, "candidate": one_line(p["candidate"], 60), "name": one_line(p["name"] or "", 28)}
        for p in points
    ])  # fmt: skip
    x = alt.X(
        "x:Q",
        title=amount,
        # Wider than the points are: candidates are often of one size.
        scale=alt.Scale(type="log", domain=[frame["x"].min() / 2, frame["x"].max() * 3]),
        axis=alt.Axis(labelExpr=_AMOUNTS[amount], grid=False, tickCount=6, labelOverlap="greedy"),
    )
    y = alt.Y("score:Q", title=score, scale=alt.Scale(zero=False, padding=15))
    kinds = ["measured", "reported"]
    legend = alt.Legend(orient="top", symbolOpacity=1)
    colours = alt.Scale(domain=kinds, range=[COLOURS[0], COLOURS[1]])
    colour = alt.Color("kind:N", title=None, scale=colours, legend=legend)
    shapes = alt.Scale(domain=kinds, range=["circle", "diamond"])
    shape = alt.Shape("kind:N", title=None, scale=shapes, legend=legend)
    base = alt.Chart(frame)
    layers = []
    if frame["low"].notna().any():
        layers.append(
            base.transform_filter("isValid(datum.low)")
            .mark_rule(opacity=0.5)
            .encode(x=x, y=alt.Y("low:Q", title=score), y2="high:Q", color=colour)
        )
    layers += [
        base.mark_point(size=80, filled=True, opacity=0.9).encode(
            x=x, y=y, color=colour, shape=shape,
            tooltip=["candidate:N", "score:Q", alt.Tooltip("told:N", title=amount), "kind:N"]),
        base.mark_text(align="left", dx=8, fontSize=11, color=GREY).encode(x=x, y=y, text="name:N"),
    ]  # fmt: skip
    return alt.layer(*layers).properties(height=400)


def curve(points: Sequence[tuple[int, float]]) -> Any:
    """Training loss over steps, as logged and smoothed."""
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame(points, columns=["step", "loss"])
    window = max(1, len(points) // 40)
    frame["smoothed"] = frame["loss"].rolling(window, min_periods=1).mean()
    x = alt.X("step:Q", title="optimizer step")
    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    raw = alt.Chart(frame).mark_line(opacity=0.35, strokeWidth=1, color=GREY).encode(x=x, y=y)
    smooth = alt.Chart(frame).mark_line(strokeWidth=2, color=COLOURS[0]).encode(
        x=x, y=alt.Y("smoothed:Q", title="loss"), tooltip=["step:Q", "loss:Q"])  # fmt: skip
    return alt.layer(raw, smooth).properties(height=260)


def kinds(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Samples of each kind of task in one or several sets, as in the paper's Figure 3.

    Args:
        rows: With kind, set, share (percent) and samples.
    """
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame([
        {**row, "kind": one_line(row["kind"], 40), "set": one_line(row["set"], 40)} for row in rows
    ])  # fmt: skip
    sets = list(dict.fromkeys(frame["set"]))
    y = alt.Y("kind:N", title=None, sort=None, axis=alt.Axis(labelLimit=260, labelOverlap=False))
    colour = alt.Color(
        "set:N",
        title=None,
        legend=alt.Legend(orient="top") if len(sets) > 1 else None,
        scale=alt.Scale(domain=sets, range=[COLOURS[n % len(COLOURS)] for n in range(len(sets))]),
    )
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="samples, %"),
            y=y,
            yOffset=alt.YOffset("set:N", sort=sets),
            color=colour,
            tooltip=["set:N", "kind:N", "samples:Q", alt.Tooltip("share:Q", format=".1f")],
        )
        .properties(height=(14 + 14 * len(sets)) * frame["kind"].nunique() + 110)
    )


def differences(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Differences with intervals around zero.

    Args:
        rows: With column, difference, low, high, verdict.
    """
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame([{**row, "column": one_line(row["column"], 40)} for row in rows])
    verdicts = ["better", "worse", "no difference shown"]
    frame["verdict"] = frame["verdict"].where(frame["verdict"].isin(verdicts), verdicts[2])
    y = alt.Y("column:N", title=None, sort=None, axis=alt.Axis(labelLimit=220))
    colour = alt.Color(
        "verdict:N",
        title=None,
        legend=alt.Legend(orient="top", symbolOpacity=1),
        scale=alt.Scale(domain=verdicts, range=[COLOURS[0], COLOURS[1], GREY]),
    )
    shape = alt.Shape(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=verdicts, range=["triangle-right", "triangle-left", "circle"]),
    )
    x = alt.X("difference:Q", title="difference in points")
    zero = (
        alt.Chart(pd.DataFrame([{"difference": 0.0}]))
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(x=x)
    )
    lines = (
        alt.Chart(frame)
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q", title="difference in points"), x2="high:Q", y=y, color=colour)
    )
    dots = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=["column:N", "difference:Q", "low:Q", "high:Q", "verdict:N"],
        )
    )
    return alt.layer(zero, lines, dots).properties(height=max(140, 30 * len(frame) + 60))


MOST_PAIRS = 40
"""Lines that a chart of both protocols draws."""


def protocols(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A line from the paper's score to the strict one, for each candidate and column.

    Args:
        rows: With candidate, column, paper, strict.
    """
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame([
        {"name": f"{one_line(row['candidate'], 30)} · {row['column']}", "protocol": protocol,
         "score": row[protocol], "paper": row["paper"], "strict": row["strict"]}
        for row in rows for protocol in ("paper", "strict")
    ])  # fmt: skip
    # Names stand above their lines: beside them they would leave a phone no room.
    y = alt.Y("name:N", title=None, sort=None, axis=None)
    kinds = ["paper", "strict"]
    x = alt.X("score:Q", title="score", scale=alt.Scale(domain=[0, 100]))
    rule = (
        alt.Chart(frame)
        .mark_rule(color=GREY)
        .encode(x=alt.X("paper:Q", title="score"), x2="strict:Q", y=y)
    )
    dots = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90)
        .encode(
            x=x,
            y=y,
            tooltip=["name:N", "protocol:N", "score:Q"],
            color=alt.Color(
                "protocol:N",
                title=None,
                legend=alt.Legend(orient="top", symbolOpacity=1),
                scale=alt.Scale(domain=kinds, range=[COLOURS[0], COLOURS[1]]),
            ),
            shape=alt.Shape(
                "protocol:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "diamond"])
            ),
        )
    )
    names = (
        alt.Chart(frame)
        .transform_filter("datum.protocol == 'paper'")
        .mark_text(align="left", dy=-12, fontSize=11, color=GREY, limit=320)
        .encode(x=alt.datum(0), y=y, text="name:N")
    )
    return alt.layer(rule, dots, names).properties(height=max(160, 20 * len(frame) + 80))
