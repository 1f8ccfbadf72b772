"""Several sources as one: what is at which place, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from training_data import random_rows, record, write_rows

from harness.errors import UserError
from training.rows import open_rows


def together(folder: Path, *parts: dict[str, Any]) -> Path:
    path = folder / "all.together.json"
    path.write_text(json.dumps(parts))
    return path


def test_rows_follow_each_other_with_their_own_pictures(tmp_path: Path) -> None:
    first = random_rows(tmp_path / "a", 3, text_only=0.0)
    (tmp_path / "b").mkdir()
    second = write_rows(tmp_path / "b", [record("Say yes.", "yes"), record("Say no.", "no")])
    where = together(tmp_path, {"data": str(first)}, {"data": str(second), "images": None})
    rows = pickle.loads(pickle.dumps(open_rows(str(where))))  # noqa: S301 - our own
    assert len(rows) == 5
    assert [rows[i].index for i in range(5)] == [0, 1, 2, 3, 4]
    assert rows[2].images[0].root == tmp_path / "a"
    assert rows[4].messages[1].content == "no"
    with pytest.raises(IndexError):
        rows[5]
    before = rows.fingerprint()
    write_rows(tmp_path / "b", [record("Say yes.", "yes"), record("Say no.", "never")])
    assert open_rows(str(where)).fingerprint() != before


@pytest.mark.parametrize("text", ["[]", "{", "[1]", '{"data": "x"}', '[{"data": "nowhere.jsonl"}]'])
def test_what_is_no_list_of_sources(tmp_path: Path, text: str) -> None:
    path = tmp_path / "all.together.json"
    path.write_text(text)
    with pytest.raises(UserError, match="data: "):
        open_rows(str(path))
