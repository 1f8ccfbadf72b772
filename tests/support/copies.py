"""Pictures that are copies of others, drawn here: recompressed, resized, cut; and worlds of them."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.sample import sample_records


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def resized(image: Image.Image, factor: float) -> Image.Image:
    size = [max(8, round(side * factor)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def cut(image: Image.Image, rng: random.Random, most: float = 0.05) -> Image.Image:
    """Width and height each lose up to `most`, at a random place."""
    width, height = image.size
    across, down = rng.uniform(0, most), rng.uniform(0, most)
    left, top = rng.uniform(0, across), rng.uniform(0, down)
    box = (left * width, top * height, (1 - across + left) * width, (1 - down + top) * height)
    return image.crop(tuple(map(round, box)))  # type: ignore[arg-type]


def texture(seed: int, side: int = 96) -> Image.Image:
    """Coloured clouds: noise of several sizes, no two alike."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((side, side, 3))
    for cells, weight in ((3, 60), (7, 40), (20, 20)):
        grid = rng.uniform(0, 255, (cells, cells, 3)).astype("uint8")
        grown = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        pixels += (np.asarray(grown, float) - 128) * weight / 60
    return Image.fromarray((pixels + 128).clip(0, 255).astype("uint8"))


def drawn(*tasks: str) -> list[Image.Image]:
    """The sample pictures of some tasks, each once."""
    seen: dict[str, bytes] = {}
    for task in tasks:
        for record in sample_records(task):
            seen.setdefault(str(record["image_id"]), record["image"])  # type: ignore[arg-type]
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in seen.values()]


def conversation(row_id: str, question: str, answer: str, *images: str) -> dict[str, Any]:
    return {
        "id": row_id,
        "messages": [
            {"role": "user", "content": "<image>" * len(images) + question},
            {"role": "assistant", "content": answer},
        ],
        "images": list(images),
    }


def write_lines(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
