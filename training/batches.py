"""Which rows are trained on together: a pure function of lengths, seed and epoch."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Batching = Literal["by_length", "random", "packed"]

_POOL = 32
"""Rows are sorted among at least so many batches. Four to a GPU, log-normal lengths: 47 % of
padding becomes 8 %; twice as many would save 3 points more, but mix twice as many steps."""

_HELD_OUT = 7
"""Makes the draw of what is held out another than that of the first epoch."""


def split(usable: NDArray[Any], share: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Part rows into those that are trained on and those that are not.

    Args:
        usable: Indices of rows, ascending.
        share: Of them that is held out; at least one row.
        seed: Of the draw.

    Returns:
        Both ascending; together they are `usable`.

    Raises:
        UserError: Nothing would be left to train on.
    """
    import numpy as np

    count = max(1, round(share * len(usable)))
    if count >= len(usable):
        raise UserError(
            f"train.held_out: {share} of {len(usable):,} conversations leaves none to train on",
            "Give a smaller share, or a file of other conversations.",
        )
    drawn = np.random.default_rng([seed, _HELD_OUT]).permutation(usable)
    return np.sort(drawn[count:]), np.sort(drawn[:count])


class Batches:
    """A batch sampler: lists of row indices for rank 0, 1, ..., then for the next micro-step.

    Every usable row comes once an epoch. An optimizer step has the same rows in every mode; in
    `by_length` a step of fewer than 32 batches is sorted together with its neighbours. The last
    step of an epoch has what is left: fewer micro-steps, and for some ranks perhaps an empty list,
    of which the collator makes a batch without loss.

    Args:
        lengths: Tokens of every row of the data.
        usable: Indices of the rows to train on.
        mode: `by_length` sorts the rows of a step so that those of a batch are alike; `random`
            does not; `packed` fills rows of `capacity` tokens.
        device_batch: Rows that a rank takes at a time (not `packed`).
        ranks: Processes.
        accumulation: Micro-steps an optimizer step (`packed` finds its own).
        seed: Of the order.
        capacity: Tokens of a pack; None takes the longest row's.
        epochs: `packed` only: how many are planned for.

    Raises:
        UserError: A row is longer than a pack.
    """

    def __init__(
        self,
        lengths: NDArray[Any],
        usable: NDArray[Any],
        *,
        mode: Batching,
        device_batch: int,
        ranks: int,
        accumulation: int,
        seed: int,
        capacity: int | None = None,
        epochs: int = 1,
    ) -> None:
        self._lengths = lengths
        self._usable = usable
        self._mode = mode
        self._device_batch = device_batch
        self._ranks = ranks
        self._seed = seed
        self._global_batch = device_batch * ranks * accumulation
        self._epoch = 0
        self.accumulation = accumulation
        """Micro-steps an optimizer step."""
        if mode == "packed":
            longest = int(lengths[usable].max())
            self._capacity = longest if capacity is None else capacity
            if self._capacity < longest:
                raise UserError(
                    f"a row of {longest:,} tokens does not fit into packs of {self._capacity:,}"
                )
            steps = (step for epoch in range(epochs) for step in self._steps(epoch))
            self.accumulation = max(self._needed(step) for step in steps)

    @property
    def steps(self) -> int:
        """Optimizer steps an epoch."""
        return -(-len(self._usable) // self._global_batch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, 0-based."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches of all ranks an epoch."""
        whole, left = divmod(len(self._usable), self._global_batch)
        if self._mode == "packed":
            return (whole + bool(left)) * self.accumulation * self._ranks
        per_step = self.accumulation * self._ranks
        return whole * per_step + self._rounded(-(-left // self._device_batch))

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the epoch's batches."""
        yield from self._batches(self._epoch)

    def padding(self, epoch: int = 0) -> float:
        """Share of a batch's positions that hold no token, over an epoch."""
        used = room = 0
        for batch in self._batches(epoch):
            sizes = [int(self._lengths[i]) for i in batch]
            used += sum(sizes)
            width = max(sizes, default=0)
            room += sum(sizes) if self._mode == "packed" else width * len(sizes)
        return 1 - used / room if room else 0.0

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        if self._mode == "packed":
            for step in self._steps(epoch):
                yield from self._packs(step, self.accumulation)
        elif self._mode == "random":
            for step in self._steps(epoch):
                yield from self._cut(step)
        else:
            yield from self._by_length(epoch)

    def _rounded(self, batches: int) -> int:
        return -(-batches // self._ranks) * self._ranks

    def _steps(self, epoch: int) -> Iterator[NDArray[Any]]:
        """Rows of each optimizer step, drawn at random."""
        import numpy as np

        order = np.random.default_rng([self._seed, epoch]).permutation(self._usable)
        for begin in range(0, len(order), self._global_batch):
            yield order[begin : begin + self._global_batch]

    def _cut(self, rows: NDArray[Any]) -> Iterator[list[int]]:
        """Batches of some rows; as many as every rank needs, the last ones perhaps empty."""
        size = self._device_batch
        for i in range(self._rounded(-(-len(rows) // size))):
            yield rows[i * size : (i + 1) * size].tolist()

    def _by_length(self, epoch: int) -> Iterator[list[int]]:
        import numpy as np

        pool = -(-_POOL // (self.accumulation * self._ranks))
        steps = list(self._steps(epoch))
        for begin in range(0, len(steps), pool):
            rows = np.concatenate(steps[begin : begin + pool])
            batches = list(self._cut(rows[np.argsort(-self._lengths[rows], kind="stable")]))
            micro_steps = [
                batches[i : i + self._ranks] for i in range(0, len(batches), self._ranks)
            ]
            # The batches that are not full come last, so that only the last step is short.
            whole = sum(len(b) == self._device_batch for b in batches) // self._ranks
            order = np.random.default_rng([self._seed, epoch, begin]).permutation(whole)
            for place in (*order.tolist(), *range(whole, len(micro_steps))):
                yield from micro_steps[place]

    def _needed(self, step: NDArray[Any]) -> int:
        """Micro-steps in which the rows of a step fit into packs."""
        total = int(self._lengths[step].sum())
        count = max(1, -(-total // (self._capacity * self._ranks)))
        while max(self._sizes(self._packs(step, count))) > self._capacity:
            count += 1
        return count

    def _sizes(self, packs: Sequence[list[int]]) -> list[int]:
        return [int(self._lengths[pack].sum()) for pack in packs]

    def _packs(self, step: NDArray[Any], micro_steps: int) -> list[list[int]]:
        """Spread rows over packs of about equal size: the longest first, into the emptiest."""
        sizes = self._lengths[step]
        packs: list[list[int]] = [[] for _ in range(micro_steps * self._ranks)]
        heap = [(0, place) for place in range(len(packs))]
        for i in (-sizes).argsort(kind="stable").tolist():
            filled, place = heap[0]
            heapq.heapreplace(heap, (filled + int(sizes[i]), place))
            packs[place].append(int(step[i]))
        return packs
