"""Strangers' text on the way to the page, and amounts as the page writes them."""

from __future__ import annotations

import re
from datetime import timedelta

from harness.progress import printable

_LONG = 90
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of what follows; right-to-left scripts need none of them."""


def clean(text: object) -> str:
    """Text that can be sent to a browser: no lone surrogate, control characters shown as escapes.

    It is still a stranger's: it goes to `st.text`, `st.code` or a table, never to Markdown.
    """
    told = printable(str(text).encode("utf-8", "replace").decode("utf-8"))
    return _DIRECTIONS.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


def one_line(text: object, most: int = _LONG) -> str:
    """Text for a table's cell or a list: one line, cut off where it is long."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds; below a minute, seconds."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def parameters(value: float | None) -> str:
    """Number of parameters."""
    if value is None:
        return "-"
    return f"{value / 1e9:.3g}B" if value >= 1e8 else f"{value / 1e6:.3g}M"
