"""Model FLOPs of a step, and the share of a card's rate that they are (MFU)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.presets import Part

# Dense bf16, in 1e12 a second, from the makers' data sheets; the first name that fits.
_PEAKS = (
    ("B200", 2250), ("H200", 989), ("H100 PCIe", 756), ("H100", 989), ("H800", 989),
    ("GH200", 989), ("A100", 312), ("A800", 312), ("L40S", 362), ("L40", 181), ("A40", 150),
    ("A10", 125), ("L4", 121), ("RTX 4090", 165), ("RTX 3090", 71),
)  # fmt: skip


def peak_of(device: str) -> float | None:
    """A GPU's dense bf16 FLOPs a second by its name; None if it is not known."""
    for name, tera in _PEAKS:
        if name in device:
            return tera * 1e12
    return None


def step_flops(
    model: Any, sizes: Mapping[Part, tuple[int, int]], batch: Mapping[str, Any]
) -> float:
    """FLOPs of a forward and backward pass that the model needs, padding and recomputing left out.

    Two a weight and token forward, two for the inputs' gradients, two for the weights' where they
    are trained; the LLM's attention 12 x layers x hidden x length^2 / 2 for its causal half
    (Chowdhery et al. 2022, appendix B). The output layer counts where there are labels.

    Args:
        model: The model.
        sizes: Parameters of each part: all, and trained ones.
        batch: Its inputs with labels.
    """
    text = model.config.get_text_config()
    mask = batch.get("attention_mask")
    if mask is None:
        tokens, squares = float(batch["input_ids"].numel()), 0.0
    else:
        lengths = mask.sum(1).double()
        tokens, squares = lengths.sum().item(), lengths.square().sum().item()
    labels = float((batch["labels"] != -100).sum())
    output = text.vocab_size * text.hidden_size
    # Not by the configuration: its parts contradict each other in some checkpoints.
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    llm = sizes["llm"][0] - output * (1 if tied else 2)
    patches = _patches(model.config, batch)
    need = llm * tokens + output * labels
    seen = sizes["vision_encoder"][0] * patches + sizes["projector"][0] * patches / 4
    trained = sum(trained for _, trained in sizes.values())
    whole = sum(whole for whole, _ in sizes.values())
    weights = 4 + 2 * (trained / whole if whole else 0)
    attention = 6.0 * text.num_hidden_layers * text.hidden_size * squares
    return float(weights * (need + seen) + attention)


def _patches(config: Any, batch: Mapping[str, Any]) -> float:
    pixels = batch.get("pixel_values")
    if pixels is None:
        return 0.0
    if pixels.ndim == 2:  # Qwen2-VL's are patches already
        return float(pixels.shape[0])
    patch = getattr(getattr(config, "vision_config", None), "patch_size", 14)
    side = patch if isinstance(patch, int) else patch[0]
    return float(pixels.numel() / (3 * side * side))
