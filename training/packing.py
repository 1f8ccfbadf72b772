"""Several samples in one row that do not see each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from training.masks import Encoded

SAFE_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3")
"""Attentions that transformers gives the samples' bounds to. With the first two the mask is a
square of the row's length: packing pays with the others."""
_HINT = "Use batching: by_length."


def check_packing(config: Any, attention: str | None) -> None:
    """Refuse what cannot keep the samples of a row apart.

    Args:
        config: The model's configuration.
        attention: Its `attn_implementation`; None is transformers' default.

    Raises:
        UserError: The family or the attention cannot.
    """
    kind = config.model_type
    if getattr(config.get_text_config(), "cross_attention_layers", None):
        raise UserError(
            f"batching: packed does not work for {kind}: its cross-attention cannot tell which "
            "picture belongs to which sample of a row",
            _HINT,
        )
    if attention is not None and attention not in SAFE_ATTENTION:
        raise UserError(
            f"batching: packed needs an attention that keeps the samples of a row apart: "
            f"{', '.join(SAFE_ATTENTION)}; not {attention}",
            _HINT,
        )


def check_apart(model: Any) -> None:
    """Prove on a loaded model that a sample in a row does not see the one before it.

    Two rows differ in their first sample only; what the model says of the second must not.

    Args:
        model: On its device, perhaps wrapped. All ranks must call this together under ZeRO-3.

    Raises:
        UserError: The second sample changes.
    """
    import torch

    plain = getattr(model, "module", model)
    length = 6
    second = torch.arange(2, 2 + length)
    positions = Positions(plain.config)
    said = []
    was_training = model.training
    model.eval()
    try:
        for first in (torch.arange(10, 10 + length), torch.arange(30, 30 + length)):
            inputs = {
                "input_ids": torch.cat([first, second])[None],
                "position_ids": positions.of_text([length, length]),
            }
            inputs = {name: tensor.to(plain.device) for name, tensor in inputs.items()}
            with torch.no_grad():
                logits = model(**inputs, use_cache=False).logits
            said.append(logits[0, length:].float())
    finally:
        model.train(was_training)
    if not torch.allclose(said[0], said[1], rtol=0, atol=1e-3 * float(said[0].std())):
        raise UserError(
            f"batching: packed does not work for {plain.config.model_type} with "
            f"{plain.config._attn_implementation}: a sample sees the one before it in its row",
            _HINT,
        )


class Positions:
    """Positions of tokens, counted anew in each sample, as a family counts them.

    Args:
        config: The model's configuration.
    """

    def __init__(self, config: Any) -> None:
        self._config = config

    @cached_property
    def _rope_index(self) -> Callable[..., Any] | None:
        """The family's own rule where pictures have rows and columns (M-RoPE), else None."""
        from torch import nn
        from transformers.models.auto.modeling_auto import MODEL_MAPPING

        family = MODEL_MAPPING.get(type(self._config), None)
        if not hasattr(family, "get_rope_index"):
            return None
        # Without weights: the rule only reads the configuration. Not built as models are, for
        # over ZeRO-3 transformers would spread the weights over the ranks.
        bare: Any = family.__new__(family)
        nn.Module.__init__(bare)
        bare.config = self._config
        rule: Callable[..., Any] = bare.get_rope_index
        return rule

    def of_text(self, lengths: Sequence[int]) -> Any:
        """Positions of a row of samples without pictures.

        Returns:
            Shape (1, tokens), or (4, 1, tokens) for M-RoPE.
        """
        import torch

        row = torch.cat([torch.arange(length) for length in lengths])[None]
        return row if self._rope_index is None else row.expand(4, -1, -1)

    def packed(self, samples: Sequence[Encoded], token_types: Callable[[Any], Any]) -> Any:
        """Positions of a row of samples.

        Args:
            samples: In their order.
            token_types: Ids of shape (1, tokens) to 1 where a picture stands, else 0.

        Returns:
            Shape (1, tokens); or (4, 1, tokens) for M-RoPE: plain ones, by whose restarts the
            attention finds the samples, then time, row and column.
        """
        import torch

        plain = self.of_text([len(sample.ids) for sample in samples])
        if self._rope_index is None:
            return plain
        parts = []
        for sample in samples:
            ids = torch.tensor([sample.ids])
            if not sample.pixels:
                parts.append(torch.arange(ids.shape[1]).expand(3, 1, -1))
                continue
            grids = torch.cat([pixels["image_grid_thw"] for pixels in sample.pixels])
            found, _ = self._rope_index(
                input_ids=ids, mm_token_type_ids=token_types(ids), image_grid_thw=grids
            )
            parts.append(found)
        return torch.cat([plain[:1], torch.cat(parts, dim=2)])
