"""Row sources: where a task's rows are read from."""

from __future__ import annotations

import os
from pathlib import Path

from tasks._errors import UserError
from tasks._types import RowSource, Task
from tasks.sources._at import rows_at
from tasks.sources._hub import HubRows
from tasks.sources._local import JsonlRows, ParquetRows, read_jsonl
from tasks.sources._records import parse_record, refuse_repeated_ids
from tasks.sources._sample import SampleRows

__all__ = [
    "HubRows",
    "JsonlRows",
    "NoRows",
    "ParquetRows",
    "SampleRows",
    "folder_rows",
    "open_source",
    "parse_record",
    "read_jsonl",
    "refuse_repeated_ids",
    "rows_at",
]


class NoRows(UserError):
    """The chosen data holds no rows for this task."""


def open_source(task: Task, data: str | None) -> RowSource:
    """Choose where a task's rows come from.

    Args:
        task: The task.
        data: None for the hub (or a user task's own folder), `sample`, or a folder that holds
            `<task>/test.jsonl` or `<task>/*.parquet`.

    Raises:
        NoRows: Nothing for this task there.
        UserError: The folder does not exist.
    """
    if task.borrowed is not None:
        return task.borrowed.open(data)
    if data == "sample":
        if task.source is None:
            raise NoRows(f"{task.id}: a task of your own has no sample rows")
        return SampleRows(task.id)
    if data is not None:
        root = Path(os.path.realpath(data))
        if not root.is_dir():
            raise UserError(f"--data {data}: no such folder")
        return folder_rows(root / task.id, task.id)
    if task.folder is not None:
        return folder_rows(task.folder, task.id)
    if task.source is None:
        raise NoRows(f"{task.id}: no rows; give --data DIR")
    return HubRows(task.source)


def folder_rows(folder: Path, task_id: str) -> RowSource:
    """The rows of one folder.

    Raises:
        NoRows: Neither `test.jsonl` nor a parquet file is there.
    """
    folder = Path(os.path.realpath(folder))  # of a loop of links too, unlike Path.resolve
    lines = folder / "test.jsonl"
    if lines.is_file():
        return JsonlRows(lines)
    files = sorted(folder.glob("test*.parquet")) or sorted(folder.glob("*.parquet"))
    if files:
        return ParquetRows(folder, files)
    raise NoRows(f"{task_id}: neither {lines} nor {folder / '*.parquet'}")
