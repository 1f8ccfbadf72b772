"""The order in which rows are asked: those of one picture follow each other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from harness.asking import together
from tasks import ImageRef, Row, Unreadable


def row(index: int, name: str | None, data: bytes | None = None, id_: str | None = None) -> Row:
    refs = () if name is None else (ImageRef(name, data=data),)
    return Row(index=index, id=str(index), prompt="?", label="x", images=refs, image_id=id_)


def runs(rows: list[Row]) -> list[object]:
    return [key for key, _ in groupby(rows, lambda r: r.images[0].data or r.images[0].locator)]


def test_scattered_rows_of_a_picture_follow_each_other() -> None:
    scattered = [row(n, f"{n % 100}.jpg") for n in range(1_100)]
    random.Random(0).shuffle(scattered)
    asked = [r for r in together(scattered) if isinstance(r, Row)]
    assert sorted(r.index for r in asked) == list(range(1_100))
    assert len(runs(asked)) == 100
    assert asked[0] is scattered[0]


def test_embedded_pictures_are_told_apart_by_their_bytes() -> None:
    rows = [row(n, f"row {n}", data=b"%d" % (n % 3)) for n in range(30)]
    assert len(runs(list(together(rows)))) == 3


def test_image_id_names_the_picture() -> None:
    rows = [row(n, f"{n}.jpg", id_="ab"[n % 2]) for n in range(10)]
    assert [r.index for r in together(rows)] == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


@given(st.lists(st.none() | st.integers(0, 5), max_size=60), st.integers(1, 20))
def test_every_record_comes_once(shown: list[int | None], most: int) -> None:
    records = [
        Unreadable(index, "no row")
        if number == 0
        else row(index, f"{number}.jpg" if number else None)
        for index, number in enumerate(shown)
    ]
    assert sorted(r.index for r in together(records, most)) == list(range(len(shown)))


def test_the_window_holds_no_more_than_it_may() -> None:
    taken = 0

    def records() -> Iterator[Row]:
        nonlocal taken
        for index in range(1_000):
            taken += 1
            yield row(index, f"row {index}", data=b"%04d" % index)

    for out, _ in enumerate(together(records(), most=50)):
        assert taken - out <= 50
    taken = 0
    for out, _ in enumerate(together(records(), most_bytes=80)):
        assert taken - out <= 20
