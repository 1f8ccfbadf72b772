"""The scored rows of one task of one run, read column by column: no texts are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.samples import SAMPLES_VERSION
from harness.statistics import Floats

Prints = NDArray[np.uint64]
_BATCH = 4_000
FIELDS = {"input": "question", "label": "label", "options": "options", "pixels": "picture"}
"""What makes two rows of one id the same row: columns of the samples, as people call them."""
_WHOLE = ("row_id", "row_index", "cluster", "failed")


@dataclass(frozen=True)
class TaskRows:
    """Rows of one task, all columns in one order."""

    path: Path
    ids: list[str]
    index: NDArray[np.int64]
    """Position in the row source."""
    splits: list[str | None]
    clusters: list[str]
    failed: NDArray[np.bool_]
    prints: dict[str, Prints]
    """Fingerprint of each of `FIELDS`; 0 where a row has none."""
    values: dict[str, Floats]
    """By `<protocol>_<metric>`, 0 to 100; NaN where the metric is not the row's."""


def read_rows(path: Path, metrics: Sequence[str]) -> TaskRows:
    """Read what is compared out of a `samples.parquet`.

    Args:
        path: The file.
        metrics: Columns with values, `<protocol>_<metric>`.

    Raises:
        UserError: The file is missing, damaged, of a later version, or holds an id twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check(file.schema_arrow, path, metrics)
            rows = _read(file, path, metrics)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if twice := [name for name, count in Counter(rows.ids).items() if count > 1]:
        raise UserError(f"{path} is damaged: row {twice[0]!r} stands in it twice")
    return rows


def _check(schema: Any, path: Path, metrics: Sequence[str]) -> None:
    version = (schema.metadata or {}).get(b"schema_version", b"?").decode("ascii", "replace")
    if not (version.isdigit() and 1 <= int(version) <= SAMPLES_VERSION):
        raise UserError(
            f"{path} has samples of version {version}; this program reads up to {SAMPLES_VERSION}",
            "Update the program.",
        )
    texts = dict.fromkeys(("row_id", "split", "cluster", *FIELDS), "string")
    wanted = {**texts, "row_index": "int64", "failed": "bool", **dict.fromkeys(metrics, "double")}
    for name, kind in wanted.items():
        if name not in schema.names or str(schema.field(name).type) != kind:
            raise UserError(f"{path} is damaged: it has no column {name} of type {kind}")


def _read(file: Any, path: Path, metrics: Sequence[str]) -> TaskRows:
    names = [*_WHOLE, "split", *FIELDS, *metrics]
    ids: list[str] = []
    splits: list[str | None] = []
    clusters: list[str] = []
    index, failed = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    prints = {field: [np.zeros(0, np.uint64)] for field in FIELDS}
    values = {metric: [np.zeros(0)] for metric in metrics}
    for batch in file.iter_batches(batch_size=_BATCH, columns=names):
        if any(batch.column(name).null_count for name in _WHOLE):
            raise UserError(f"{path} is damaged: a row lacks one of {', '.join(_WHOLE)}")
        ids += batch.column("row_id").to_pylist()
        splits += batch.column("split").to_pylist()
        clusters += batch.column("cluster").to_pylist()
        index.append(batch.column("row_index").to_numpy(zero_copy_only=False))
        failed.append(batch.column("failed").to_numpy(zero_copy_only=False))
        for field, parts in prints.items():
            parts.append(_fingerprints(batch.column(field)))
        for metric, numbers in values.items():
            numbers.append(batch.column(metric).to_numpy(zero_copy_only=False) * 100.0)
    return TaskRows(
        path=path,
        ids=ids,
        index=np.concatenate(index),
        splits=splits,
        clusters=clusters,
        failed=np.concatenate(failed).astype(np.bool_),
        prints={field: np.concatenate(parts) for field, parts in prints.items()},
        values={m: np.concatenate(numbers).astype(np.float64) for m, numbers in values.items()},
    )


def _fingerprints(texts: Any) -> Prints:
    """A 64-bit fingerprint of each text, 0 for none; equal texts of a batch are read once."""
    import pyarrow as pa
    from xxhash import xxh3_64_intdigest

    encoded = texts.cast(pa.binary()).dictionary_encode()
    distinct = [xxh3_64_intdigest(text) for text in encoded.dictionary.to_pylist()]
    known: Prints = np.array([*distinct, 0], dtype=np.uint64)
    places: NDArray[np.int64] = encoded.indices.fill_null(len(distinct)).to_numpy()
    return known[places]


def read_texts(path: Path, field: str, ids: Sequence[str]) -> list[str | None]:
    """The texts of a few rows in one of `FIELDS`, for a message."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["row_id", field])
    wanted = dict.fromkeys(ids)
    found = zip(table.column("row_id").to_pylist(), table.column(field).to_pylist(), strict=True)
    texts = {name: text for name, text in found if name in wanted}
    return [texts.get(name) for name in ids]
