"""Batches of one rank, read by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from training.batches import Batches
from training.presets import Settings


def loader_of(
    rows: int,
    batches: Batches,
    collator: Callable[[Any], dict[str, Any]],
    settings: Settings,
    rank: int,
    *,
    persistent: bool = True,
) -> DataLoader[Any]:
    """A loader of this rank's batches; the collator runs in workers.

    Args:
        rows: Number of rows of the data.
        batches: Of all ranks.
        collator: From row indices to inputs.
        settings: Workers, ranks, seed.
        rank: Of this process.
        persistent: Workers outlive an epoch.
    """
    workers = settings.workers
    return _Loader(
        range(rows),  # type: ignore[arg-type]
        batch_sampler=_Shard(batches, rank, settings.ranks),
        collate_fn=collator,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        pin_memory=settings.on_gpu,
        # Its own, so that a resumed run draws the same numbers for everything else.
        generator=torch.Generator().manual_seed(settings.seed),
    )


class _Shard:
    """A rank's part of the batches."""

    def __init__(self, batches: Batches, rank: int, ranks: int) -> None:
        self._batches, self._rank, self._ranks = batches, rank, ranks

    def __len__(self) -> int:
        return len(self._batches) // self._ranks

    def __iter__(self) -> Iterator[list[int]]:
        for place, batch in enumerate(self._batches):
            if place % self._ranks == self._rank:
                yield batch

    def set_epoch(self, epoch: int) -> None:
        self._batches.set_epoch(epoch)


class _Loader(DataLoader[Any]):
    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
