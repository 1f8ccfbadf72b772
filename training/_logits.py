"""Logits where labels are, and nowhere else."""

from __future__ import annotations

from typing import Any

import torch

from training.masks import IGNORED


class LabelledOnly:
    """Lets the output layer see only the positions whose next token carries loss.

    Exact, and much smaller where a vocabulary has 150,000 tokens. It is a hook, so that it works
    for every family and within DeepSpeed's own forward.
    """

    def __init__(self, model: Any) -> None:
        self._places: torch.Tensor | None = None
        model.get_output_embeddings().register_forward_pre_hook(self._select)

    def _select(self, module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._places is None:
            return None
        hidden = arguments[0]
        return (hidden.reshape(1, -1, hidden.shape[-1])[:, self._places], *arguments[1:])

    def logits(self, model: Any, inputs: dict[str, Any], labels: torch.Tensor) -> Any:
        """Logits and the tokens they should name.

        Args:
            model: The model, perhaps wrapped.
            inputs: Without labels.
            labels: Shape (rows, tokens).

        Returns:
            Shapes (labelled tokens, vocabulary) and (labelled tokens,).
        """
        following = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED).reshape(-1)
        self._places = (following != IGNORED).nonzero()[:, 0]
        try:
            logits = model(**inputs, use_cache=False).logits
            return logits[0], following[self._places]
        finally:
            self._places = None
