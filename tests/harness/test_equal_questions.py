"""One question about many pictures: answered once where the pictures are not shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness_helpers import Harness, line_of, picture, write_rows

COMMAND = ("eval", "--engine", "constant", "--model", "yes", "--tasks", "vqa_rad", "--data", "rows")


@pytest.mark.parametrize(("mode", "asked"), [("given", 6), ("blank", 3), ("none", 1)])
def test_clusters_are_the_rows_own_pictures(
    harness: Harness, tmp_path: Path, mode: str, asked: int
) -> None:
    """A shared answer does not make rows of different pictures one cluster."""
    folder = tmp_path / "rows" / "vqa_rad"
    (folder / "images").mkdir(parents=True)
    for i in range(6):
        size = (30 + i % 3, 30)
        (folder / "images" / f"{i}.png").write_bytes(picture(i, size))
    write_rows(
        folder,
        ({"image": f"images/{i % 6}.png", "input": "Is it?", "label": "yes" if i % 3 else "no",
          "answer_type": "CLOSED"} for i in range(12)),
    )  # fmt: skip
    first = harness(*COMMAND, "--images", mode, "--json")
    line = line_of(first.json, "vqa_rad", "paper", split="closed")
    assert (line["n"], line["clusters"]) == (12, 6)
    (run,) = Path("runs").iterdir()
    assert len((run / "tasks/vqa_rad/responses.jsonl").read_text().splitlines()) == asked
    (run / "results.json").unlink()
    assert harness(*COMMAND, "--images", mode, "--json").json == first.json


def test_a_path_that_no_disk_can_hold(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "vqa_rad"
    names = ["\ud800.png", "\0", "x" * 5_000, "a\udfff/x.png"]
    rows = [{"image": n, "input": "?", "label": "no", "answer_type": "CLOSED"} for n in names]
    write_rows(folder, [json.dumps(row) for row in rows])
    ran = harness(*COMMAND, "--json")
    assert ran.code == 1
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["failed"] == len(names)
