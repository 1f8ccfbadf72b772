"""Requests for engines, and their answers by row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.engines import Engine, plan_engine
from harness.images import Picture
from harness.requests import Message, Request, Response, Sampling

TEXTS = (
    "Is it a CT?", "Name the organ.", "Where is the river?", "What colour is the cake, and why?",
    "Question: Which organ?\nThe choices are:\n(A) lung\n(B) heart\n(C) brain\n(D) bone", "Why?",
)  # fmt: skip
SIZES = ((64, 64), (100, 60), (40, 90), (120, 120), (200, 80))


def start(folder: Path, **settings: object) -> Any:
    """The transformers engine as `--engine-arg` makes it, in fp32 on the CPU."""
    args = {"dtype": "float32", "device_map": "cpu"} | {k: str(v) for k, v in settings.items()}
    return plan_engine("transformers", str(folder), args).start()


def ask(
    number: int, text: str | None = None, size: tuple[int, int] | None = None, images: int = 1,
    **sampling: Any,
) -> Request:  # fmt: skip
    """A question whose text, size and pixels depend on its number."""
    width, height = size or SIZES[number % len(SIZES)]
    random = np.random.default_rng(number)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = random.integers(0, 256, 3)
    pixels[height // 3 :, width // 3 :] = random.integers(0, 256, 3)
    picture = Picture(Image.fromarray(pixels), None, f"drawn {number}")
    message = Message("user", TEXTS[number % len(TEXTS)] if text is None else text, images)
    drawn = Sampling(**{"max_new_tokens": 40, **sampling})
    return Request(
        f"{number:032x}", f"row {number}", (message,), drawn, (picture,) * images, owner=number
    )


def answers(engine: Engine, requests: Iterable[Request]) -> dict[int, Response]:
    """Responses by the request's number; each exactly once, its request handed back as it was."""
    asked = list(requests)
    found: dict[int, Response] = {}
    for response in engine.generate(iter(asked)):
        assert any(response.request is request for request in asked)
        assert response.request.owner not in found
        assert (response.text is None) == (response.error is not None)
        found[response.request.owner] = response
    assert len(found) == len(asked)
    return found


def texts(engine: Engine, requests: Iterable[Request]) -> list[str | None]:
    """Answers in the order of the requests."""
    asked = list(requests)
    found = answers(engine, asked)
    return [found[request.owner].text for request in asked]


def changed(folder: Path, target: Path, name: str, **fields: Any) -> Path:
    """A copy of a checkpoint with some fields of one JSON file replaced."""
    shutil.copytree(folder, target)
    path = target / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return target
