"""Runs whose answers a test chooses row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from harness_helpers import Harness

Row = dict[str, Any]


def make_run(harness: Harness, tasks: str, out: str, *more: object, answer: str = "yes") -> Path:
    """A finished run of the constant engine, alone in its folder."""
    ran = harness("eval", "--engine", "constant", "--model", answer, "--tasks", tasks,
                  "--out", out, *more)  # fmt: skip
    assert ran.code in (0, 1), ran.err
    (path,) = Path(out).iterdir()
    return path


def answered(harness: Harness, run: Path, task: str, answer: Callable[[Row], str | None]) -> None:
    """Give a run other answers to a task, and score it again."""
    change(run, task, text=answer)
    assert harness("score", run).code in (0, 1)


def change(run: Path, task: str, **columns: Callable[[Row], Any]) -> None:
    """Replace columns of a task's samples by what a function makes of each row."""
    path = run / "tasks" / task / "samples.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for name, function in columns.items():
        values = pa.array([function(row) for row in rows], table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), values)
    pq.write_table(table, path)


def reorder(run: Path, task: str, order: list[int]) -> None:
    """Put a task's samples in another order, or leave some out."""
    path = run / "tasks" / task / "samples.parquet"
    pq.write_table(pq.read_table(path).take(order), path)
