"""Multiple-choice rows on disk, for tests of controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from harness_helpers import picture, write_rows

TEXTS = ("left lung", "right lung", "liver", "spleen")


def choice_row(index: int, label: str = "A", **more: Any) -> dict[str, Any]:
    """A row as pmc_vqa has them."""
    lines = [f"({letter}) {text}" for letter, text in zip("ABCD", TEXTS, strict=True)]
    return {
        "id": f"q{index}",
        "image": f"images/{index}.png",
        "input": "\n".join([f"Question: organ {index}?", "The choices are:", *lines]),
        "label": label,
        **dict(zip("ABCD", TEXTS, strict=True)),
        **more,
    }


def choice_rows(folder: Path, count: int, **more: Any) -> Path:
    """Rows of `pmc_vqa`, each with a picture of its own; A is right in every second one."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for index in range(count):
        (folder / "images" / f"{index}.png").write_bytes(picture(index))
    return write_rows(folder, (choice_row(i, "ABAC"[i % 4], **more) for i in range(count)))


def parquet_rows(folder: Path, pictures: list[bytes]) -> Path:
    """Closed questions of `vqa_rad` that carry their pictures."""
    folder.mkdir(parents=True)
    rows = [
        {"image": {"bytes": data, "path": None}, "input": f"Is it {i}?", "label": "yes",
         "answer_type": "CLOSED"}
        for i, data in enumerate(pictures)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "test.parquet")
    return folder
