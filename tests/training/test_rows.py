"""Training conversations by number, from files of every form; bad ones are named."""

import json
import pickle
import time
import tracemalloc
from pathlib import Path

import pytest
from training_data import draw, record, write_rows

from harness.errors import RowError, UserError
from training.rows import open_rows

GOOD = record("<image>\nWhat?", "A lung.", "Sure?", "Yes.", images=("a.png",))


def problem(tmp_path: Path, *records: object) -> str:
    rows = open_rows(str(write_rows(tmp_path, list(records))))
    with pytest.raises(RowError) as error:
        rows[len(rows) - 1]
    return str(error.value)


def test_every_form_of_a_file_gives_the_same_rows(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    shared = {
        "conversations": [
            {"from": "human" if m["role"] == "user" else "gpt", "value": m["content"]}
            for m in GOOD["messages"]
        ],
        "image": "a.png",
    }
    (tmp_path / "array.json").write_text(json.dumps([GOOD, shared], indent=1))
    (tmp_path / "one.json").write_bytes(b"\xef\xbb\xbf " + json.dumps([GOOD, shared]).encode())
    lines = write_rows(tmp_path, [GOOD, shared])
    lines.write_bytes(b"\xef\xbb\xbf\n  \n" + lines.read_bytes().rstrip(b"\n"))
    pq.write_table(pa.Table.from_pylist([GOOD, GOOD]), tmp_path / "rows.parquet")
    for name in ("array.json", "one.json", "train.jsonl", "rows.parquet"):
        rows = pickle.loads(pickle.dumps(open_rows(str(tmp_path / name))))  # noqa: S301
        assert len(rows) == 2
        assert rows[0].messages == rows[1].messages
        assert rows[1].exchanges == 2
        assert rows[1].images[0].locator == "a.png"
        assert rows[1].images[0].root == tmp_path
        assert rows[1].index == 1


def test_pictures_inside_parquet_files_and_hub_copies(tmp_path, monkeypatch):
    import io

    import datasets

    file = io.BytesIO()
    draw(20, 30).save(file, "PNG")
    columns = {
        "messages": [GOOD["messages"]] * 3,
        "images": [[{"bytes": file.getvalue(), "path": None}]] * 3,
    }
    features = datasets.Features(
        {
            "messages": [{"role": datasets.Value("string"), "content": datasets.Value("string")}],
            "images": datasets.List(datasets.Image()),
        }
    )
    table = datasets.Dataset.from_dict(columns, features=features)
    (tmp_path / "org" / "name").mkdir(parents=True)
    table.to_parquet(tmp_path / "org" / "name" / "train.parquet")
    monkeypatch.setenv("HARNESS_HUB_MIRROR", str(tmp_path))
    for where in (str(tmp_path / "org" / "name"), "org/name", "org/name:default:train"):
        rows = pickle.loads(pickle.dumps(open_rows(where)))  # noqa: S301
        assert len(rows) == 3
        assert rows[2].images[0].data == file.getvalue()
    with pytest.raises(UserError, match="org/other"):
        open_rows("org/other")
    with pytest.raises(UserError, match="no split validation; its splits: train"):
        open_rows("org/name:default:validation")


def test_fingerprints_follow_the_records(tmp_path):
    path = write_rows(tmp_path, [GOOD] * 3)
    first = open_rows(str(path)).fingerprint()
    assert open_rows(str(path)).fingerprint() == first
    write_rows(tmp_path, [GOOD] * 2 + [record("Hi", "Ho")])
    assert open_rows(str(path)).fingerprint() != first
    array = tmp_path / "array.json"
    array.write_text(json.dumps([GOOD]) + " ")
    first = open_rows(str(array)).fingerprint()
    array.write_text(json.dumps([GOOD]) + "\n")
    assert open_rows(str(array)).fingerprint() != first


def test_extra_keys_and_columns_are_no_trouble(tmp_path):
    odd = [{**GOOD, "meta": {"n": i}} if i % 2 else {**GOOD, "meta": "x"} for i in range(4)]
    rows = open_rows(str(write_rows(tmp_path, [*odd, {**GOOD, "id": 7, "images": ["b.png"]}])))
    assert [rows[i].exchanges for i in range(5)] == [2] * 5


def test_shortening_takes_whole_exchanges_and_their_pictures(tmp_path):
    turns = ("<image>a", "b", "<image>c<image>", "d", "e", "f")
    long = record(*turns, images=("1.png", "2.png", "3.png"))
    long["messages"].insert(0, {"role": "system", "content": "Be brief."})
    row = open_rows(str(write_rows(tmp_path, [long])))[0]
    assert row.exchanges == 3
    assert row.shortened(3) is row
    assert [len(row.shortened(k).images) for k in (1, 2, 3)] == [1, 3, 3]
    assert [turn.content for turn in row.shortened(1).messages] == ["Be brief.", "<image>a", "b"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, "neither `messages` nor"),
        ({"messages": []}, "neither"),
        ({"messages": "hello"}, "are a str"),
        ({"messages": ["hello"]}, "turn 1 is a str"),
        (record("a"), "no assistant turn"),
        ({"messages": [{"role": "system", "content": "x"}]}, "no assistant turn"),
        (record("a", "b", "c"), "its last turn is the user's"),
        ({"messages": [*GOOD["messages"][:1] * 2, GOOD["messages"][1]]}, "turn 2 is user, not"),
        ({"messages": GOOD["messages"][1:]}, "turn 1 is assistant, not user"),
        ({"messages": [*GOOD["messages"], {"role": "system", "content": "x"}]}, "turn 5 is system"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "the role 'tool'"),
        ({"messages": [{"role": None, "content": "x"}]}, "the role None"),
        ({"messages": [{"role": "user", "content": None}]}, "turn 1: its content is a NoneType"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "is a list, not text"),
        (record("\ud800", "b"), "no valid Unicode"),
        (record("<image><image>", "b", images=("a.png",)), "2 <image> marks, but 1 picture"),
        (record("<image>", "b"), "1 <image> marks, but 0 pictures"),
        (record("a", "b", images=("a.png",)), "1 picture, but 0 <image> marks"),
        (record("a", "look: <image>", images=("a.png",)), "turn 2: <image> in a turn"),
        (record("<image>", "b", images=(3,)), "an image is a int, not a path"),
        (record("<image>", "b", images=("",)), "not a path"),
        ([1, 2], "a JSON list, not an object"),
        ("text", "a JSON str"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, why):
    assert why in problem(tmp_path, GOOD, row)


def test_files_that_are_none_are_named(tmp_path, monkeypatch):
    def refused(name: str, content: bytes | None = None) -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as error:
            open_rows(str(tmp_path / name))
        assert name in str(error.value)
        return str(error.value)

    assert "no such file" in refused("nothing.jsonl")
    assert "no such file" in refused("nothing")
    assert "holds no rows" in refused("empty.jsonl", b"")
    assert "holds no rows" in refused("blank.jsonl", b"\n \n")
    assert "holds no rows" in refused("none.json", b"[ ]")
    assert "not JSON" in refused("text.jsonl", b"hello\nworld\n")
    assert "not UTF-8" in refused("picture.json", bytes(range(256)))
    assert "UTF-16" in refused("wide.json", "[1]".encode("utf-16"))
    assert "not UTF-8" in refused("latin.jsonl", '{"é": 1}'.encode("latin-1"))
    whole = json.dumps([GOOD] * 3).encode()
    for cut in (whole[:-1], whole[:-5], whole[: len(whole) // 2]):
        assert "no whole JSON array: after" in refused("torn.json", cut)
    assert "after 1 records" in refused("broken.json", b'[{"a": 1}, {"a" 2}, ' + whole[1:] * 500)
    assert "cannot be read" in refused("not.parquet", b"PAR1 no PAR1")
    (tmp_path / "folder").mkdir()
    assert "no parquet files" in refused("folder")
    with pytest.raises(UserError, match="is no folder"):
        open_rows(str(write_rows(tmp_path, [GOOD])), tmp_path / "missing")


def test_a_torn_line_costs_its_row_only(tmp_path):
    path = write_rows(tmp_path, [GOOD, GOOD])
    path.write_text(path.read_text() + json.dumps(GOOD)[:40] + "\n" + json.dumps(GOOD))
    rows = open_rows(str(path))
    assert len(rows) == 4
    with pytest.raises(RowError, match="not JSON"):
        rows[2]
    assert rows[3].exchanges == 2


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_hundred_thousand_rows_open_in_seconds_and_little_memory(tmp_path, form):
    path = tmp_path / f"many.{form}"
    row = json.dumps(record("<image>" + "words " * 60, "answer " * 60, images=("a.png",)))
    text = "[" + ",".join([row] * 100_000) + "]" if form == "json" else f"{row}\n" * 100_000
    path.write_text(text)
    size = path.stat().st_size
    del text
    tracemalloc.start()
    began = time.process_time()
    rows = open_rows(str(path))
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 100_000
    assert rows[99_999].index == 99_999
    assert seconds < 15  # about 1 s without tracing
    assert peak < min(size / 2, 40_000_000)
