"""Small parts of a page: safe text, bars, tables. Nothing here runs a script or loads a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from synth._page import safe


def number(value: float | None, digits: int = 1) -> str:
    """`12.3`, or a dash."""
    return "-" if value is None else f"{value:,.{digits}f}"


class Bar(NamedTuple):
    """One bar of a chart."""

    label: str
    value: float | None
    look: str
    """CSS: `c0` to `c5`, `soft` (before a filter), `hollow` (people), `told` (published)."""
    low: float | None = None
    high: float | None = None
    said: str = ""
    """In the value's place."""


def bars(rows: Iterable[Bar], most: float = 100.0, digits: int = 1) -> str:
    """A chart of horizontal bars with their intervals.

    Args:
        rows: From top to bottom.
        most: Value of the whole width.
        digits: Of the printed values.
    """
    return f'<div class="bars">{"".join(_bar(row, most, digits) for row in rows)}</div>'


def _bar(row: Bar, most: float, digits: int) -> str:
    label, value = safe(row.label), row.said or number(row.value, digits)
    inner = ""
    if row.value is not None and most > 0:
        inner = f'<rect class="{row.look}" y="1" height="10" width="{_place(row.value, most)}"/>'
        if row.low is not None and row.high is not None:
            low, high = _place(row.low, most), _place(row.high, most)
            inner += f'<path class="range" d="M{low} 3V9M{low} 6H{high}M{high} 3V9"/>'
            value += f" <small>({number(row.low, digits)} to {number(row.high, digits)})</small>"
    return (
        f'<div class="bar"><div class="label {row.look}">{label}</div>'
        f'<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">{inner}</svg>'
        f'<div class="value">{value}</div></div>'
    )


def _place(value: float, most: float) -> str:
    return f"{min(100.0, max(0.0, 100 * value / most)):.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its first column holds names, the others numbers.

    Args:
        head: Plain text.
        rows: Plain text.
    """
    top = "".join(f"<th>{safe(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{safe(first)}</th>{''.join(f'<td>{safe(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def section(title: str, *parts: str) -> str:
    """A part of the page with its heading."""
    return f"<section><h2>{safe(title)}</h2>{''.join(parts)}</section>"


STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d9dde3, #363c45);
  --card: light-dark(#fff, #1b1f25); --soft: light-dark(#56606c, #9aa4b2);
  --ink: light-dark(#1c2126, #e4e8ee); --told: light-dark(#aab2bd, #5d6672);
  --c0: light-dark(#0072b2, #4aa8e0); --c1: light-dark(#d98200, #f0b030);
  --c2: light-dark(#00805e, #2fc79b); --c3: light-dark(#b4558f, #dc8fbb);
  --c4: light-dark(#3a8fc0, #8fd0f5); --c5: light-dark(#c44e00, #ff8a4d); }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  overflow-wrap: anywhere;
  background: light-dark(#f4f5f7, #121519); }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.5rem; margin: 0 0 8px; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
h3 { font-size: .95rem; margin: 18px 0 4px; }
h4 { font-size: .75rem; font-weight: 600; margin: 10px 0 1px; color: var(--soft); }
p { margin: 4px 0; overflow-wrap: anywhere; }
.note, small { color: var(--soft); font-size: .85rem; }
.text { white-space: pre-wrap; margin: 0; unicode-bidi: isolate; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 16px; margin: 0 0 16px; }
dl { display: grid; grid-template-columns: fit-content(40%) minmax(0, 1fr); gap: 2px 16px;
  margin: 0 0 16px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.bars { max-width: 940px; margin-bottom: 10px; }
.bar { display: grid; gap: 1px 12px; align-items: center; margin: 3px 0;
  grid-template-columns: 18rem minmax(60px, 1fr) 11rem; grid-template-areas: "label svg value"; }
.bar .label { grid-area: label; } .bar .value { grid-area: value; }
.bar svg { grid-area: svg; width: 100%; height: 14px; display: block; background: var(--line);
  border-radius: 2px; }
.label { overflow-wrap: anywhere; line-height: 1.25; unicode-bidi: isolate; }
.label.told, .label.soft { color: var(--soft); }
.value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.c0 { fill: var(--c0); stroke: var(--c0); } .c1 { fill: var(--c1); stroke: var(--c1); }
.c2 { fill: var(--c2); stroke: var(--c2); } .c3 { fill: var(--c3); stroke: var(--c3); }
.c4 { fill: var(--c4); stroke: var(--c4); } .c5 { fill: var(--c5); stroke: var(--c5); }
rect { stroke-width: 0; } rect.soft { fill-opacity: .45; }
rect.hollow { fill-opacity: .12; stroke-width: 2; vector-effect: non-scaling-stroke; }
rect.told { fill: var(--told); }
.range { stroke: var(--ink); stroke-width: 1.5; fill: none; vector-effect: non-scaling-stroke; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0; padding: 0;
  list-style: none; }
.key li { display: flex; gap: 7px; align-items: center; overflow-wrap: anywhere; }
.key svg { width: 16px; height: 12px; flex: none; overflow: visible; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { padding: 3px 14px 3px 0; text-align: right; border-bottom: 1px solid var(--line);
  font-weight: 400; white-space: nowrap; }
th:first-child { text-align: left; white-space: normal; min-width: 9rem; }
thead th { color: var(--soft); vertical-align: bottom; white-space: normal; }
.pair { border-top: 1px solid var(--line); padding: 14px 0; }
.pair:first-of-type { border-top: 0; }
.about { display: grid; grid-template-columns: minmax(0, 220px) minmax(0, 1fr); gap: 16px; }
.about img { width: 100%; border-radius: 6px; display: block; }
.none { border: 1px dashed var(--line); border-radius: 6px; padding: 28px 8px;
  text-align: center; color: var(--soft); }
.written { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(270px, 100%), 1fr));
  gap: 14px; margin-top: 12px; }
.written > div { border-top: 4px solid var(--line); padding-top: 6px; min-width: 0;
  overflow-wrap: anywhere; }
.written > .c0 { border-color: var(--c0); } .written > .c1 { border-color: var(--c1); }
.written > .c2 { border-color: var(--c2); } .written > .c3 { border-color: var(--c3); }
.written > .c4 { border-color: var(--c4); } .written > .c5 { border-color: var(--c5); }
summary { cursor: pointer; font-weight: 600; }
ol { margin: 2px 0 8px; padding-left: 1.6rem; }
@media (max-width: 640px) {
  .bar { grid-template-columns: minmax(0, 1fr) max-content; margin: 0 0 7px;
    grid-template-areas: "label value" "svg svg"; align-items: end; }
  .about { grid-template-columns: minmax(0, 1fr); } .about img { max-width: 260px; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: 4px; }
}
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""
