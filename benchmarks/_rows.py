"""Rows of a benchmark's size and shape, drawn here."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

_QUESTIONS = (
    "Which organ is abnormal in this image, and on which side of the body does it lie?",
    "What modality was used to take this image of the patient?",
    "Is there any evidence of a lesion in the upper part of this picture?",
    "How many structures can be seen, and what is the colour of the largest of them?",
    "Does the picture contain a region that was not there before the treatment?",
)


def draw_jpegs(folder: Path, count: int, side: int = 256) -> list[Path]:
    """Write square JPEGs that compress as photographs do."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    base = np.linspace(0, 1, side)
    paths = []
    for index in range(count):
        waves = np.sin(
            rng.uniform(2, 20, (3, 1, 1)) * base[None, None, :] + base[None, :, None] * 9
        )
        pixels = (waves * 90 + 128).transpose(1, 2, 0) + rng.integers(-12, 13, (side, side, 3))
        data = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(data, "JPEG", quality=85)
        paths.append(folder / f"{index:05d}.jpg")
        paths[-1].write_bytes(data.getvalue())
    return paths


def write_questions(folder: Path, rows: int, pictures: int) -> None:
    """Write `folder/slake`: open questions, each about one of the pictures, in no order."""
    paths = draw_jpegs(folder / "slake" / "images", pictures)
    pick = random.Random(0)
    shown = [paths[number % pictures] for number in range(rows)]
    if pictures < rows:
        pick.shuffle(shown)
    with (folder / "slake" / "test.jsonl").open("w") as lines:
        for number, path in enumerate(shown):
            row = {
                "image": f"images/{path.name}",
                "input": f"{_QUESTIONS[number % len(_QUESTIONS)]} ({number})",
                "label": "liver",
                "answer_type": "OPEN",
            }
            lines.write(json.dumps(row) + "\n")


def write_food101(folder: Path, rows: int, side: int = 256) -> None:
    """Write `folder/food101`: the task's own long prompt, a picture a row."""
    from tasks._prompts import food101 as prompt
    from tasks._vocabulary import food101

    names = [name.replace("_", " ") for name in food101()]
    text = prompt(names)
    pick = random.Random(0)
    paths = draw_jpegs(folder / "food101" / "images", rows, side)
    with (folder / "food101" / "test.jsonl").open("w") as lines:
        for path in paths:
            row = {"image": f"images/{path.name}", "input": text, "label": pick.choice(names)}
            lines.write(json.dumps(row) + "\n")
