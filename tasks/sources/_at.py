"""Rows by their position, for someone who looks at a few of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tasks._errors import UnreadableRow
from tasks._types import Row, RowSource, Scorer, Unreadable
from tasks.sources._hub import HubRows
from tasks.sources._local import ParquetRows, embedded_image
from tasks.sources._records import parse_record

_FEW = 16


def rows_at(source: RowSource, scorer: Scorer, positions: Collection[int]) -> Iterator[Row]:
    """Yield the rows at some positions, with their pictures; what is no row is left out.

    Parquet files and tables of the hub are opened at the position; other sources are read from
    their start.

    Args:
        source: Of a task.
        scorer: The task's.
        positions: From 0.

    Raises:
        UserError: The source cannot be read.
    """
    wanted = sorted({place for place in positions if place >= 0})
    if isinstance(source, ParquetRows):
        yield from _parsed(_of_parquet(source, wanted), scorer, source.folder)
    elif isinstance(source, HubRows):
        yield from _parsed(_of_hub(source, wanted), scorer, None)
    else:
        yield from _of_stream(source.read(scorer), wanted)


def _of_stream(rows: Iterator[Row | Unreadable], wanted: list[int]) -> Iterator[Row]:
    left = set(wanted)
    for row in rows:
        if not left:
            return
        if row.index in left:
            left.discard(row.index)
            if isinstance(row, Row):
                yield row


def _of_hub(source: HubRows, wanted: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    table = source._table
    for place in wanted:
        if place < len(table):
            yield place, table[place]


def _of_parquet(source: ParquetRows, wanted: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    before, left = 0, list(wanted)
    for path in source.files:
        file = source._open(path)
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            mine = [place - before for place in left if before <= place < before + rows]
            if mine:
                # Not the whole group: it may hold a thousand pictures.
                batches = file.iter_batches(batch_size=_FEW, row_groups=[group])
                start = 0
                while mine and (records := source._next(batches, path)):
                    for place in [p for p in mine if start <= p < start + len(records)]:
                        yield before + place, records[place - start]
                    start += len(records)
                    mine = [place for place in mine if place >= start]
            before += rows
        left = [place for place in left if place >= before]
        if not left:
            return


def _parsed(
    records: Iterator[tuple[int, dict[str, Any]]], scorer: Scorer, root: Path | None
) -> Iterator[Row]:
    for index, record in records:
        try:
            refs = embedded_image(record, index, root, images=True)
            yield parse_record(record, index, scorer, refs)
        except UnreadableRow:
            continue
