"""The test rows that training data must not hold: their pictures and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.errors import RowError
from harness.progress import Progress, note
from synth._album import Album, numbered
from tasks import Row, RowSource, Task, Unreadable, resolve
from tasks.sources import NoRows, open_source


class HeldOut(NamedTuple):
    """One row of one task."""

    task: str
    id: str
    question: str
    answers: tuple[str, ...]
    """The label; several names are one answer, several references are several."""
    pictures: tuple[int, ...]
    """Numbers in the album."""


@dataclass
class TaskRead:
    """What was read of one task."""

    id: str
    data: str
    fingerprint: str
    rows: int = 0
    unreadable: int = 0
    """Records that are no rows."""
    without_picture: int = 0
    """Rows one of whose pictures cannot be opened; compared by text alone."""
    flat: int = 0
    """Rows whose picture is almost flat: it is compared by equal pixels alone."""


@dataclass
class HeldOutRows:
    """Test rows of all tasks."""

    tasks: list[TaskRead] = field(default_factory=list)
    rows: list[HeldOut] = field(default_factory=list)
    album: Album = field(default_factory=Album)


class _Opened(NamedTuple):
    task: Task
    source: RowSource


class Source(NamedTuple):
    """Tasks whose rows were found."""

    opened: tuple[_Opened, ...]

    def fingerprints(self) -> dict[str, str]:
        """Task id to the fingerprint of its rows."""
        return {each.task.id: each.source.fingerprint() for each in self.opened}


def open_tests(names: Iterable[str], data: str | None) -> Source:
    """Find the rows of every task; those without rows are named and left out.

    Args:
        names: Tasks, groups, folders of the user's own tasks.
        data: As `--data` of `harness eval`.

    Raises:
        UserError: A name is unknown, the data cannot be read, or no task has rows.
    """
    opened, missing = [], []
    for task in resolve(tuple(names)):
        try:
            opened.append(_Opened(task, open_source(task, data)))
        except NoRows as error:
            missing.append(error.message)
    for reason in missing:
        note(f"not audited: {reason}")
    if not opened:
        raise NoRows(
            f"no test rows to compare with: {'; '.join(missing)}",
            "--data DIR needs DIR/<task>/test.jsonl or DIR/<task>/*.parquet; "
            "--data sample takes the drawn rows.",
        )
    return Source(tuple(opened))


def reread(source: Source, wanted: set[tuple[str, str]]) -> Iterator[tuple[str, Row]]:
    """Read some rows again, with their pictures.

    Args:
        source: The tasks.
        wanted: Task id and row id of each.
    """
    for task, rows in source.opened:
        left = {row_id for task_id, row_id in wanted if task_id == task.id}
        for row in rows.read(task.scorer) if left else ():
            if isinstance(row, Row) and row.id in left:
                left.discard(row.id)
                yield task.id, row
            if not left:
                break


def read_tests(source: Source) -> HeldOutRows:
    """Read all rows and sketch their pictures.

    Raises:
        UserError: A source cannot be read.
    """
    tests = HeldOutRows()
    totals = {each.task.id: each.source.count() for each in source.opened}
    with Progress(totals) as progress:
        for task, rows in source.opened:
            read = TaskRead(task.id, rows.describe(), rows.fingerprint())
            tests.tasks.append(read)
            drawn = numbered(
                _rows(task, rows, read, progress),
                lambda row: row.images,
                tests.album,
                task.image_formats,
            )
            tests.rows += [_test_row(task, row, numbers, read) for row, numbers in drawn]
    flat = tests.album.flat
    for read in tests.tasks:
        own = (row for row in tests.rows if row.task == read.id)
        read.flat = sum(any(flat[number] for number in row.pictures) for row in own)
    return tests


def _rows(task: Task, source: RowSource, read: TaskRead, progress: Progress) -> Iterator[Row]:
    for row in source.read(task.scorer):
        progress.add(task.id)
        if isinstance(row, Unreadable):
            read.unreadable += 1
        else:
            yield row


def _test_row(task: Task, row: Row, numbers: tuple[int | RowError, ...], read: TaskRead) -> HeldOut:
    read.rows += 1
    read.without_picture += any(isinstance(number, RowError) for number in numbers)
    pictures = tuple(number for number in numbers if isinstance(number, int))
    label = (row.label,) if isinstance(row.label, str) else row.label
    answers = label if "references" in task.scorer.needs else (" ".join(label),)
    return HeldOut(task.id, row.id, row.prompt, answers, pictures)
