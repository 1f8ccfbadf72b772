"""Strangers' text, and files for spreadsheets."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from leaderboard._tables import to_csv
from leaderboard._text import clean, one_line

ANY = st.text(st.characters(), max_size=60)  # lone surrogates and control characters too


@given(ANY)
def test_cleaned_text_can_be_sent_and_turns_nothing_around(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.encode().decode() == cleaned
    assert not {"\x1b", "\0", "\x9b", "\r", "\u202e", "\u2066"} & {*cleaned}
    if text.isascii() and text.isprintable():
        assert cleaned == text


@given(ANY)
def test_one_line_is_one(text: str) -> None:
    line = one_line(text, 20)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 20


def test_scripts_that_run_from_right_to_left_stay() -> None:
    assert clean("مرحبا שלום") == "مرحبا שלום"
    assert clean("a\u202eb") == "a\\u202eb"


@given(st.lists(ANY, min_size=1, max_size=5))
def test_no_cell_is_a_formula_and_all_come_back(texts: list[str]) -> None:
    records = [{"=name": text, "number": -1.5, "none": None, "yes": True} for text in texts]
    rows = list(csv.reader(io.StringIO(to_csv(records).decode(), newline="")))
    assert rows[0] == ["'=name", "number", "none", "yes"]
    for text, row in zip(texts, rows[1:], strict=True):
        assert row[1:] == ["-1.5", "", "true"]
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\n"))
        assert row[0].removeprefix("'") == clean(text).removeprefix("'")
