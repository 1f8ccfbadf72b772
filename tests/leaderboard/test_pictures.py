"""Pictures: from the run's own source, only if they are what the run saw."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness_helpers import picture
from leaderboard_runs import first_run, write_data
from PIL import Image

from harness.images import decode, pixel_hash
from leaderboard.store import SampleRow, Store, Wanted
from leaderboard.store._pictures import Pictures, bound
from tasks import TASKS
from tasks.sources import folder_rows, rows_at

Open = Callable[[Path], Store]


def _rows(store: Store, task: str, count: int = 6) -> tuple[SampleRow, ...]:
    (run,) = store.look().runs.values()
    return store.samples.page(run, task, Wanted(), size=count, first=0).rows


def _checked(store: Store, task: str) -> None:
    """Every row's picture is there, small and full, and is the row's own."""
    (run,) = store.look().runs.values()
    rows = _rows(store, task)
    small = dict(store.pictures.thumbnails(run, task, rows))
    assert small.keys() == {row.position for row in rows}
    for row in rows:
        data = small[row.position].data
        assert data is not None, small[row.position].reason
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "WEBP"
            assert max(image.size) <= 160
        full = store.pictures.full(run, task, row)
        assert full.data is not None
        with Image.open(io.BytesIO(full.data)) as image:
            assert full.size == image.size


def test_files_drawn_rows_and_parquet(tmp_path: Path, open_store: Open) -> None:
    data = write_data(tmp_path / "data", ["slake"])
    first_run(data, tmp_path / "a", ["slake"])
    _checked(open_store(tmp_path / "a"), "slake")

    first_run("sample", tmp_path / "b", ["food101"])
    _checked(open_store(tmp_path / "b"), "food101")

    rows = [json.loads(line) for line in (data / "slake" / "test.jsonl").read_text().splitlines()]
    for row in rows:
        file = data / "slake" / row["image"]
        row["image"] = {"bytes": file.read_bytes(), "path": None}
    (tmp_path / "pq" / "slake").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pq" / "slake" / "test.parquet",
                   row_group_size=40)  # fmt: skip
    first_run(tmp_path / "pq", tmp_path / "c", ["slake"])
    shutil.rmtree(tmp_path / "cache")
    _checked(open_store(tmp_path / "c"), "slake")


def test_rows_at_positions_are_those_of_reading_all(tmp_path: Path) -> None:
    task = TASKS["vqa_rad"]
    records = [
        {"id": f"q{i}", "image": picture(i), "input": f"{i}?", "label": "yes",
         "answer_type": "CLOSED" if i != 5 else "?"}
        for i in range(50)
    ]  # fmt: skip
    for part in range(2):
        table = pa.Table.from_pylist(records[part * 25 : part * 25 + 25])
        pq.write_table(table, tmp_path / f"test-{part}.parquet", row_group_size=10)
    source = folder_rows(tmp_path, "vqa_rad")
    rows = list(source.read(task.scorer))
    found = list(rows_at(source, task.scorer, [49, 0, 5, 24, 25, 31, 32, 400, -1]))
    assert found == [rows[i] for i in (0, 24, 25, 31, 32, 49)]


def test_a_picture_that_is_not_the_runs_own_is_not_shown(tmp_path: Path, open_store: Open) -> None:
    data = write_data(tmp_path / "data", ["slake"])
    run_path = first_run(data, tmp_path / "runs", ["slake"])
    store = open_store(tmp_path / "runs")
    (run,) = store.look().runs.values()
    row = _rows(store, "slake", 1)[0]
    file = data / "slake" / str(row.image)

    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(9))
    shutil.copy(secret, data / "secret.png")
    for locator in (
        "../secret.png",
        str(secret),
        "images/../../secret.png",
        "http://x/y.png",
        "",
        "a\0b",
    ):
        shown = store.pictures.full(run, "slake", row._replace(image=locator))
        assert shown.data is None, locator
    (data / "slake" / "link.png").symlink_to(secret)
    assert store.pictures.full(run, "slake", row._replace(image="link.png")).data is None

    # A picture inside the root that the run never saw, and one without a fingerprint.
    (data / "slake" / "other.png").write_bytes(picture(3))
    shown = store.pictures.full(run, "slake", row._replace(image="other.png"))
    assert shown.reason == "the picture has changed since the run"
    assert store.pictures.full(run, "slake", row._replace(pixels=None)).data is None

    file.write_bytes(picture(4))
    small = dict(store.pictures.thumbnails(run, "slake", [row]))[row.position]
    assert small.reason == "the picture has changed since the run"
    file.unlink()
    assert "No such file" in str(store.pictures.full(run, "slake", row).reason)
    shutil.rmtree(data)
    store.pictures = Pictures(tmp_path / "fresh")
    assert "cannot be read" in str(store.pictures.full(run, "slake", row).reason)
    assert run_path.is_dir()


def test_a_run_that_points_anywhere_shows_nothing(tmp_path: Path, open_store: Open) -> None:
    data = write_data(tmp_path / "data", ["slake"])
    path = first_run(data, tmp_path / "runs", ["slake"])
    record = json.loads((path / "run.json").read_text())
    for given in ("/", "/proc/self", 7, None, "\0", "x" * 5_000):
        record["data"]["given"] = given
        (path / "run.json").write_text(json.dumps(record))
        store = open_store(tmp_path / "runs")
        (run,) = store.look().runs.values()
        assert store.pictures.full(run, "slake", _rows(store, "slake", 1)[0]).data is None
    row = _rows(store, "slake", 1)[0]
    assert "lmms-eval's code" in str(store.pictures.full(run, "lmms_eval:mmmu_val", row).reason)


def test_thumbnails_are_kept_by_content_and_bounded(tmp_path: Path, open_store: Open) -> None:
    data = write_data(tmp_path / "data", ["slake"])
    first_run(data, tmp_path / "runs", ["slake"])
    store = open_store(tmp_path / "runs")
    (run,) = store.look().runs.values()
    rows = _rows(store, "slake", 30)
    assert not store.pictures.kept(rows)
    for _ in store.pictures.thumbnails(run, "slake", rows):
        pass
    kept = sorted((tmp_path / "cache" / "thumbnails").rglob("*.webp"))
    assert {file.stem for file in kept} == {row.pixels for row in rows}
    shutil.rmtree(data)
    again = store.pictures.kept(rows)
    assert again.keys() == {row.position for row in rows}
    assert all(shown.data for shown in again.values())

    size = sum(file.stat().st_size for file in kept)
    bound(tmp_path / "cache" / "thumbnails", size // 2)
    left = list((tmp_path / "cache" / "thumbnails").rglob("*.webp"))
    assert 0 < sum(file.stat().st_size for file in left) <= size // 2


@pytest.mark.parametrize("pixels", ["../../x", "A" * 32, "", "0" * 31])
def test_only_a_hash_names_a_thumbnail(tmp_path: Path, pixels: str, store: Store) -> None:
    run = store.run("20260101T000000Z-model1-all-00000001")
    assert run is not None
    row = store.samples.page(run, "slake", Wanted(), size=1, first=0).rows[0]
    named = row._replace(pixels=pixels)
    assert not store.pictures.kept([named])
    assert dict(store.pictures.thumbnails(run, "slake", [named]))[row.position].data is None
    assert not list(tmp_path.rglob("*.webp"))


def test_the_hash_is_that_of_the_pixels(store: Store, team: Path) -> None:
    run = store.run("20260101T000000Z-model1-all-00000001")
    assert run is not None
    row = store.samples.page(run, "slake", Wanted(), size=1, first=0).rows[0]
    file = team.parent / "data" / "slake" / str(row.image)
    assert pixel_hash(decode(file.read_bytes(), ("PNG",), "x")) == row.pixels
