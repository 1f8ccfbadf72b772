"""Copies of hub data sets as the hub lays them out: a README with configs, parquet splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness_helpers import picture

Rows = Sequence[dict[str, Any]]


def write_parquet(path: Path, rows: Rows) -> None:
    """Write rows with `datasets`, pictures as its Image feature stores them."""
    import datasets

    datasets.disable_progress_bars()
    text = datasets.Value("string")
    kinds: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            kinds[name] = datasets.List(text) if isinstance(value, list) else text
    if "image" in kinds:
        kinds["image"] = datasets.Image()
    columns = {name: [row.get(name) for row in rows] for name in kinds}
    if "image" in columns:
        columns["image"] = [
            {"bytes": i, "path": None} if isinstance(i, bytes) else i for i in columns["image"]
        ]
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(str(path))


def write_repo(mirror: Path, repo: str, configs: dict[str, dict[str, Rows]]) -> Path:
    """Write `mirror/repo` with the rows of every config and split; each split in two files."""
    folder = mirror / repo
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
            half = (len(rows) + 1) // 2
            for part, some in enumerate((rows[:half], rows[half:])):
                if some:
                    write_parquet(folder / config / f"{split}-{part:05}-of-00002.parquet", some)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join([*lines, "---", "# A copy", ""]), encoding="utf-8")
    return folder


def vqa(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Open and closed questions in turn, two a picture."""
    return [
        {
            "image": picture(first + i // 2),
            "input": f"Question {first + i}?",
            "label": "left lung" if i % 2 else "yes",
            "answer_type": "OPEN" if i % 2 else "CLOSED",
        }
        for i in range(count)
    ]


def choices(count: int) -> list[dict[str, Any]]:
    """Four-way choices whose answer is B."""
    letters = {"A": "lung", "B": "liver", "C": "heart", "D": "skin"}
    return [
        {"image": picture(i), "input": "Question: Which?", "label": "B", **letters}
        for i in range(count)
    ]


def labelled(labels: Sequence[str | list[str]]) -> list[dict[str, Any]]:
    """One row a label."""
    return [
        {"image": picture(i), "input": "What is shown?", "label": label}
        for i, label in enumerate(labels)
    ]
