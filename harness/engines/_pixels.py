"""How large a picture the model sees."""

from __future__ import annotations

import json

from harness.errors import UserError
from harness.models import Checkpoint

_PUBLISHED = (224 * 224, 1280 * 28 * 28)
_STOCK = (56 * 56, 28 * 28 * 16_384)


def pixel_bounds(
    checkpoint: Checkpoint, low: int | None, high: int | None
) -> tuple[int, int] | None:
    """Least and most pixels of a picture, where they shall differ from the checkpoint's own.

    The published protocol gives Qwen2-VL 224 x 224 to 1280 x 28 x 28 pixels. That replaces the
    family's stock bounds; a checkpoint that was trained with bounds of its own keeps them.

    Args:
        checkpoint: The checkpoint.
        low: `min_pixels` as asked for.
        high: `max_pixels` as asked for.

    Raises:
        UserError: Bounds are asked for that the family does not have, or in the wrong order.
    """
    if checkpoint.config.get("model_type") != "qwen2_vl":
        if low is not None or high is not None:
            raise UserError(
                "--engine-arg min_pixels/max_pixels: only Qwen2-VL checkpoints have them",
                "Change the size in the checkpoint's preprocessor_config.json instead.",
            )
        return None
    own = _own_bounds(checkpoint)
    base = _PUBLISHED if own == _STOCK else own
    bounds = (base[0] if low is None else low, base[1] if high is None else high)
    if not 0 < bounds[0] <= bounds[1]:
        raise UserError(f"min_pixels {bounds[0]:,} and max_pixels {bounds[1]:,}: wrong order")
    return None if bounds == own else bounds


def _own_bounds(checkpoint: Checkpoint) -> tuple[int, int]:
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = checkpoint.folder / name
        if not path.is_file():
            continue
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            config = config.get("image_processor") or config
            size = config.get("size") or {}
            low = config.get("min_pixels") or size.get("shortest_edge")
            high = config.get("max_pixels") or size.get("longest_edge")
            if low and high:
                return int(low), int(high)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
    return _STOCK
