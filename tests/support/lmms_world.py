"""Small local copies of lmms-eval's data sets, with drawn pictures, and a task file of one's own."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import datasets
from chat_server import picture_bytes
from harness_helpers import picture
from PIL import Image

_SUBJECTS = ("Art", "Biology", "Physics")
_SAID = (
    "yes", "No", "Yes, it is.", "A", "B. the second", "The answer is C.", "(D)", "blue", "2",
    "the left lung", "rice, salt and onion", "river", "a green field near some houses",
)  # fmt: skip
# lmms-eval guesses where it reads no letter in MMMU, and its guesses depend on its threads.
_LETTERS = ("A", "(B)", "The answer is C.", "D.")
OWN_YAML = """\
task: shades
dataset_path: json
dataset_kwargs: {data_files: {test: rows.json}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.visual
doc_to_text: !function utils.text
doc_to_target: answer
process_results: !function utils.process
generation_kwargs: {max_new_tokens: 4, until: ["."]}
metric_list:
  - {metric: Exact Match, aggregation: mean, higher_is_better: true}
  - {metric: letters, aggregation: !function utils.longest, higher_is_better: true}
  - {metric: silence, aggregation: mean, higher_is_better: false}
"""
OWN_CODE = '''\
"""Scoring of a task of one's own."""

from pathlib import Path

from PIL import Image


def visual(doc):
    """The picture."""
    return [Image.open(Path(__file__).parent / doc["image"])]


def text(doc):
    """The question."""
    return doc["question"]


def process(doc, results):
    """Fails on one row."""
    if doc["answer"] == "BROKEN":
        raise KeyError("no such answer")
    said = results[0]
    return {"Exact Match": float(said.lower() == doc["answer"]), "letters": said,
            "silence": float(not said)}


def longest(items):
    """No mean over rows."""
    return max(len(item) for item in items) / 100
'''


def said_to(body: dict[str, Any]) -> str:
    """A model that answers by what it is told and shown, in this order, and by nothing else."""
    digest, said = hashlib.sha256(), ""
    shown = iter(picture_bytes(body))
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                said += part["text"]
                digest.update(part["text"].encode())
            else:
                image = Image.open(io.BytesIO(next(shown))).convert("RGB")
                digest.update(repr(image.size).encode() + image.tobytes())
    answers = _LETTERS if "A. red" in said else _SAID
    return answers[digest.digest()[0] % len(answers)]


def _write(root: Path, repo: str, split: str, rows: list[dict[str, Any]]) -> None:
    images = {name: datasets.Image() for name in rows[0] if name.startswith("image")}
    table = datasets.Dataset.from_list(rows)
    for name, feature in images.items():
        table = table.cast_column(name, feature)
    folder = root / repo / "data"
    folder.mkdir(parents=True)
    table.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_stock(root: Path) -> Path:
    """Copies of POPE, AI2D, MME and MMMU (validation) under `root`, by the data sets' names."""
    shown = [{"bytes": picture(seed), "path": None} for seed in range(12)]
    _write(root, "lmms-lab-encoder/POPE", "test", [
        {"question_id": str(i), "image": shown[i // 3], "question": f"Is there a thing {i}?",
         "answer": "yes" if i % 2 else "no", "category": "random"}
        for i in range(36)
    ])  # fmt: skip
    _write(root, "lmms-lab-encoder/ai2d", "test", [
        {"question": f"Which part is {i}?", "options": ["one", "two", "three", "blue"],
         "answer": str(i % 4), "image": shown[i % 9]}
        for i in range(27)
    ])  # fmt: skip
    _write(root, "lmms-lab-encoder/MME", "test", [
        {"question_id": f"{i // 2}.png", "image": shown[i // 2], "category": kind,
         "question": f"Is it {i}? Please answer yes or no.", "answer": "Yes" if i % 2 else "No"}
        for i, kind in enumerate(["existence"] * 12 + ["code_reasoning"] * 8)
    ])  # fmt: skip
    _write(root, "lmms-lab-encoder/MMMU", "validation", [_mmmu(i, shown) for i in range(15)])
    return root


def _mmmu(i: int, shown: list[dict[str, Any]]) -> dict[str, Any]:
    both = i % 3 == 0
    question = f"Before <image 1> then{' <image 2> and' if both else ''} what is {i}?"
    closed = i % 5 != 4
    return {
        "id": f"validation_{_SUBJECTS[i % 3]}_{i}",
        "question": question,
        "options": str(["red", "two", "three", "four"]) if closed else "[]",
        "answer": "ABCD"[i % 4] if closed else "2",
        "question_type": "multiple-choice" if closed else "open",
        **{f"image_{n}": None for n in range(3, 8)},
        "image_1": shown[i % 6],
        "image_2": shown[6 + i % 6] if both else None,
    }


def write_own(folder: Path, rows: int = 10, broken: int = 7) -> Path:
    """A task file with its code, rows and pictures; scoring fails on one row."""
    folder.mkdir(parents=True)
    (folder / "shades.yaml").write_text(OWN_YAML)
    (folder / "utils.py").write_text(OWN_CODE)
    records = []
    for i in range(rows):
        (folder / f"{i % 5}.png").write_bytes(picture(i % 5))
        answer = "BROKEN" if i == broken else ("yes", "no", "b")[i % 3]
        records.append({"image": f"{i % 5}.png", "question": f"Shade {i}?", "answer": answer})
    (folder / "rows.json").write_text(json.dumps(records))
    return folder / "shades.yaml"
