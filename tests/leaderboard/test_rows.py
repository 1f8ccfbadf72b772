"""Rows of a run: filtered, searched, paged; rows that changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from leaderboard_runs import HOSTILE

from harness.comparison import compare_runs
from harness.errors import UserError
from leaderboard.store import Store, Wanted
from leaderboard.store._rows import SampleRow

Open = Callable[[Path], Store]


def _all(store: Store, name: str, task: str, wanted: Wanted) -> list[SampleRow]:
    run = store.run(name)
    assert run is not None
    page = store.samples.page(run, task, wanted, size=1_000, first=0)
    assert page.total == len(page.rows)
    return list(page.rows)


def _table(runs: Path, name: str, task: str) -> list[dict[str, Any]]:
    path = runs / name / "tasks" / task / "samples.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


MODEL = "20260101T000000Z-model1-all-00000001"
EVIL = "20260105T000000Z-model5-all-00000005"


def test_filters_give_the_rows_that_the_file_has(store: Store, team: Path) -> None:
    rows = _table(team, MODEL, "slake")

    def positions(**wanted: Any) -> list[int]:
        return [row.position for row in _all(store, MODEL, "slake", Wanted(**wanted))]

    def main(row: dict[str, Any], protocol: str) -> float:
        return float(row[f"{protocol}_{'recall' if row['split'] == 'open' else 'accuracy'}"])

    for protocol in ("paper", "strict"):
        wrong = [r["row_index"] for r in rows if main(r, protocol) < 1]
        assert positions(kind="wrong", protocol=protocol) == wrong
        assert 0 < len(wrong) < len(rows)
        right = [r["row_index"] for r in rows if main(r, protocol) >= 1]
        assert positions(kind="right", protocol=protocol) == right
        unparsed = [r["row_index"] for r in rows if r[f"{protocol}_unparsed"]]
        assert positions(kind="unparsed", protocol=protocol) == unparsed
    assert positions(split="closed") == [r["row_index"] for r in rows if r["split"] == "closed"]
    assert positions(kind="failed") == []
    found = positions(search="CANNOT tell")
    assert found == [r["row_index"] for r in rows if "cannot tell" in r["text"].lower()]
    assert found


def test_what_is_searched_for_is_no_pattern(store: Store) -> None:
    assert len(_all(store, EVIL, "slake", Wanted(search=HOSTILE[:40]))) > 10
    for nothing in ("%", "_%_", "' OR true --", "\\", "[a-z]"):
        rows = _all(store, EVIL, "vqa_rad", Wanted(search=nothing))
        assert all(
            nothing.lower() in f"{r.text}{r.prompt}{r.label}{r.row_id}".lower() for r in rows
        )


def test_pages_follow_each_other(store: Store) -> None:
    run = store.run(MODEL)
    assert run is not None
    whole = _all(store, MODEL, "slake", Wanted())
    pages = [store.samples.page(run, "slake", Wanted(), size=12, first=n * 12) for n in range(16)]
    assert [row for page in pages for row in page.rows] == whole
    assert store.samples.row(run, "slake", whole[5].position) == whole[5]
    assert store.samples.row(run, "slake", 10**15) is None


def test_changed_rows_are_those_that_compare_counts(store: Store, team: Path) -> None:
    names = [MODEL, "20260102T000000Z-model2-all-00000002"]
    runs = [store.run(name) for name in names]
    assert runs[0] is not None
    assert runs[1] is not None
    pair = compare_runs([team / name for name in names], rows=3).pairs[0]
    for line in pair.columns:
        c = line.column
        if not line.main:
            continue
        for direction, count in (("gained", line.changes.up), ("lost", line.changes.down)):
            page = store.samples.changed(
                (runs[0], runs[1]), c.task, (c.split, c.metric, c.protocol), direction,  # type: ignore[arg-type]
                size=3, first=0,
            )  # fmt: skip
            assert page.total == count
            told = line.changes.gained if direction == "gained" else line.changes.lost
            assert [a.row_id for a, _ in page.rows] == [row.row_id for row in told]
            assert all(a.row_id == b.row_id for a, b in page.rows)


def test_folders_named_like_patterns(team: Path, tmp_path: Path, open_store: Open) -> None:
    runs = tmp_path / "odd"
    name = "it's [a-z]*? {x} ünï 'q' \"d\""
    shutil.copytree(team / MODEL, runs / name)
    (runs / "z").mkdir()
    shutil.copytree(team / EVIL, runs / "it's z1 {x} ünï 'q' \"d\"")
    store = open_store(runs)
    assert {r.text for r in _all(store, name, "slake", Wanted())} == {
        r["text"] for r in _table(team, MODEL, "slake")
    }


def test_damaged_and_missing_samples_are_named(own_team: Path, open_store: Open) -> None:
    store = open_store(own_team)
    run = store.run(MODEL)
    assert run is not None
    path = own_team / MODEL / "tasks" / "slake" / "samples.parquet"
    data = path.read_bytes()
    for damage in (data[: len(data) // 2], b"", data[:4] + b"x" * 500 + data[-8:]):
        path.write_bytes(damage)
        with pytest.raises(UserError, match="samples"):
            store.samples.page(run, "slake", Wanted(), size=12, first=0)
    path.unlink()
    with pytest.raises(UserError, match="missing"):
        store.samples.row(run, "slake", 0)
    path.symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="not inside"):
        store.samples.row(run, "slake", 0)
    for task in ("../../x", "..", "slake/../../.."):
        with pytest.raises(UserError, match=r"not inside|missing"):
            store.samples.row(run, task, 0)
