"""Rows to a model's inputs: read, encoded and stacked in the data loader's workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from harness import images
from harness.errors import RowError
from tasks import ImageRef
from training._pictures import CROSS_ATTENTION, FORMATS
from training._stack import cross_attended, flat_pixels, packed_tokens, padded_tokens
from training.masks import IGNORED, Encoded, Encoder, EncoderSource
from training.packing import Positions
from training.rows import Conversation, TrainingRows, Turn
from training.survey import Survey

SKIPPED = "skipped_rows"
"""Key of a batch: indices of rows that could not be read; no input of the model."""
_DUMMY_SIZES = ((64, 64), (16, 128), (128, 16))


class Collator:
    """Makes a batch of row indices; the same indices always make the same batch.

    Args:
        rows: The data.
        source: What makes tokens of them.
        survey: How much of each row is kept.
        config: The model's configuration: how it counts positions (packed batches only).
        packed: One row without padding, instead of a padded row each.
        dummy_picture: Give a batch without pictures one, without loss: ZeRO-3 waits for ever for
            a vision encoder that one rank does not run.
    """

    def __init__(
        self,
        rows: TrainingRows,
        source: EncoderSource,
        survey: Survey,
        config: Any = None,
        *,
        packed: bool = False,
        dummy_picture: bool = True,
    ) -> None:
        if packed and config is None:
            raise ValueError("packed batches need the model's configuration")
        self._rows = rows
        self._source = source
        self._survey = survey
        self._config = config
        self._packed = packed
        self._dummy_picture = dummy_picture

    def __getstate__(self) -> dict[str, Any]:
        """Another process loads the processor for itself."""
        loaded = ("encoder", "_positions", "_dummy")
        return {name: value for name, value in self.__dict__.items() if name not in loaded}

    @cached_property
    def encoder(self) -> Encoder:
        """Loaded where it is first used."""
        # Each worker is one of many: threads of its own would only get in their way.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        return self._source.load()

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self._config)

    def __call__(self, indices: Sequence[int]) -> dict[str, Any]:
        """Inputs of the model.

        Args:
            indices: Of rows; none make a batch without loss.

        Returns:
            Tensors: `input_ids` and `labels` of shape (rows, tokens), -100 where there is no
            loss; pixels as the family has them; `attention_mask`, and `mm_token_type_ids` where
            the family has them; packed ones have one row, `position_ids` and no mask. And
            `skipped_rows`: indices of rows that turned out unreadable; they carry no loss.
        """
        import torch

        samples, skipped = [], []
        for index in indices:
            try:
                samples.append(self.sample(int(index)))
            except RowError:
                samples.append(self._dummy)
                skipped.append(int(index))
        samples = self._with_picture(samples or [self._dummy])
        batch = self._packed_batch(samples) if self._packed else self._padded_batch(samples)
        batch[SKIPPED] = torch.tensor(skipped, dtype=torch.long)
        return batch

    def sample(self, index: int) -> Encoded:
        """One row, encoded.

        Raises:
            RowError: It cannot be read any more, or has changed since the survey.
        """
        conversation = self._rows[index].shortened(int(self._survey.exchanges[index]))
        pictures = [images.load(ref, FORMATS).image for ref in conversation.images]
        encoded = self.encoder.encode(conversation, pictures)
        surveyed = int(self._survey.lengths[index])
        if len(encoded.ids) != surveyed:
            raise RowError(f"{len(encoded.ids)} tokens, but {surveyed} when it was surveyed")
        return encoded

    @cached_property
    def _dummy(self) -> Encoded:
        """The smallest conversation with a picture, without loss."""
        from PIL import Image

        count = self.encoder.pictures.count
        height, width = min(_DUMMY_SIZES, key=lambda size: count(*size))
        turns = (Turn("user", "<image>"), Turn("assistant", ".")) * self.encoder.least_exchanges
        shown = [Image.new("RGB", (width, height))] * self.encoder.least_exchanges
        refs = tuple(ImageRef("dummy") for _ in shown)
        encoded = self.encoder.encode(Conversation(-1, turns, refs), shown)
        return encoded._replace(labels=[IGNORED] * len(encoded.ids))

    def _with_picture(self, samples: list[Encoded]) -> list[Encoded]:
        """Put the dummy behind the shortest sample if there is no picture.

        What comes later in a row is not seen by what comes earlier.
        """
        if self._cross_attends or not self._lacks_picture(samples):
            return samples
        at = min(range(len(samples)), key=lambda i: len(samples[i].ids))
        if self._packed:
            return [*samples, self._dummy]
        joined = Encoded(
            samples[at].ids + self._dummy.ids,
            samples[at].labels + self._dummy.labels,
            self._dummy.pixels,
        )
        return [*samples[:at], joined, *samples[at + 1 :]]

    def _lacks_picture(self, samples: list[Encoded]) -> bool:
        return self._dummy_picture and not any(sample.pixels for sample in samples)

    @property
    def _cross_attends(self) -> bool:
        """Pictures stand beside the tokens, and a dummy is one that no token sees."""
        return CROSS_ATTENTION in self.encoder.processor.model_input_names

    def _padded_batch(self, samples: list[Encoded]) -> dict[str, Any]:
        processor = self.encoder.processor
        batch = padded_tokens(samples, _pad_id(processor))
        if self._cross_attends:
            unseen = self._dummy.pixels[0] if self._lacks_picture(samples) else None
            return {**batch, **cross_attended(samples, processor, unseen)}
        if "mm_token_type_ids" in processor.model_input_names:
            batch["mm_token_type_ids"] = _token_types(processor, batch["input_ids"])
        return {**batch, **flat_pixels(samples)}

    def _packed_batch(self, samples: list[Encoded]) -> dict[str, Any]:
        processor = self.encoder.processor
        batch = packed_tokens(samples)
        batch["position_ids"] = self._positions.packed(
            samples, lambda ids: _token_types(processor, ids)
        )
        return {**batch, **flat_pixels(samples)}


def _pad_id(processor: Any) -> int:
    tokenizer = processor.tokenizer
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id or 0) if pad is None else int(pad)


def _token_types(processor: Any, ids: Any) -> Any:
    """0 for text, 1 for a picture's tokens; the shape of `ids`."""
    import torch

    return torch.tensor(processor.create_mm_token_type_ids(ids.tolist()), dtype=torch.int32)
