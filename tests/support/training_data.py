"""Small training data: drawn pictures, conversations about them, files of them."""

import json
import random
from pathlib import Path
from typing import Any

from tasks import ImageRef
from training.rows import Conversation, Turn, open_rows
from training.survey import Survey, SurveySettings, survey

FAMILIES = ("qwen2_vl", "llava_next", "mllama")
WORDS = ["lung", "rice", "river", "small", "left", "Yes.", "No", "é", "漢字", "😀", "(A)", "1,000"]


def draw(width: int, height: int, seed: int = 0) -> Any:
    """A noisy RGB picture."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def conversation(*turns: str, images: int = 0, system: str | None = None) -> Conversation:
    """Turns of user and assistant in turn."""
    roles = ("user", "assistant")
    said = [Turn(roles[i % 2], text) for i, text in enumerate(turns)]
    head = [Turn("system", system)] if system is not None else []
    return Conversation(0, (*head, *said), tuple(ImageRef("x") for _ in range(images)))


def record(*turns: str, images: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A row of a file."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    return {"messages": messages, "images": list(images), **more}


def write_rows(folder: Path, records: list[Any], name: str = "train.jsonl") -> Path:
    """A JSONL file."""
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return path


def sentence(rng: random.Random, most: int = 12) -> str:
    """A few words."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def random_rows(
    folder: Path, count: int, *, seed: int = 0, text_only: float = 0.2, most: int = 12
) -> Path:
    """Rows of one to three exchanges, most of them about a picture of a random size."""
    rng = random.Random(seed)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    records = []
    for index in range(count):
        turns = [sentence(rng, most) for _ in range(2 * rng.randint(1, 3))]
        images = ()
        if rng.random() >= text_only:
            name = f"pictures/{index}.png"
            draw(rng.randint(20, 160), rng.randint(20, 160), index).save(folder / name)
            turns[0], images = f"<image>\n{turns[0]}", (name,)
        records.append(record(*turns, images=images))
    return write_rows(folder, records)


def surveyed(path: Path, source: Any, folder: Path, **settings: Any) -> Survey:
    """The survey of a file, in this process."""
    wanted = {"max_length": 6144, "workers": 0, **settings}
    return survey(open_rows(str(path)), source, SurveySettings(**wanted), folder)
