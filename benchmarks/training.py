"""Tokens a second of `harness train`: sorted by length and packed, over naive padding.

    python benchmarks/training.py [--model CHECKPOINT] [--rows 400] [--steps 20] [--rounds 3]

The trainer itself, in children, on drawn conversations of log-normal length, three ways in
turn. By default a tiny Qwen2-VL with random weights on the CPU; on a GPU a Qwen2-VL of the 2B shape
with random weights, and its model FLOPs over the card's dense bf16 rate (MFU).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

_here = sys.path.pop(0)  # else `training` would be this very file
import training  # noqa: E402, F401

sys.path.insert(0, _here)
from _rows import draw_jpegs  # noqa: E402

MODES = ("random", "by_length", "packed")
_WORDS = ("the", "image", "shows", "a", "small", "dark", "area", "with", "rice", "and", "water")


def write_conversations(folder: Path, rows: int, words: float, side: int) -> Path:
    """Answers of log-normal length (sigma 0.8) about a picture each."""
    pick = random.Random(0)
    paths = draw_jpegs(folder / "pictures", rows, side)
    with (folder / "train.jsonl").open("w") as lines:
        for path in paths:
            count = max(1, round(words * pick.lognormvariate(0, 0.8)))
            messages = [
                {"role": "user", "content": "<image>Describe the image."},
                {"role": "assistant", "content": " ".join(pick.choices(_WORDS, k=count))},
            ]
            row = {"messages": messages, "images": [f"pictures/{path.name}"]}
            lines.write(json.dumps(row) + "\n")
    return folder / "train.jsonl"


def make_model(folder: Path, *, large: bool) -> Path:
    """A Qwen2-VL with random weights; of the 2B shape on request."""
    from harness.demo import make_models

    tiny = make_models(folder / "models", ["qwen2_vl"])["qwen2_vl"]
    if not large:
        return tiny
    import torch
    from transformers import AutoConfig, AutoProcessor, Qwen2VLForConditionalGeneration

    config = AutoConfig.from_pretrained(tiny)
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 1536, 8960, 28
    text.num_attention_heads, text.num_key_value_heads, text.vocab_size = 12, 2, 151_936
    text.rope_parameters = {
        "rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24],
    }  # fmt: skip
    text.max_position_embeddings, config.tie_word_embeddings = 32_768, True
    text.tie_word_embeddings, text.layer_types = True, None
    vision.depth, vision.embed_dim, vision.num_heads = 32, 1280, 16
    vision.hidden_size, vision.mlp_ratio = 1536, 4
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = Qwen2VLForConditionalGeneration(config)
        torch.set_default_dtype(torch.float32)
    made = folder / "qwen2_vl_2b_shape"
    model.save_pretrained(made)
    processor = AutoProcessor.from_pretrained(tiny)
    processor.image_processor.size = {"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}
    processor.save_pretrained(made)
    return made


def train(base: Path, data: Path, folder: Path, mode: str, args: Any) -> dict[str, float]:
    """Train some steps; rates without the first."""
    from harness.recipes import TrainRecipe
    from training.job import losses_of
    from training.launch import plan_training, prepare
    from training.processes import run_processes

    recipe = TrainRecipe(
        preset="generic", batching=mode, global_batch=args.batch, device_batch=args.device_batch,
        max_steps=args.steps, max_length=args.max_length, gpus=1, save_every=args.steps,
        parallel=args.parallel, attn_implementation=args.attention, workers=args.workers,
    )  # fmt: skip
    plan = plan_training(recipe, base_model=str(base), data=data)
    job = prepare(plan, plan.runs[-1], plan.base.folder, folder)
    run_processes(job, mode)
    first, *_, last = losses_of(folder)
    return {
        "rate": (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"]),
        "padding": job.facts["data"]["padding"],
        "mfu": last["mfu"] or 0.0,
    }


def main() -> None:
    """Run the three ways in turn."""
    from training.launch import gpus_here

    gpu = gpus_here() > 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="another checkpoint")
    parser.add_argument("--rows", type=int, default=1024 if gpu else 320)
    parser.add_argument("--words", type=float, default=400 if gpu else 60, help="of an answer")
    parser.add_argument("--side", type=int, default=448 if gpu else 96, help="of a picture")
    parser.add_argument("--steps", type=int, default=12 if gpu else 10)
    parser.add_argument("--rounds", type=int, default=1 if gpu else 3)
    parser.add_argument("--batch", type=int, default=64 if gpu else 32)
    parser.add_argument("--device-batch", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=6144 if gpu else 1024)
    parser.add_argument("--parallel", default="zero2" if gpu else "none")
    parser.add_argument("--attention", help="attn_implementation")
    parser.add_argument("--workers", type=int, default=8 if gpu else 0)
    parser.add_argument("--modes", default=",".join(MODES))
    args = parser.parse_args()
    modes = args.modes.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = args.model or make_model(folder, large=gpu)
        data = write_conversations(folder, args.rows, args.words, args.side)
        found: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
        for turn in range(args.rounds):
            for mode in modes:
                one = train(base, data, folder / f"{mode}-{turn}", mode, args)
                found[mode].append(one)
                mfu = f", MFU {one['mfu']:.3f}" if one["mfu"] else ""
                print(
                    f"{mode:10} {one['rate']:>9,.0f} tokens/s, padding {one['padding']:.1%}{mfu}",
                    flush=True,
                )
    for mode in modes[1:]:
        ratios = sorted(
            a["rate"] / b["rate"] for a, b in zip(found[mode], found[modes[0]], strict=True)
        )
        print(
            f"{mode} over {modes[0]}: {statistics.median(ratios):.2f} x "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
