"""Rows without a picture among rows with one, in families that cross-attend (Mllama)."""

from __future__ import annotations

from typing import Any

_MASK = "full_text_row_masked_out_mask"


def blind_text_rows(model: Any) -> int:
    """Keep rows that show no picture from attending to the one that fills their place.

    transformers masks such a row's feed-forward part but not its attention (its issue 39379), so
    that it looks evenly at a picture of zeros, or at another row's dummy. Alone such a row skips
    these layers; with this it is the same in every batch. Rows that show a picture stay as they
    are at inference.

    Args:
        model: Loaded; other families are left alone.

    Returns:
        Number of layers that were mended.
    """
    mended = 0
    for layer in model.modules():
        if type(layer).__name__ == "MllamaCrossAttentionDecoderLayer":
            _blind(layer)
            mended += 1
    return mended


def _blind(layer: Any) -> None:
    seeing: list[Any] = [None]

    def remember(_layer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        mask = named.get(_MASK)  # (rows, 1, tokens, 1), 1 where a token sees a picture
        seeing[0] = None if mask is None else mask[:, 0].amax(dim=1, keepdim=True)

    def silence(_attention: Any, _args: tuple[Any, ...], output: Any) -> Any:
        if seeing[0] is None:
            return output
        return (output[0] * seeing[0].to(output[0].dtype), *output[1:])

    layer.register_forward_pre_hook(remember, with_kwargs=True)
    layer.cross_attn.register_forward_hook(silence)
