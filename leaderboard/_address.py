"""Every view has an address: controls follow the query parameters, and write them.

Streamlit's own binding puts an option's displayed text into the address; here it is the option
itself, so that an address outlives a label.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import streamlit as st

from leaderboard._text import one_line

PAGES = "_pages"


def link(page: str, label: str, *, icon: str | None = None, **values: object) -> None:
    """A link to a page of the app.

    Args:
        page: Its name.
        label: What it says; never a stranger's text, as labels are Markdown.
        icon: Beside it.
        values: Query parameters; those that are None are left out.
    """
    kept = {name: str(value) for name, value in values.items() if value is not None}
    st.page_link(st.session_state[PAGES][page], label=label, icon=icon, query_params=kept)


def asked(key: str, known: Container[str]) -> str | None:
    """What the address asks for; None if it names nothing.

    Runs have a + in their names, which reads as a blank where somebody typed the address.
    """
    value = st.query_params.get(key)
    if value is not None and value not in known and value.replace(" ", "+") in known:
        return value.replace(" ", "+")
    return value


def _follow(key: str, wanted: Any, valid: Callable[[Any], bool], default: Any) -> None:
    """Put the address's value into the control when the address was changed from outside."""
    if st.session_state.get(f"url:{key}", _NEVER) != wanted or key not in st.session_state:
        st.session_state[key] = wanted if valid(wanted) else default


_NEVER = object()


def one(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    names: Mapping[str, str] | None = None,
    default: str | None = None,
    form: str = "list",
    **more: Any,
) -> str:
    """Choose one of several.

    Args:
        label: The control's name.
        options: At least one.
        key: Of the query parameter.
        names: What people read for an option (lists only; those of buttons are Markdown).
        default: Not written into the address; None: the first is taken, and written.
        form: `list` or `buttons`.
        more: For the control.
    """
    wanted = asked(key, options)
    start = default if default in options else options[0]
    _follow(key, wanted, lambda value: value in options, start)
    if st.session_state[key] not in options:
        st.session_state[key] = start
    told = _names(options, names)
    if form == "buttons":
        chosen = st.segmented_control(
            label, options, key=key, required=True, format_func=lambda o: told[o], **more
        )
    else:
        chosen = st.selectbox(label, options, key=key, format_func=lambda o: told[o], **more)
    _write(key, None if chosen == default else chosen)
    return str(chosen)


def many(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    names: Mapping[str, str] | None = None,
    default: Sequence[str] = (),
    form: str = "list",
    **more: Any,
) -> list[str]:
    """Choose some of several; the address holds one parameter each, or an empty one for none."""
    wanted = st.query_params.get_all(key) or None
    _follow(key, wanted, lambda value: value is not None, list(default))
    st.session_state[key] = [value for value in st.session_state[key] or () if value in options]
    told = _names(options, names)
    control = st.pills if form == "buttons" else st.multiselect
    if form == "buttons":
        more["selection_mode"] = "multi"
    chosen = list(control(label, options, key=key, format_func=lambda o: told[o], **more))
    _write(key, None if sorted(chosen) == sorted(default) else (chosen or [""]))
    return chosen


def _names(options: Sequence[str], names: Mapping[str, str] | None) -> dict[str, str]:
    told = {option: one_line((names or {}).get(option, option)) for option in options}
    # Streamlit tells options of one text apart by nothing.
    seen: dict[str, int] = {}
    for option, name in told.items():
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            told[option] = f"{name} ({seen[name]})"
    return told


def text(label: str, key: str, **more: Any) -> str:
    """A line of text."""
    wanted = st.query_params.get(key)
    _follow(key, wanted, lambda value: value is not None, "")
    written = st.text_input(label, key=key, **more) or ""
    _write(key, written or None)
    return written


def switch(label: str, key: str, **more: Any) -> bool:
    """Yes or no."""
    wanted = st.query_params.get(key)
    _follow(key, wanted, lambda value: value is not None, False)
    st.session_state[key] = st.session_state[key] in (True, "yes")
    on = bool(st.toggle(label, key=key, **more))
    _write(key, "yes" if on else None)
    return on


def page_number(pages: int, key: str = "page") -> int:
    """Which page of several, from 1; nothing is drawn for a single one."""
    wanted = st.query_params.get(key)
    number = int(wanted) if wanted and wanted.isdecimal() and len(wanted) < 9 else 1
    _follow(key, wanted, lambda value: False, min(number, pages))
    st.session_state[key] = max(1, min(int(st.session_state[key]), pages))
    chosen = st.pagination(pages, key=key) if pages > 1 else 1
    _write(key, None if chosen == 1 else str(chosen))
    return int(chosen)


def _write(key: str, value: Any) -> None:
    now = st.query_params.get_all(key)
    wanted = [] if value is None else list(value) if isinstance(value, list) else [value]
    if now != wanted:
        if wanted:
            st.query_params[key] = wanted if len(wanted) > 1 else wanted[0]
        else:
            st.query_params.pop(key, None)
    st.session_state[f"url:{key}"] = value


def protocol() -> str:
    """The protocol; it stays the same from page to page."""
    kept = st.session_state.get("_protocol", "paper")
    if "protocol" not in st.query_params and kept != "paper":
        st.query_params["protocol"] = kept
    chosen = one(
        "Protocol",
        ("paper", "strict"),
        "protocol",
        default="paper",
        form="buttons",
        help="paper: the published scoring, quirks included. strict: no guessing, whole "
        "words, contradictions are wrong.",
    )
    st.session_state["_protocol"] = chosen
    return chosen
