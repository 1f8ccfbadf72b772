"""A page of a few pairs: picture, caption, what was generated, whether it is kept and why."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harness.files import replacing
from harness.images import Picture
from harness.progress import printable
from synth._conversing import MARK
from synth._judging import Judgement
from synth._text import number_of
from synth._types import Conversation, Triplet

_SIDE = 360
_MOST_SHOWN = 4_000


class Shown(NamedTuple):
    """One pair as the page shows it."""

    id: str
    row: int
    """0-based position in the source."""
    picture: str | None
    """As a data URI; None if it cannot be used."""
    caption: str
    triplet: Triplet | None = None
    judgement: Judgement | None = None
    stage: str = ""
    """Where the pair or its triplet was rejected."""
    reason: str | None = None
    """Why; None if the triplet is kept."""
    detail: str = ""
    conversation: Conversation | None = None


def spread(count: int, wanted: int, seed: int) -> list[int]:
    """Indices of a few rows, one from each of as many equal stretches of the source.

    Args:
        count: Rows of the source.
        wanted: How many are shown; all if there are no more.
        seed: The recipe's.
    """
    wanted = min(count, wanted)
    edges = [count * number // wanted for number in range(wanted + 1)] if wanted else []
    return [
        start + number_of(seed, str(number), "preview") % (end - start)
        for number, (start, end) in enumerate(pairwise(edges))
    ]


def thumbnail(picture: Picture) -> str:
    """A small WebP as a data URI."""
    small = picture.image.copy()
    small.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    small.save(data, "WEBP", quality=72)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def write_page(path: Path, name: str, facts: Sequence[tuple[str, str]], rows: list[Shown]) -> None:
    """Write the page; it needs no other file and runs no script.

    Args:
        path: The page.
        name: The recipe's.
        facts: What a reader should know: generator, model, filter, seed.
        rows: The pairs.
    """
    kept = sum(row.reason is None for row in rows)
    lost = Counter(row.reason for row in rows if row.reason is not None)
    told = "".join(f"<dt>{safe(term)}</dt><dd>{safe(text)}</dd>" for term, text in facts)
    why = "".join(f"<li><b>{n}</b> {safe(reason)}</li>" for reason, n in lost.most_common())
    page = _PAGE.format(
        title=safe(f"Preview of {name}"),
        style=_STYLE,
        facts=told,
        counts=f"<li><b>{kept}</b> of {len(rows)} kept</li>{why}",
        rows="".join(_row(row) for row in rows),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")


def _row(row: Shown) -> str:
    picture = '<div class="none">no picture</div>'
    if row.picture is not None:
        picture = f'<img src="{html.escape(row.picture)}" alt="">'
    state = "kept" if row.reason is None else "lost"
    label = "kept" if row.reason is None else f"{row.stage}: {row.reason}"
    parts = [_block("Caption", row.caption)]
    if row.triplet is not None:
        parts += [
            _block("Instruction", row.triplet.instruction),
            _block("Informative answer", row.triplet.informative),
            _block("Precise answer", row.triplet.precise),
        ]
    if row.judgement is not None:
        parts.append(_judged(row.judgement))
    if row.detail:
        parts.append(_block("Why", row.detail))
    if row.conversation is not None:
        parts.append(_conversation(row.conversation))
    return (
        f'<article class="{state}"><header><span class="badge">{safe(label)}</span>'
        f"<span class=id>{safe(row.id)} · row {row.row}</span></header>"
        f'<div class="body"><figure>{picture}</figure><div class="text">{"".join(parts)}</div>'
        "</div></article>"
    )


def _block(term: str, text: str) -> str:
    return f"<h3>{safe(term)}</h3><p>{safe(text)}</p>"


def _judged(judgement: Judgement) -> str:
    if judgement.verdict is None:
        return ""
    if judgement.shares is None:
        return _block("Filter", f"{judgement.verdict} (read from the text)")
    bars = "".join(
        f'<span class="{name}" style="width:{share:.1%}"></span>'
        for name, share in judgement.shares.items()
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in judgement.shares.items())
    return f'<h3>Filter</h3><div class="bar">{bars}</div><p>{judgement.verdict} ({shares})</p>'


def _conversation(conversation: Conversation) -> str:
    turns = "".join(
        f'<div class="{turn.role}"><b>{turn.role}</b><p>{_turn(turn.content)}</p></div>'
        for turn in conversation.messages
    )
    return f"<details><summary>Training conversation</summary>{turns}</details>"


def _turn(text: str) -> str:
    shown = safe(text.removeprefix(MARK))
    return f"<i>picture</i> {shown}" if text.startswith(MARK) else shown


def safe(text: str, most: int = _MOST_SHOWN) -> str:
    """A stranger's text as text: no mark-up, no control characters, no endless page."""
    if len(text) > most:
        text = f"{text[:most]} ... ({len(text):,} characters)"
    return html.escape(printable(text))


def facts_of(pairs: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """Facts that are there, as text."""
    return [(term, str(value)) for term, value in pairs if value not in (None, "")]


_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d9dde3, #363c45);
  --card: light-dark(#fff, #1b1f25); --soft: light-dark(#5b6470, #9aa4b2);
  --good: light-dark(#177245, #4cc38a); --bad: light-dark(#b3361f, #ff8a70);
  --open: light-dark(#a86b00, #f0b44c); }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif;
  background: light-dark(#f4f5f7, #121519); color: light-dark(#1c2126, #e4e8ee); }
main { max-width: 1000px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.5rem; margin: 0 0 8px; }
h3 { font-size: .75rem; font-weight: 600; margin: 12px 0 2px; color: var(--soft); }
h3:first-child { margin-top: 0; }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 12px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; margin: 0 0 20px;
  padding: 0; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  margin: 0 0 16px; overflow: hidden; }
article > header { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline;
  padding: 10px 16px; border-bottom: 1px solid var(--line); }
.badge { font-weight: 600; }
.kept .badge { color: var(--good); } .lost .badge { color: var(--bad); }
.id { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
.body { display: grid; grid-template-columns: minmax(0, 280px) minmax(0, 1fr); gap: 20px;
  padding: 16px; }
figure { margin: 0; } img { width: 100%; border-radius: 6px; display: block; }
.none { border: 1px dashed var(--line); border-radius: 6px; padding: 32px 8px; text-align: center;
  color: var(--soft); }
.bar { display: flex; height: 6px; margin: 4px 0; border-radius: 3px; overflow: hidden;
  background: var(--line); }
.bar .yes { background: var(--good); } .bar .no { background: var(--bad); }
.bar .open { background: var(--open); }
details { margin-top: 14px; border-top: 1px solid var(--line); padding-top: 10px; }
summary { cursor: pointer; font-weight: 600; }
details b { font-size: .75rem; color: var(--soft); } details i { color: var(--soft); }
details div { margin-top: 8px; }
.assistant { border-left: 3px solid var(--line); padding-left: 10px; }
@media (max-width: 640px) { .body { grid-template-columns: 1fr; } }
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body><main><h1>{title}</h1><dl>{facts}</dl><ul>{counts}</ul>{rows}</main></body></html>
"""
