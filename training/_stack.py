"""Encoded samples to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training._pictures import CROSS_ATTENTION
from training.masks import IGNORED, Encoded


def padded_tokens(samples: Sequence[Encoded], pad: int) -> dict[str, Any]:
    """A row a sample, padded on the right."""
    import torch

    shape = len(samples), max(len(sample.ids) for sample in samples)
    ids = torch.full(shape, pad)
    labels = torch.full(shape, IGNORED)
    mask = torch.zeros(shape, dtype=torch.long)
    for row, sample in enumerate(samples):
        length = len(sample.ids)
        ids[row, :length] = torch.tensor(sample.ids)
        labels[row, :length] = torch.tensor(sample.labels)
        mask[row, :length] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def packed_tokens(samples: Sequence[Encoded]) -> dict[str, Any]:
    """All samples in one row."""
    import torch

    ids = [token for sample in samples for token in sample.ids]
    # No sample's first token is predicted from the end of the one before.
    labels = [label for sample in samples for label in (IGNORED, *sample.labels[1:])]
    return {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}


def flat_pixels(samples: Sequence[Encoded]) -> dict[str, Any]:
    """Pictures of all samples one after another; smaller ones padded with zeros."""
    import torch

    pictures = [pixels for sample in samples for pixels in sample.pixels]
    stacked = {}
    for name in pictures[0] if pictures else ():
        tensors = [pixels[name] for pixels in pictures]
        shape = [max(sizes) for sizes in zip(*(t.shape[1:] for t in tensors), strict=True)]
        stacked[name] = torch.cat([_filled(tensor, shape) for tensor in tensors])
    return stacked


def _filled(tensor: Any, shape: Sequence[int]) -> Any:
    """Zeros behind, in every dimension but the first, up to a shape."""
    import torch

    if list(tensor.shape[1:]) == list(shape):
        return tensor
    filled = tensor.new_zeros((len(tensor), *shape))
    filled[tuple(slice(size) for size in tensor.shape)] = tensor
    return torch.as_tensor(filled)


def cross_attended(
    samples: Sequence[Encoded], processor: Any, unseen: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Pictures of families that look at them from aside (Mllama): a list of them a row.

    A row without pictures has one of zeros which no token attends to (`blind_text_rows`).

    Args:
        samples: Encoded conversations.
        processor: The family's.
        unseen: A picture for batches that have none; no token attends to it either.
    """
    import torch
    from transformers.models.mllama.processing_mllama import get_cross_attention_token_mask

    first = next((sample.pixels[0] for sample in samples if sample.pixels), unseen)
    if first is None:
        return {}
    most = max(1, *(len(sample.pixels) for sample in samples))
    made: dict[str, Any] = {
        name: tensor.new_zeros((len(samples), most, *tensor.shape[2:]))
        for name, tensor in first.items()
    }
    # The first tile of every picture counts, also of one that is not there.
    made["aspect_ratio_mask"][:, :, 0] = 1
    tiles = made["aspect_ratio_mask"].shape[2]
    shown = [sample.pixels for sample in samples]
    if not any(shown):
        shown[0] = [first]
    for row, pictures in enumerate(shown):
        for place, pixels in enumerate(pictures):
            for name, tensor in pixels.items():
                made[name][row, place] = tensor[0, 0]
    made[CROSS_ATTENTION] = torch.zeros(
        (len(samples), max(len(sample.ids) for sample in samples), most, tiles), dtype=torch.long
    )
    for row, sample in enumerate(samples):
        ranges = get_cross_attention_token_mask(sample.ids, processor.image_token_id)
        for place, ((begin, end), pixels) in enumerate(zip(ranges, sample.pixels, strict=True)):
            used = int(pixels["aspect_ratio_mask"].sum())
            # An open end reaches over the padding too, where nobody asks.
            stop = None if end == -1 else end
            made[CROSS_ATTENTION][row, begin:stop, place, :used] = 1
    return made
