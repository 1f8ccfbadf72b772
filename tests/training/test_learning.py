"""A tiny model learns to count discs it has never seen, and says the same in both engines."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from training_data import record, write_rows
from training_runs import job_of, train_here

NUMBERS = ("one", "two", "three", "four")
COLOURS = {"red": (200, 60, 60), "green": (60, 170, 70), "dark": (30, 30, 60), "bright": (225,) * 3}
PLENTY: dict[str, Any] = {
    "global_batch": 32, "device_batch": 32, "lr": 1e-3, "lr_vision_encoder": 1e-3,
    "betas": (0.9, 0.98), "schedule": "cosine", "warmup_ratio": 0.1,
}  # fmt: skip
HOW_MANY = "How many houses?"
WHICH = "What type is the image?"


def scene(folder: Path, name: str, colour: str, count: int, rng: random.Random) -> str:
    """Discs in some of four cells, on a coloured ground."""
    from PIL import Image, ImageDraw

    ground = tuple(min(255, max(0, v + rng.randint(-8, 8))) for v in COLOURS[colour])
    image = Image.new("RGB", (56, 56), ground)
    pen = ImageDraw.Draw(image)
    for cell in rng.sample(range(4), count):
        x = 28 * (cell % 2) + 14 + rng.randint(-3, 3)
        y = 28 * (cell // 2) + 14 + rng.randint(-3, 3)
        size = rng.randint(6, 9)
        pen.ellipse((x - size, y - size, x + size, y + size), fill=(240, 220, 60))
    (folder / "pictures").mkdir(exist_ok=True)
    image.save(folder / "pictures" / name)
    return f"pictures/{name}"


def lesson(folder: Path, question: str, rows: int, seed: int) -> Path:
    """Conversations of one question; the answer is in the picture."""
    rng = random.Random(seed)
    records = []
    for number in range(rows):
        colour, count = rng.choice(list(COLOURS)), rng.randint(1, 4)
        image = scene(folder, f"{seed}-{number}.png", colour, count, rng)
        answer = NUMBERS[count - 1] if question == HOW_MANY else colour
        records.append(record(f"<image>{question}", answer, images=(image,)))
    return write_rows(folder, records, f"{seed}.jsonl")


def untrained(source: Path, folder: Path) -> Path:
    """The tiny Qwen2-VL's form with a larger vision encoder, and nothing learnt."""
    import torch
    from transformers import AutoConfig, AutoProcessor, Qwen2VLForConditionalGeneration

    config = AutoConfig.from_pretrained(source)
    config.vision_config.embed_dim, config.vision_config.num_heads = 128, 4
    torch.manual_seed(0)
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    AutoProcessor.from_pretrained(source).save_pretrained(folder)
    (folder / "generation_config.json").write_text((source / "generation_config.json").read_text())
    return folder


def exam(folder: Path, rows: int) -> Path:
    """Held-out pictures as rows of an evaluation."""
    rng = random.Random(99)
    home = folder / "rows" / "vqa_rad"
    home.mkdir(parents=True)
    lines = []
    for number in range(rows):
        count = number % 4 + 1
        image = scene(home, f"{number}.png", rng.choice(list(COLOURS)), count, rng)
        lines.append({"image": image, "input": HOW_MANY, "label": NUMBERS[count - 1],
                      "answer_type": "OPEN"})  # fmt: skip
    (home / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "rows"


@pytest.mark.slow
@pytest.mark.vllm
def test_counting_is_learnt(
    tiny_models: dict[str, Path],
    tmp_path: Path,
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = untrained(tiny_models["qwen2_vl"], tmp_path / "untrained")
    colours = job_of(
        tmp_path / "base", base, lesson(tmp_path, WHICH, 3000, 1), **PLENTY, max_steps=200
    )
    train_here(colours)
    counts = job_of(
        tmp_path / "counts", colours.checkpoint, lesson(tmp_path, HOW_MANY, 3000, 2), **PLENTY,
        max_steps=400,
    )  # fmt: skip
    train_here(counts)
    held_out = exam(tmp_path, 200)
    before = answers(harness, colours.checkpoint, held_out, tmp_path / "before", "transformers")
    after = answers(harness, counts.checkpoint, held_out, tmp_path / "after", "transformers")
    assert right(before) <= 0.3
    assert right(after) > 0.9, right(after)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    assert answers(harness, counts.checkpoint, held_out, tmp_path / "vllm", "vllm") == after


def right(said: dict[int, str]) -> float:
    return sum(said[number] == NUMBERS[number % 4] for number in said) / len(said)


def answers(
    harness: Harness, checkpoint: Path, rows: Path, out: Path, engine: str
) -> dict[int, str]:
    vllm = ("gpu_memory_utilization=0.2", "enforce_eager=true", "max_model_len=512")
    ran = harness(
        "eval", "--model", checkpoint, "--tasks", "vqa_rad", "--data", rows, "--engine", engine,
        "--out", out, "--max-new-tokens", 4,
        *(part for each in (vllm if engine == "vllm" else ()) for part in ("--engine-arg", each)),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    (journal,) = out.glob("*/tasks/vqa_rad/responses.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return {int(line["row"]): line["text"].strip() for line in lines}
