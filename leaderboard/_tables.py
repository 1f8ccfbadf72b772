"""Tables as a browser shows them, and as a spreadsheet opens them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from leaderboard._text import clean, one_line

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full width
Record = Mapping[str, Any]


def table(
    records: Sequence[Record],
    *,
    name: str,
    alt: str,
    config: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> None:
    """Show records, and offer them as a file.

    Args:
        records: With the same keys, which are the columns' titles.
        name: Of the file, without its ending.
        alt: What a screen reader says of it.
        config: By column, as `st.dataframe` takes it.
        key: Tells tables of one page apart; default: the name.
    """
    import pandas as pd

    shown = [{k: one_line(v, 300) if isinstance(v, str) else v for k, v in r.items()}
             for r in records]  # fmt: skip
    st.dataframe(
        pd.DataFrame(shown),
        hide_index=True,
        alt=alt,
        column_config=dict(config or {}),
        placeholder="-",
    )
    download(lambda: records, name=name, key=key)


def download(records: Callable[[], Sequence[Record]], *, name: str, key: str | None = None) -> None:
    """A button that gives records as CSV; they are fetched when somebody takes the file."""
    st.download_button(
        "Download CSV",
        data=lambda: to_csv(records()),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"download:{key or name}",
        icon=":material/download:",
        on_click="ignore",
        type="tertiary",
    )


def to_csv(records: Sequence[Record]) -> bytes:
    """Records as CSV; no spreadsheet takes a text in it for a formula."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_safe(name) for name in names])
    writer.writerows([_safe(record.get(name)) for name in names] for record in records)
    return out.getvalue().encode()


def _safe(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
