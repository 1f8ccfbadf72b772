"""A plain training loop: the shipped checkpoints are made before any of the harness's stages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from harness.demo.pretrain._lessons import MARK, Lesson
from tasks.sample._rng import seeded

_WINDOW = 16
"""Batches are cut from so many at a time, sorted by length."""
_SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


class Encoded(NamedTuple):
    """A lesson as the model reads it."""

    ids: list[int]
    labels: list[int]
    """-100 where nothing is learnt."""
    pixels: Any
    """Patches of the picture, shape (patches, values), or None."""


def encode(lesson: Lesson, processor: Any) -> Encoded:
    """Tokens, labels and pixels of a lesson, as the chat template writes it."""
    tokenizer, pixels = processor.tokenizer, None
    image = ""
    if lesson.picture is not None:
        made = processor.image_processor(images=[lesson.picture], return_tensors="pt")
        pixels = made["pixel_values"]
        shown = pixels.shape[0] // processor.image_processor.merge_size**2
        image = f"<|vision_start|>{'<|image_pad|>' * shown}<|vision_end|>"
    parts = [(_SYSTEM, False)]
    for turn in lesson.turns:
        text = turn.text.replace(MARK, image)
        if turn.role == "user":
            parts += [("<|im_start|>user\n", turn.learnt), (text + "<|im_end|>\n", turn.learnt)]
        else:
            parts += [("<|im_start|>assistant\n", False), (f"{text}<|im_end|>", turn.learnt)]
            parts += [("\n", False)]
    ids: list[int] = []
    labels: list[int] = []
    tokens = tokenizer([text for text, _ in parts], add_special_tokens=False).input_ids
    for part, (_, learnt) in zip(tokens, parts, strict=True):
        ids += part
        labels += part if learnt else [-100] * len(part)
    return Encoded(ids, labels, pixels)


def collate(rows: Sequence[Encoded], tokenizer: Any) -> dict[str, Any]:
    """A batch, padded on the right."""
    import torch

    longest = max(len(row.ids) for row in rows)
    pad = tokenizer.pad_token_id

    def padded(values: list[list[int]], fill: int) -> Any:
        return torch.tensor([v + [fill] * (longest - len(v)) for v in values])

    ids = padded([row.ids for row in rows], pad)
    batch = {
        "input_ids": ids,
        "labels": padded([row.labels for row in rows], -100),
        "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
    }
    seen = [row.pixels for row in rows if row.pixels is not None]
    if seen:
        side = math.isqrt(seen[0].shape[0])
        batch["mm_token_type_ids"] = (ids == tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()
        batch["pixel_values"] = torch.cat(seen)
        batch["image_grid_thw"] = torch.tensor([[1, side, side]] * len(seen))
    return batch


class Plan(NamedTuple):
    """How long and how fast."""

    steps: int
    batch: int
    lr: float
    lr_vision: float
    warmup: int = 50
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    seed: int = 0


def batches(rows: Sequence[Encoded], plan: Plan) -> Iterator[list[Encoded]]:
    """Endless batches of rows of similar length."""
    rng = seeded("demo", "batches", plan.seed)
    order: list[int] = []
    while True:
        window: list[int] = []
        while len(window) < plan.batch * _WINDOW:
            if not order:
                order = rng.sample(range(len(rows)), len(rows))
            window.append(order.pop())
        window.sort(key=lambda place: len(rows[place].ids))
        cut = [window[i : i + plan.batch] for i in range(0, len(window), plan.batch)]
        rng.shuffle(cut)
        yield from ([rows[place] for place in places] for places in cut)


def loss_of(model: Any, batch: dict[str, Any]) -> Any:
    """Cross entropy over the labels; logits only where there are any."""
    import torch

    inputs = {name: value for name, value in batch.items() if name != "labels"}
    hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
    wanted = batch["labels"][:, 1:]
    learnt = wanted != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[learnt]).float(), wanted[learnt])


def train(
    model: Any,
    rows: Sequence[Encoded],
    tokenizer: Any,
    plan: Plan,
    say: Callable[[str], None] = print,
    *,
    frozen: Sequence[str] = (),
    every: int = 0,
    look: Callable[[], str] = lambda: "",
) -> None:
    """Train a model in place: AdamW, cosine, its vision part at a rate of its own.

    Args:
        model: In float32.
        rows: What is learnt.
        tokenizer: The model's.
        plan: Steps and rates.
        say: Takes a line of progress.
        frozen: Parameters whose names hold one of these stay as they are.
        every: Steps between two lines of progress; 0: none.
        look: What to add to a line of progress.
    """
    import torch

    named = [
        (name, weight)
        for name, weight in model.named_parameters()
        if not any(part in name for part in frozen)
    ]
    sees = [weight for name, weight in named if "visual." in name]
    reads = [weight for name, weight in named if "visual." not in name]
    rates = [(group, rate) for group, rate in ((reads, plan.lr), (sees, plan.lr_vision)) if group]
    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": rate} for group, rate in rates],
        betas=plan.betas,
        weight_decay=plan.weight_decay,
    )
    model.train()
    began, tokens, running = time.process_time(), 0, 0.0
    for step, drawn in zip(range(plan.steps), batches(rows, plan), strict=False):
        warm = min(1.0, (step + 1) / plan.warmup)
        share = warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / plan.steps)))
        for group, (_, rate) in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        batch = collate(drawn, tokenizer)
        tokens += int(batch["attention_mask"].sum())
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([weight for _, weight in named], 1.0)
        optimizer.step()
        model.zero_grad()
        running = loss.item() if step == 0 else 0.95 * running + 0.05 * loss.item()
        if every and (step + 1) % every == 0:
            spent = time.process_time() - began
            say(f"step {step + 1}: loss {running:.4f}, {tokens / spent:,.0f} tokens/s {look()}")
            model.train()
    model.eval()
