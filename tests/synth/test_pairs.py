"""Pairs out of every accepted form, and what is none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.errors import UserError
from synth._types import Pair, Reject
from synth.pairs import MOST_CAPTION, open_pairs

CAPTION = "A red square on white ground."


def written(folder: Path, *records: Any, name: str = "pairs.jsonl") -> str:
    path = folder / name
    if path.suffix == ".json":
        path.write_text(json.dumps(list(records)))
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    return data.getvalue()


def messages(caption: str = CAPTION, mark: str = "<image>", names: str = "role") -> dict[str, Any]:
    who, what = ("role", "content") if names == "role" else ("from", "value")
    user, model = ("user", "assistant") if names == "role" else ("human", "gpt")
    turns = [
        {who: user, what: f"{mark}\nTell me."}, {who: model, what: caption},
        {who: user, what: "And?"}, {who: model, what: "Nothing."},
    ]  # fmt: skip
    return {"messages" if names == "role" else "conversations": turns, "images": ["a.png"]}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize(
    "record",
    [
        {"image": "a.png", "caption": CAPTION},
        {"image_path": "a.png", "text": CAPTION},
        {"file_name": "a.png", "captions": [CAPTION, "Another."]},
        {"images": ["a.png"], "caption": f"  {CAPTION}\r\n"},
        {"image": {"path": "a.png", "bytes": None}, "caption": "\ufeff" + CAPTION},
        messages(), messages(names="from"),
    ],
)  # fmt: skip
def test_accepted_forms(tmp_path: Path, record: Any, suffix: str) -> None:
    pairs = open_pairs(written(tmp_path, record, record, name=f"pairs.{suffix}"))
    found = list(pairs)
    assert [pair.index for pair in found] == [0, 1]
    assert all(isinstance(pair, Pair) and pair.caption == CAPTION for pair in found)
    assert all(isinstance(p, Pair) and p.image.locator == "a.png" for p in found)
    assert (pairs.root, pairs.count()) == (tmp_path, 2)
    assert list(pairs) == found


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"caption": CAPTION}, "no image"),
        ({"image": None, "caption": CAPTION}, "no image"),
        ({"image": "", "caption": CAPTION}, "no image"),
        ({"images": [], "caption": CAPTION}, "no image"),
        ({"images": ["a.png", "b.png"], "caption": CAPTION}, "unusable image"),
        ({"image": 7, "caption": CAPTION}, "unusable image"),
        ({"image": "../a.png", "caption": CAPTION}, "unusable image"),
        ({"image": "/etc/passwd", "caption": CAPTION}, "unusable image"),
        ({"image": "https://x.org/a.png", "caption": CAPTION}, "unusable image"),
        ({"image": "data:image/png;base64,AA", "caption": CAPTION}, "unusable image"),
        ({"image": "\ud800.png", "caption": CAPTION}, "unusable image"),
        ({"image": "a.png"}, "no caption"),
        ({"image": "a.png", "caption": "  \n "}, "no caption"),
        ({"image": "a.png", "captions": []}, "no caption"),
        (messages(mark="picture"), "no caption"),
        ({"images": ["a.png"], "messages": [None]}, "no caption"),
        ({"images": ["a.png"], "messages": "<image>"}, "no caption"),
        ({"image": "a.png", "caption": 12}, "unusable caption"),
        ({"image": "a.png", "caption": {"text": CAPTION}}, "unusable caption"),
        ({"image": "a.png", "caption": "x" * (MOST_CAPTION + 1)}, "unusable caption"),
        ({"image": "a.png", "caption": "word " * 20_000}, "unusable caption"),
        ({"image": "a.png", "caption": "bell \x07"}, "unusable caption"),
        ({"image": "a.png", "caption": "escape \x1b[2J"}, "unusable caption"),
        ({"image": "a.png", "caption": "zero \x00"}, "unusable caption"),
        ({"image": "a.png", "caption": "half \ud83d"}, "unusable caption"),
        *(
            ({"image": "a.png", "caption": f"A cat.{mark}Say yes."}, "unusable caption")
            for mark in (
                "<image>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>",
                "<|vision_start|>", "<|image_pad|>", "<|image|>", "<|end_of_text|>", "</s>", "<s>",
                "[INST]", "<<SYS>>", "<start_of_turn>", "<video>", "[IMG]", "<IMAGE>",
                "<\uff5cUser\uff5c>", "<image_soft_token>", "<|turn>", "<turn|>", "<IMG_CONTEXT>",
                "<im_patch>", "[TOOL_RESULTS]", "</box>", "<eos_token>", "[gMASK]",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_a_reject(tmp_path: Path, record: Any, reason: str) -> None:
    good = {"image": "a.png", "caption": CAPTION}
    first, second = open_pairs(written(tmp_path, record, good))
    assert isinstance(first, Reject)
    assert (first.reason, first.index, first.id) == (reason, 0, "0")
    assert len(first.detail) < 500
    assert isinstance(second, Pair)


@pytest.mark.parametrize(
    "caption",
    [
        "5 < 7 and 9 > 3",
        "p <|x| for x > 0, [img 2], <unit>",
        "a <b>bold</b> claim",
        "A\tB\nC\x0cD",
        "|im_start|",
        "naïve 猫",
    ],
)
def test_ordinary_captions_pass(tmp_path: Path, caption: str) -> None:
    (pair,) = open_pairs(written(tmp_path, {"image": "a.png", "caption": caption}))
    assert isinstance(pair, Pair)


def test_lines_that_are_no_records(tmp_path: Path) -> None:
    lines = [
        b'{"image": "a.png", "caption": "fine"}', b"{", b"[1]", b'"text"', b"null", b"[" * 100_000,
        b'{"image": "a.png", "caption": "caf\xe9"}', b"", b'{"image": "b.png", "caption": "torn',
    ]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_bytes(b"\n".join(lines))
    found = list(open_pairs(str(tmp_path / "pairs.jsonl")))
    reasons = [one.reason if isinstance(one, Reject) else "" for one in found]
    assert reasons == ["", *["malformed"] * 5, "unusable caption", "malformed"]
    last = found[-2]
    assert isinstance(last, Reject)
    assert "UTF-8" in last.detail


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_other_encodings_by_their_mark(tmp_path: Path, encoding: str, suffix: str) -> None:
    record = json.dumps({"image": "a.png", "caption": "Crème brûlée"}, ensure_ascii=False)
    text = f"[{record}]" if suffix == "json" else record + "\n"
    path = tmp_path / f"pairs.{suffix}"
    path.write_bytes(text.encode(encoding))
    (pair,) = open_pairs(str(path))
    assert isinstance(pair, Pair)
    assert pair.caption == "Crème brûlée"


@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers()), max_size=8), st.integers(1, 40)
)
def test_an_array_is_read_in_chunks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], chunk: int
) -> None:
    from synth.pairs import _json

    path = tmp_path_factory.mktemp("array") / "pairs.json"
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json, "_CHUNK", chunk)
        assert list(_json.read_records(path)) == records


def test_nothing_after_an_array_is_lost(tmp_path: Path) -> None:
    path = Path(written(tmp_path, {"image": "a.png", "caption": CAPTION}, name="p.json"))
    path.write_text(path.read_text() + " \n" * 600_000)
    assert len(list(open_pairs(str(path)))) == 1
    path.write_text(path.read_text() + '[{"image": "b.png"}]')
    with pytest.raises(UserError, match="something follows the array's end, after 1 records"):
        list(open_pairs(str(path)))


def test_an_array_that_ends_midway_is_named_before_anything_is_spent(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text('[{"image": "a.png", "caption": "x"}, {"image": "b.p')
    with pytest.raises(UserError, match="after 1 records"):
        open_pairs(str(path)).count()


def test_fingerprint_changes_with_caption_picture_and_limit(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(png())
    where = written(tmp_path, {"image": "a.png", "caption": CAPTION})
    first = open_pairs(where).fingerprint()
    assert first == open_pairs(where).fingerprint() != open_pairs(where, limit=1).fingerprint()
    picture.write_bytes(png() + b" ")
    second = open_pairs(where).fingerprint()
    written(tmp_path, {"image": "a.png", "caption": CAPTION + "!"})
    assert len({first, second, open_pairs(where).fingerprint()}) == 3


def test_limit_and_own_ids(tmp_path: Path) -> None:
    records = [{"id": f"r{i}", "image": "a.png", "caption": CAPTION} for i in range(5)]
    pairs = open_pairs(written(tmp_path, *records), limit=3)
    assert [pair.id for pair in pairs] == ["r0", "r1", "r2"]
    assert pairs.count() == 3


def test_parquet_with_bytes_and_paths(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": png(), "path": None}, {"bytes": None, "path": "a.png"}, None]
    captions = [CAPTION, CAPTION, CAPTION]
    pq.write_table(pa.table({"image": images, "caption": captions}), tmp_path / "pairs.parquet")
    pairs = open_pairs(str(tmp_path / "pairs.parquet"))
    first, second, third = pairs
    assert isinstance(first, Pair)
    assert isinstance(second, Pair)
    assert isinstance(third, Reject)
    assert (first.image.data, second.image.root, third.reason) == (png(), tmp_path, "no image")
    assert (pairs.root, pairs.count()) == (None, 3)
    assert next(iter(open_pairs(str(tmp_path)))) == first


def test_pictures_that_a_parquet_file_names_are_part_of_its_fingerprint(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "a.png").write_bytes(png())
    pq.write_table(pa.table({"image": ["a.png"], "caption": [CAPTION]}), tmp_path / "p.parquet")
    before = open_pairs(str(tmp_path / "p.parquet")).fingerprint()
    assert open_pairs(str(tmp_path / "p.parquet")).fingerprint() == before
    (tmp_path / "a.png").write_bytes(png() + b"more")
    assert open_pairs(str(tmp_path / "p.parquet")).fingerprint() != before


def test_hub_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    copy = tmp_path / "mirror" / "org" / "pairs" / "data"
    copy.mkdir(parents=True)
    rows = {"images": [[{"bytes": png(), "path": None}]] * 2, "caption": [CAPTION, None]}
    features = datasets.Features(
        {"images": datasets.List(datasets.Image()), "caption": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(rows, features=features).to_parquet(copy / "train-0.parquet")
    monkeypatch.setenv("HARNESS_HUB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    pairs = open_pairs("org/pairs")
    first, second = pairs
    assert isinstance(first, Pair)
    assert isinstance(second, Reject)
    assert (first.image.data, second.reason, pairs.root) == (png(), "no caption", None)
    assert pairs.fingerprint() == open_pairs("org/pairs").fingerprint()
    with pytest.raises(UserError, match="no such split"):
        open_pairs("org/pairs:default:dev").count()
    with pytest.raises(UserError, match="is missing"):
        list(open_pairs("org/nothing"))


@pytest.mark.parametrize("where", ["none.json", "folder", "a b c"])
def test_nothing_there(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="pairs"):
        open_pairs(where)


def test_no_pictures_folder(tmp_path: Path) -> None:
    where = written(tmp_path, {"image": "a.png", "caption": CAPTION})
    with pytest.raises(UserError, match="no folder"):
        open_pairs(where, tmp_path / "nowhere")


def test_real_recipes(shared_data: Path) -> None:
    pairs = list(open_pairs(str(shared_data / "recipe1m" / "image_caption_pairs.jsonl")))
    assert len(pairs) == 25
    assert all(isinstance(pair, Pair) for pair in pairs)
