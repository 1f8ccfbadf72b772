"""Rows drawn on the spot: deterministic, offline, good for trying things out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from tasks._types import ImageRef, Row, Scorer, Unreadable
from tasks.sample import VERSION, sample_count, sample_records
from tasks.sources._records import parse_record


class SampleRows:
    """The toy rows of one task."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id

    def describe(self) -> str:
        """`sample`, and of which version."""
        return f"sample v{VERSION}"

    def fingerprint(self) -> str:
        """Pictures are drawn by rule, so the rule's version says all."""
        return f"sample v{VERSION} {self.task_id}"

    def count(self) -> int:
        """Number of rows."""
        return sample_count(self.task_id)

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Draw the rows, one after the other."""
        for index, record in enumerate(sample_records(self.task_id)):
            data = cast("bytes", record["image"]) if images else None
            ref = ImageRef(f"drawn {record['image_id']}", data=data)
            yield parse_record(record, index, scorer, (ref,))
