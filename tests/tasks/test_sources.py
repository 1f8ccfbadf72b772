"""Rows from folders: what is a row, what is not, and which fingerprint they have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness, closed_rows, line_of, picture, write_rows
from hub_copies import choices, labelled, vqa, write_parquet

from tasks import TASKS, Row, Unreadable, UserError
from tasks.sources import NoRows, folder_rows, open_source

CONSTANT = ("eval", "--engine", "constant", "--json", "--model")
GOOD = {"image": "a.png", "input": "?", "label": "yes", "answer_type": "CLOSED"}


def read(folder: Path, task: str = "vqa_rad", **options: bool) -> list[Row | Unreadable]:
    source = folder_rows(folder, task)
    rows = list(source.read(TASKS[task].scorer, **options))
    assert [row.index for row in rows] == list(range(source.count() or 0))
    return rows


def test_ids_are_the_rows_own_or_their_position(tmp_path: Path) -> None:
    ids: list[Any] = ["x", 7, None, "", 12345678901234567890]
    rows = read(write_rows(tmp_path / "r", ["", *(GOOD | {"id": i} for i in ids), "   \t", GOOD]))
    assert [row.id for row in rows if isinstance(row, Row)] == [
        "x", "7", "2", "3", "12345678901234567890", "5",
    ]  # fmt: skip
    assert rows[0].images[0].root == (tmp_path / "r").resolve()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("ids", "positions"),
    [(["a", "b", "a"], "rows 0 and 2"), (["x", "2", None], "rows 1 and 2"), ([5, "5"], "0 and 1")],
)
def test_repeated_ids_are_refused(
    harness: Harness, tmp_path: Path, ids: list[Any], positions: str
) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    row = GOOD | {"image": "images/0.png"}
    write_rows(folder, [row | ({} if i is None else {"id": i}) for i in ids])
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert ran.code == 2
    assert positions in ran.err
    assert "same id" in ran.err


DEEP = "[" * 100_000 + "]" * 100_000
NO_ROWS = {
    b'{"image": "a.png", "inp': "not JSON",
    b"\xff\xfe{}": "not JSON",
    b'{"input": "caf\xe9", "label": "yes", "answer_type": "OPEN"}': "not JSON",
    DEEP.encode(): "nested too deep",
    b'{"id": ' + b"9" * 5000 + b"}": "not JSON",
    b"[1, 2]": "not a JSON object",
    b'"text"': "not a JSON object",
    b"null": "not a JSON object",
    json.dumps(GOOD | {"input": None}).encode(): "`input`",
    json.dumps(GOOD | {"input": ["?"]}).encode(): "`input`",
    json.dumps(GOOD | {"label": None}).encode(): "no `label`",
    json.dumps(GOOD | {"label": 3}).encode(): "`label` is int",
    json.dumps(GOOD | {"label": {"yes": 1}}).encode(): "`label` is dict",
    json.dumps(GOOD | {"label": ["yes"]}).encode(): "`label` is list",
    json.dumps(GOOD | {"label": float("nan")}).encode(): "`label` is float",
    json.dumps(GOOD | {"answer_type": "BOTH"}).encode(): "neither OPEN nor CLOSED",
    json.dumps(GOOD | {"answer_type": None}).encode(): "neither OPEN nor CLOSED",
    json.dumps(GOOD | {"id": True}).encode(): "id is bool",
    json.dumps(GOOD | {"id": 1.5}).encode(): "id is float",
    json.dumps(GOOD | {"id": ["x"]}).encode(): "id is list",
    json.dumps(GOOD | {"image_id": {}}).encode(): "id is dict",
}


def test_lines_that_are_no_rows_are_counted_and_listed(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    good = json.dumps(GOOD | {"image": "images/0.png"}).encode()
    lines = [line for bad in NO_ROWS for line in (bad, good, b"")]
    (folder / "test.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([good, *lines]))
    rows = read(folder)
    assert sum(isinstance(row, Row) for row in rows) == len(NO_ROWS) + 1
    reasons = [row.reason for row in rows if isinstance(row, Unreadable)]
    for reason, word in zip(reasons, NO_ROWS.values(), strict=True):
        assert word in reason
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert ran.code == 1
    assert ran.json["unreadable"] == {"vqa_rad": len(NO_ROWS)}
    line = line_of(ran.json, "vqa_rad", "paper", split="closed")
    assert (line["n"], line["score"]) == (len(NO_ROWS) + 1, 100.0)


def test_nothing_but_unreadable_lines(harness: Harness, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows" / "vqa_rad", ["{", "}"])
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert (ran.code, ran.json["unreadable"]) == (1, {"vqa_rad": 2})
    line = line_of(ran.json, "vqa_rad", "strict", split="open")
    assert (line["score"], line["n"], line["reason"]) == (None, 0, "no rows")


def test_lone_surrogates_and_odd_pictures(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    odd = '{"id": "\\ud800", "image_id": "\\udfff", "image": "images/0.png", "input": "\\udc80?",'
    odd += ' "label": "\\ud83dyes", "answer_type": "OPEN"}'
    images: list[Any] = ["\ud800.png", "a\0b", "", ".", "images", 5, {"bytes": "x"}, "x" * 300]
    write_rows(
        folder, [odd, *(GOOD | {"image": image} for image in images), GOOD | {"image": None}]
    )
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert ran.code == 1
    assert line_of(ran.json, "vqa_rad", "paper", split="open")["failed"] == 0
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["failed"] == len(images) + 1
    harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    (run,) = Path("runs").iterdir()
    assert harness("score", run, "--json").json == ran.json


def test_an_empty_image_id_is_none(tmp_path: Path) -> None:
    rows = read(write_rows(tmp_path / "r", [GOOD | {"image_id": i} for i in ("", None, 3, "s")]))
    assert [row.image_id for row in rows if isinstance(row, Row)] == [None, None, "3", "s"]


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        ("nutrition5k", ["salt", "olive oil"], ("salt", "olive oil")),
        ("nutrition5k", [], ()),
        ("nutrition5k", '["salt", "olive oil"]', ("salt", "olive oil")),
        ("nutrition5k", "salt", "salt"),
        ("nutrition5k", "[" * 100_000, ("[" * 100_000,)),
        ("foodseg103", ["cake", 5], None),
        ("foodseg103", {"cake": 1}, None),
        ("foodseg103", '{"cake": 1}', None),
        ("nwpu_captions", ["a", "b"], ("a", "b")),
        ("nwpu_captions", [], None),
        ("nwpu_captions", "one", "one"),
        ("nwpu_captions", '["kept", "as text"]', '["kept", "as text"]'),
        ("clrs", ["beach"], None),
    ],
)
def test_labels(tmp_path: Path, task: str, label: Any, expected: Any) -> None:
    (row,) = read(write_rows(tmp_path / "r", [{"input": "?", "label": label}]), task)
    if expected is None:
        assert isinstance(row, Unreadable)
    else:
        assert isinstance(row, Row)
        assert row.label in (expected, (expected,))


def test_options(tmp_path: Path) -> None:
    base = {"input": "?", "label": "A"}
    rows = read(write_rows(tmp_path / "r", [base | {"A": "x", "B": 5, "D": "z"}, base | {"A": "x"}]),
                "pmc_vqa")  # fmt: skip
    assert isinstance(rows[0], Row)
    assert rows[0].options == ("x", "5")
    assert isinstance(rows[1], Unreadable)


def test_fingerprint_of_lines_and_pictures(tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "r", 3)
    lines = (folder / "test.jsonl").read_bytes()
    (folder / "test.jsonl").write_bytes(lines + DEEP.encode() + b'\n{"image": "a\\u0000b"}\n')

    def now() -> str:
        return folder_rows(folder, "vqa_rad").fingerprint()

    first = now()
    assert now() == first
    (folder / "images" / "1.png").write_bytes(picture(50))
    changed = now()
    assert changed != first
    (folder / "test.jsonl").write_bytes(lines.replace(b"number 1", b"number 7"))
    assert now() not in (first, changed)


def test_parquet_as_the_hub_writes_it(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "vqa_rad"
    rows = vqa(8)
    rows[3]["image"] = None
    write_parquet(folder / "test-00000-of-00002.parquet", rows[:5])
    write_parquet(folder / "test-00001-of-00002.parquet", rows[5:])
    found = read(folder)
    assert [row.prompt for row in found if isinstance(row, Row)] == [r["input"] for r in rows]
    assert [bool(row.images) for row in found if isinstance(row, Row)] == [
        i != 3 for i in range(8)
    ]  # fmt: skip
    blind = read(folder, images=False)
    assert all(row.images[0].data is None for row in blind if isinstance(row, Row))
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert ran.code == 1
    closed, opened = (line_of(ran.json, "vqa_rad", "paper", split=s) for s in ("closed", "open"))
    assert (closed["n"], closed["failed"], closed["score"]) == (4, 0, 100.0)
    assert (opened["n"], opened["failed"], opened["score"]) == (4, 1, 0.0)
    assert closed["clusters"] == 4


@pytest.mark.parametrize("damage", ["footer", "pages", "text", "empty", "folder"])
def test_damaged_parquet_is_one_line(harness: Harness, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "rows" / "pmc_vqa"
    path = folder / "test.parquet"
    write_parquet(path, choices(40))
    data = bytearray(path.read_bytes())
    if damage == "footer":
        data = data[: len(data) // 2]
    elif damage == "pages":
        data[4 : len(data) // 2] = os.urandom(len(data) // 2 - 4)
    elif damage == "empty":
        data = bytearray()
    path.write_bytes(data)
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "text":
        import pyarrow as pa
        import pyarrow.parquet as pq

        broken = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
        pq.write_table(pa.table({"input": broken, "label": ["A"]}), path)
    ran = harness(*CONSTANT, "A", "--tasks", "pmc_vqa", "--data", "rows")
    assert ran.code == 2
    assert "test.parquet cannot be read as parquet" in ran.err


def test_parquet_lists(tmp_path: Path) -> None:
    write_parquet(tmp_path / "r" / "x.parquet", labelled([["cake", "bread"], ["egg"]]))
    rows = read(tmp_path / "r", "foodseg103")
    assert [row.label for row in rows if isinstance(row, Row)] == [("cake", "bread"), ("egg",)]


def test_where_rows_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NoRows, match=r"test\.jsonl"):
        open_source(TASKS["slake"], str(tmp_path))
    (tmp_path / "slake" / "test.jsonl").mkdir(parents=True)
    with pytest.raises(NoRows):
        open_source(TASKS["slake"], str(tmp_path))
    with pytest.raises(UserError, match="no such folder"):
        open_source(TASKS["slake"], str(tmp_path / "none"))
    for task in TASKS.values():
        source = open_source(task, "sample")
        rows = list(source.read(task.scorer))
        assert len(rows) == source.count() > 20  # type: ignore[operator]
        assert all(isinstance(row, Row) and row.images[0].data for row in rows)
        assert source.fingerprint() == open_source(task, "sample").fingerprint()
