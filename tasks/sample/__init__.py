"""Toy rows for every task, drawn on the spot: what `--data sample` reads.

The rows need no network and are the same on every machine. Their scores say that the machinery
works, never how good a model is.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.sample import _biomed, _food, _remote_sensing

VERSION: int = 1
"""Raised whenever a row, a label or a picture of any sample changes."""

_SAMPLES = {**_biomed.SAMPLES, **_food.SAMPLES, **_remote_sensing.SAMPLES}


def sample_records(task_id: str) -> Iterator[dict[str, object]]:
    """Yield a task's sample in the local row schema, drawing each picture when its row is due.

    Args:
        task_id: One of the twelve task ids.

    Returns:
        Records with `id`, `image_id`, `image` (PNG bytes), `input`, `label` and, where the task
        has them, `answer_type` and `A` to `D`. Rows of one picture follow each other.

    Raises:
        KeyError: There is no sample for this task.
    """
    return _SAMPLES[task_id].records()


def sample_count(task_id: str) -> int:
    """Number of rows in a task's sample, without drawing them.

    Raises:
        KeyError: There is no sample for this task.
    """
    return _SAMPLES[task_id].count
