"""DuckDB over the runs' parquet: no server, nothing written, nothing fetched."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.export import LoadedRun

_SETTINGS = {
    "memory_limit": "200MB",
    "threads": "2",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
    "preserve_insertion_order": "false",
}
Row = tuple[Any, ...]


class Database:
    """One connection in memory; each thread takes a cursor of its own."""

    def __init__(self) -> None:
        import duckdb

        self._connection = duckdb.connect(":memory:", config=_SETTINGS)
        self._lock = threading.Lock()

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query.

        Args:
            query: With `?` for each value; nothing of a stranger's is put into the text itself.
            values: Paths go through `pattern`.

        Raises:
            UserError: A file is gone, damaged, or has other columns.
        """
        with self._cursor() as cursor:
            rows: list[Row] = cursor.execute(query, list(values)).fetchall()
            return rows

    def arrays(self, query: str, values: Sequence[Any] = ()) -> dict[str, Any]:
        """The columns of a query as NumPy arrays.

        Raises:
            UserError: As `ask`.
        """
        with self._cursor() as cursor:
            columns: dict[str, Any] = cursor.execute(query, list(values)).fetchnumpy()
            return columns

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        import duckdb

        with self._lock:
            cursor = self._connection.cursor()
        try:
            yield cursor
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise UserError(f"the samples cannot be read: {_first_line(error)}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def pattern(path: Path) -> str:
    """A path as DuckDB reads it: brackets and stars in a folder's name stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def quoted(name: str) -> str:
    """A column's name in a query."""
    return '"' + name.replace('"', '""') + '"'


def samples_path(run: LoadedRun, task: str) -> Path:
    """A task's samples in a run.

    Raises:
        UserError: The task leads out of the run's folder, or has no samples.
    """
    tasks = run.folder.task_folder("").resolve()
    path = (run.folder.task_folder(task) / "samples.parquet").resolve()
    if path.parent.parent != tasks:
        raise UserError("the samples are not inside their run")
    if not path.is_file():
        raise UserError("the samples are missing: samples.parquet is not there")
    return path
