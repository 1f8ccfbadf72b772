"""Rows through `datasets`, on local copies of the hub's layout."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness_helpers import Harness, line_of
from hub_copies import choices, labelled, vqa, write_parquet, write_repo

from tasks import TASKS, Row, Task
from tasks.sources import HubRows, open_source

CONSTANT = ("eval", "--engine", "constant", "--json", "--model")
BIOMED = "AdaptLLM/biomed-VQA-benchmark"
FOOD = "AdaptLLM/food-VQA-benchmark"
SENSING = "AdaptLLM/remote-sensing-VQA-benchmark"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror, and a cache of its own."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_HUB_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "mirror"


def hub(task: Task) -> HubRows:
    source = open_source(task, None)
    assert isinstance(source, HubRows)
    return source


def test_biomed(harness: Harness, mirror: Path) -> None:
    write_repo(
        mirror,
        BIOMED,
        {
            "SLAKE": {"train": vqa(2), "test": vqa(8)},
            "PathVQA": {"test": vqa(6, first=2)},
            "VQA_RAD": {"test": vqa(4)},
            "PMC-VQA": {"test": choices(3)},
        },
    )
    ran = harness(*CONSTANT, "yes (B)", "--tasks", "biomed")
    assert ran.code == 0, ran.err
    assert "%|" not in ran.err  # no progress bars into a log
    for task, n in (("slake", 4), ("pathvqa", 3), ("vqa_rad", 2)):
        line = line_of(ran.json, task, "paper", split="closed")
        assert (line["n"], line["score"], line["failed"]) == (n, 100.0, 0)
        assert line["clusters"] == n
    assert line_of(ran.json, "pmc_vqa", "strict")["score"] == 100.0
    (run,) = Path("runs").iterdir()
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["source"]["slake"] == f"hub:{BIOMED}/SLAKE/test"
    samples = pq.read_table(run / "tasks" / "slake" / "samples.parquet").to_pylist()
    assert [s["image"] for s in samples] == [f"row {i}" for i in range(8)]
    assert [s["input"] for s in samples] == [f"Question {i}?" for i in range(8)]


def test_food_and_remote_sensing(harness: Harness, mirror: Path) -> None:
    sentence = "a river runs through green fields"
    write_repo(
        mirror,
        FOOD,
        {
            "Recipe1M": {"test": labelled(["Mix. Bake."] * 2)},
            "Nutrition5K": {"test": labelled([["salt", "olive oil"], ["salt"], []])},
            "food101": {"test": labelled(["apple_pie", "apple pie", "pizza"])},
            "FoodSeg103": {"test": labelled([["bread"], ["bread", "salt shaker"]])},
        },
    )
    write_repo(
        mirror,
        SENSING,
        {
            "clrs": {"test": labelled(["railway-station", "park"])},
            "UCMerced": {"test": labelled(["river"])},
            "Flood_Net": {"test": labelled(["Yes", "flooded"])},
            "NWPU-Captions": {"test": labelled([["x", "y", sentence, "z", "w"], ["v"] * 5])},
        },
    )
    ran = harness(*CONSTANT, "apple pie salt bread", "--tasks", "food")
    assert ran.code == 1  # "salt shaker" is no name of FoodSeg103
    assert line_of(ran.json, "nutrition5k", "strict")["score"] == pytest.approx(50.0)
    assert line_of(ran.json, "nutrition5k", "paper")["score"] == pytest.approx(250 / 3)
    assert line_of(ran.json, "food101", "strict")["score"] == pytest.approx(200 / 3)
    segments = line_of(ran.json, "foodseg103", "paper")
    assert (segments["n"], segments["failed"]) == (2, 1)
    ran = harness(*CONSTANT, sentence, "--tasks", "clrs,ucmerced,nwpu_captions")
    assert ran.code == 0, ran.err
    assert line_of(ran.json, "ucmerced", "paper")["score"] == 100.0
    captions = line_of(ran.json, "nwpu_captions", "strict")
    assert captions["score"] == pytest.approx(50.0)
    ran = harness(*CONSTANT, "yes", "--tasks", "floodnet")
    assert ran.code == 2  # Flood_Net is no accepted spelling
    for word in ("no config named FloodNet", "Flood_Net", "NWPU-Captions", "--data DIR"):
        assert word in ran.err


def test_splits_and_columns_are_checked(harness: Harness, mirror: Path) -> None:
    rows = vqa(4)
    write_repo(
        mirror,
        BIOMED,
        {
            "SLAKE": {"train": rows, "validation": rows},
            "PathVQA": {"test": [{k: v for k, v in r.items() if k != "input"} for r in rows]},
            "VQA_RAD": {"test": [{k: v for k, v in r.items() if k != "answer_type"} for r in rows]},
            "PMC-VQA": {"test": choices(2)},
        },
    )
    folder = mirror / BIOMED / "PMC-VQA"
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        numbers = table.set_column(0, "image", pa.array([1.5] * len(table)))
        pq.write_table(numbers.replace_schema_metadata(None), path)
    messages = {
        "slake": ("no such split", "train, validation"),
        "pathvqa": ("lacks input", "image, label, answer_type"),
        "pmc_vqa": ("its column `image` holds", "float64", "--data DIR"),
    }
    for task, words in messages.items():
        ran = harness(*CONSTANT, "yes", "--tasks", task)
        assert ran.code == 2
        for word in words:
            assert word in ran.err
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad")
    assert (ran.code, ran.json["unreadable"]) == (1, {"vqa_rad": 4})


def test_a_damaged_copy_is_one_line(harness: Harness, mirror: Path) -> None:
    assert "is missing" in harness(*CONSTANT, "yes", "--tasks", "slake").err
    folder = write_repo(mirror, BIOMED, {"SLAKE": {"test": vqa(4)}})
    path = folder / "SLAKE" / "test-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:300])
    ran = harness(*CONSTANT, "yes", "--tasks", "slake")
    assert ran.code == 2
    assert f"cannot read {BIOMED} from the hub" in ran.err
    shutil.rmtree(folder / "SLAKE")
    assert harness(*CONSTANT, "yes", "--tasks", "slake").code == 2
    (folder / "README.md").write_text("---\nconfigs: [\n---\n")
    assert harness(*CONSTANT, "yes", "--tasks", "slake").code == 2


def test_a_changed_copy_has_other_rows_and_another_fingerprint(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`datasets` alone would give the rows it saw first, as the README is still the same."""
    import datasets

    task = TASKS["slake"]
    rows = vqa(4)
    folder = write_repo(mirror, BIOMED, {"SLAKE": {"test": rows}, "PathVQA": {"test": rows}})
    first = hub(task).fingerprint()
    assert hub(TASKS["pathvqa"]).fingerprint() != first
    path = folder / "SLAKE" / "test-00000-of-00002.parquet"
    old = path.stat()
    seen = {first}
    for change in ({"label": "left arm"}, {"image": vqa(1, first=60)[0]["image"]}):
        hub(task).count()
        changed = [dict(row) for row in rows[:2]]
        changed[1] |= change  # type: ignore[arg-type]
        write_parquet(path, changed)
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        found = [row for row in hub(task).read(task.scorer) if isinstance(row, Row)]
        assert found[1].label == changed[1]["label"]
        assert found[1].images[0].data == changed[1]["image"]
        seen.add(hub(task).fingerprint())
    assert len(seen) == 3
    write_parquet(path, rows[:2])
    assert hub(task).fingerprint() == first
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "another cache"))
    assert hub(task).fingerprint() == first
    (folder / "PathVQA" / "test-00000-of-00002.parquet").unlink()
    shutil.move(mirror, tmp_path / "moved")
    program = (
        "from tasks import TASKS; from tasks.sources import open_source;"
        "print(open_source(TASKS['slake'], None).fingerprint())"
    )
    world = os.environ | {
        "HARNESS_HUB_MIRROR": str(tmp_path / "moved"),
        "HF_DATASETS_CACHE": str(tmp_path / "third"),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=world, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == first


def test_rows_fetched_before_are_found_offline(
    harness: Harness, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `datasets` keeps of a hub data set, made here of a copy: no mirror and no network."""
    write_repo(mirror, BIOMED, {"SLAKE": {"test": vqa(4)}})
    hub(TASKS["slake"]).count()
    (made,) = (tmp_path / "cache" / "mirror").glob("*/*/SLAKE/0.0.0/*/")
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "cache" / "AdaptLLM___biomed-vqa-benchmark" / "SLAKE" / "0.0.0" / commit
    shutil.copytree(made, kept)
    monkeypatch.delenv("HARNESS_HUB_MIRROR")
    ran = harness(*CONSTANT, "yes", "--tasks", "slake")
    assert ran.code == 0, ran.err
    assert line_of(ran.json, "slake", "paper", split="closed")["n"] == 2
    ran = harness(*CONSTANT, "yes", "--tasks", "pathvqa")
    assert ran.code == 2
    assert "--data" in ran.err


def test_rows_are_streamed(mirror: Path) -> None:
    noise = random.Random(0)
    rows: list[dict[str, Any]] = [row | {"image": noise.randbytes(100_000)} for row in vqa(300)]
    write_repo(mirror, BIOMED, {"SLAKE": {"test": rows}})
    source, task = hub(TASKS["slake"]), TASKS["slake"]
    source.count()
    pa.default_memory_pool().release_unused()
    before, most = pa.total_allocated_bytes(), 0
    for row in source.read(task.scorer):
        assert isinstance(row, Row)
        assert len(row.images[0].data or b"") == 100_000
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 10_000_000  # of 30 MB
    blind = next(source.read(task.scorer, images=False))
    assert isinstance(blind, Row)
    assert blind.images[0].data is None
