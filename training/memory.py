"""What a run needs: memory of a GPU, space on a disk. Estimates, from shapes alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from training.parts import trained_on_disk
from training.presets import Part, Settings

_ADAM = 8
"""Bytes a weight of two moments in 32 bits."""


class Memory(NamedTuple):
    """Bytes on one GPU."""

    weights: float
    gradients: float
    optimizer: float
    """Adam's moments, and the 32-bit copy of 16-bit weights."""
    activations: float
    """Rough: of the longest batch."""
    offloaded: float
    """Bytes of the above that lie in the machine's own memory, for each of its processes."""

    @property
    def total(self) -> float:
        """On the GPU."""
        return self.weights + self.gradients + self.optimizer + self.activations


def estimate(
    sizes: Mapping[Part, int], config: Mapping[str, Any], settings: Settings, longest: int | None
) -> Memory:
    """Memory of one process.

    ZeRO-1 spreads the optimizer over the ranks, ZeRO-2 the gradients too, ZeRO-3 the weights too
    (Rajbhandari et al. 2020, section 3).

    Args:
        sizes: Weights of each part.
        config: The base model's `config.json`.
        settings: Of the run.
        longest: Tokens of the longest conversation; None takes `max_length`.
    """
    whole = sum(sizes.values())
    trained = _trained(sizes, config, settings)
    half = 2 if settings.dtype == "bfloat16" else 4
    sharded = settings.parallel != "none"
    stage = int(settings.parallel[4]) if sharded else 0
    ranks = settings.ranks
    each = half if sharded or settings.lora is not None else 4
    weights = whole * each / (ranks if stage == 3 else 1)
    gradients = trained * each / (ranks if stage >= 2 else 1)
    optimizer = trained * (_ADAM + 4 * sharded) / (ranks if stage >= 1 else 1)
    offloaded = 0.0
    if settings.parallel.endswith("_offload") and settings.on_gpu:
        offloaded, optimizer = optimizer, 0.0
        if stage == 3:
            offloaded, weights = offloaded + weights, 0.0
    return Memory(weights, gradients, optimizer, _activations(config, settings, longest), offloaded)


def _activations(config: Mapping[str, Any], settings: Settings, longest: int | None) -> float:
    text = _text(config)
    hidden, layers = int(text.get("hidden_size", 4096)), int(text.get("num_hidden_layers", 32))
    vocabulary = int(text.get("vocab_size", 128_000))
    length = min(longest or settings.max_length, settings.max_length)
    if settings.batching == "packed":
        length = settings.max_length
    tokens = settings.device_batch * length
    half = 2 if settings.dtype == "bfloat16" else 4
    # About 17 values a token, layer and hidden unit (Korthikanti et al. 2022, without dropout and
    # with fused attention); with checkpointing one a layer, and all of one layer.
    kept = layers + 17 if settings.gradient_checkpointing else 17 * layers
    logits = 0.25 * tokens * vocabulary * (half + 8)  # a quarter of the tokens carry loss, say
    return float(tokens * hidden * half * kept + logits)


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) and "hidden_size" in inner else config


def _trained(sizes: Mapping[Part, int], config: Mapping[str, Any], settings: Settings) -> int:
    """Weights that are trained; of low-rank adapters about, from the shape of the LLM's layers."""
    if settings.lora is None:
        return trained_on_disk(sizes, settings)
    text = _text(config)
    hidden, layers = int(text.get("hidden_size", 4096)), int(text.get("num_hidden_layers", 32))
    inner = int(text.get("intermediate_size", 4 * hidden))
    # q, k, v, o: two sides of about `hidden`; gate, up, down: `hidden` and `inner`.
    of_llm = settings.lora["rank"] * layers * (4 * 2 * hidden + 3 * (hidden + inner))
    return int(of_llm if "llm" in settings.lora["parts"] else of_llm // 10)


class Space(NamedTuple):
    """Bytes on a disk."""

    checkpoint: float
    states: float
    """Of all that are kept, and one that is being written."""

    @property
    def total(self) -> float:
        """At the fullest moment."""
        return self.checkpoint + self.states


def space_of(
    sizes: Mapping[Part, int], config: Mapping[str, Any], settings: Settings, saved_bytes: int
) -> Space:
    """Disk space of a run.

    Args:
        sizes: Weights of each part.
        config: The base model's `config.json`.
        settings: Of the run.
        saved_bytes: Bytes of a stored weight.
    """
    whole = sum(sizes.values())
    trained = _trained(sizes, config, settings)
    if settings.lora is not None or settings.parallel == "none":
        state = trained * (4 + _ADAM)
    else:
        half = 2 if settings.dtype == "bfloat16" else 4
        state = whole * half + trained * (4 + _ADAM)
    kept = settings.keep + 1 + (settings.choose == "best")
    return Space(float(whole * saved_bytes), float(state * kept))


def check_space(folder: Path, needed: Space) -> None:
    """Refuse to start what would fill the disk.

    Raises:
        UserError: There is not enough room.
    """
    place = folder
    while not place.exists():
        place = place.parent
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    # A resumed run writes over its own states.
    free += sum(path.stat().st_size for path in folder.glob("state/**/*") if path.is_file())
    if free < needed.total:
        raise UserError(
            f"{folder}: {gib(free)} are free, but training needs about {gib(needed.total)} "
            f"(checkpoint {gib(needed.checkpoint)}, states to resume from {gib(needed.states)})",
            "Make room, name another --work folder, or keep fewer states (train.keep).",
        )


def gib(size: float) -> str:
    """Bytes for people."""
    if size >= 2**30:
        return f"{size / 2**30:,.1f} GiB"
    return f"{size / 2**20:,.1f} MiB"
