"""A radar of a few candidates: an axis a column, a closed line a candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard._charts import COLOURS, DASHES, GREY, SHAPES
from leaderboard._text import one_line

_RINGS = (20, 40, 60, 80, 100)
_REACH, _HEIGHT = 100, 440
_UNIT = "(min(width / 2.9, height / 2.3) / 100)"
"""Pixels a point: beside and below the circle is room for the columns' names."""


def radar(axes: Sequence[str], scores: Mapping[str, Sequence[float | None]]) -> Any:
    """A radar: an axis a column, a closed line a candidate.

    Args:
        axes: At least three names.
        scores: Candidate to a score an axis, 0 to 100; None leaves a gap.
    """
    import altair as alt
    import pandas as pd

    angles = [math.pi / 2 - 2 * math.pi * place / len(axes) for place in range(len(axes))]
    rings = [
        {"x": ring * math.cos(a), "y": ring * math.sin(a), "ring": ring, "order": place}
        for ring in _RINGS
        for place, a in enumerate([*angles, angles[0]])
    ]
    spokes = [
        {"x": 0.0, "y": 0.0, "x2": 100 * math.cos(a), "y2": 100 * math.sin(a)} for a in angles
    ]
    names = [
        {"x": 114 * math.cos(a), "y": 114 * math.sin(a), "name": one_line(name, 24)}
        for name, a in zip(axes, angles, strict=True)
    ]
    x = alt.X("x:Q", axis=None, scale=_square("width"))
    y = alt.Y("y:Q", axis=None, scale=_square("height"))
    grid = {"stroke": GREY, "opacity": 0.35}
    layers = [
        alt.Chart(pd.DataFrame(rings)).mark_line(strokeWidth=0.7, **grid)
        .encode(x=x, y=y, detail="ring:N", order="order:Q"),
        alt.Chart(pd.DataFrame(spokes)).mark_rule(strokeWidth=0.7, **grid)
        .encode(x=x, y=y, x2="x2:Q", y2="y2:Q"),
        alt.Chart(pd.DataFrame([{"x": 2.0, "y": float(r), "name": str(r)} for r in _RINGS]))
        .mark_text(align="left", fontSize=9, color=GREY).encode(x=x, y=y, text="name:N"),
        alt.Chart(pd.DataFrame(names)).mark_text(fontSize=11, color=GREY)
        .encode(x=x, y=y, text="name:N"),
    ]  # fmt: skip
    return alt.layer(*layers, *_lines(axes, angles, scores, x, y)).properties(height=_HEIGHT)


def _square(side: str) -> Any:
    """A scale in which a point is as wide as it is high, whatever the chart's shape."""
    import altair as alt

    sign = 1 if side == "width" else -1
    ends = [f"{side} / 2 {'+-'[way * sign < 0]} {_UNIT} * {_REACH}" for way in (-1, 1)]
    return alt.Scale(
        domain=[-_REACH, _REACH], range=[{"expr": end} for end in ends], nice=False, zero=False
    )


def _lines(
    axes: Sequence[str],
    angles: Sequence[float],
    scores: Mapping[str, Sequence[float | None]],
    x: Any,
    y: Any,
) -> list[Any]:
    import altair as alt
    import pandas as pd

    points = [
        {"x": value * math.cos(angle), "y": value * math.sin(angle), "order": place,
         "candidate": one_line(name, 48), "column": one_line(axis, 40), "score": round(value, 1),
         "part": part}
        for name, values in scores.items()
        for place, part, axis, angle, value in _closed(axes, angles, values)
    ]  # fmt: skip
    frame = pd.DataFrame(
        points, columns=["x", "y", "order", "candidate", "column", "score", "part"]
    )
    domain = list(dict.fromkeys(one_line(name, 48) for name in scores))
    legend = alt.Legend(
        title=None, orient="bottom", columns=1, labelLimit=360, symbolSize=90, symbolDash=[1, 0],
        symbolOpacity=1, symbolStrokeWidth=0,
    )  # fmt: skip
    colour = alt.Color(
        "candidate:N",
        legend=legend,
        scale=alt.Scale(domain=domain, range=list(COLOURS[: len(domain)])),
    )
    dash = alt.StrokeDash(
        "candidate:N",
        legend=None,
        scale=alt.Scale(domain=domain, range=list(DASHES[: len(domain)])),
    )
    shape = alt.Shape(
        "candidate:N",
        legend=legend,
        scale=alt.Scale(domain=domain, range=list(SHAPES[: len(domain)])),
    )
    told = ["candidate:N", "column:N", "score:Q"]
    base = alt.Chart(frame).encode(x=x, y=y, color=colour)
    return [
        base.mark_line(strokeWidth=2).encode(
            strokeDash=dash, order="order:Q", detail=["candidate:N", "part:N"]
        ),
        base.mark_point(size=55, filled=True).encode(shape=shape, tooltip=told),
    ]


def _closed(
    axes: Sequence[str], angles: Sequence[float], values: Sequence[float | None]
) -> list[tuple[int, int, str, float, float]]:
    """Points of a line around the circle; a gap begins a new part."""
    found, part = [], 0
    count = len(axes)
    for place in range(count + 1):
        at = place % count
        value = values[at]
        if value is None:
            part += 1
            continue
        found.append((place, part, axes[at], angles[at], value))
    return found
