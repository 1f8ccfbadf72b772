"""What one task's sample is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Record = dict[str, object]
"""One row in the local row schema; the picture is PNG bytes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of one task, drawn when they are read."""

    count: int
    records: Callable[[], Iterator[Record]]


def record(
    task: str, row: int, picture: int, image: bytes, prompt: str, label: str | list[str]
) -> Record:
    """A row with the fields that every task has.

    Args:
        task: Task id.
        row: Number of the row within the task.
        picture: Number of the picture within the task; rows of one picture share it.
        image: The picture as PNG.
        prompt: The finished prompt.
        label: The answer, or several names or references.
    """
    return {
        "id": f"{task}-{row:03d}",
        "image_id": f"{task}-picture-{picture:02d}",
        "image": image,
        "input": prompt,
        "label": label,
    }
