"""`samples.parquet`: every row of a task with its answer and its values under both protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.scoring import ScoredRow
from tasks import PROTOCOLS, LabelError, Row, Scored, Task

SAMPLES_VERSION = 1
_CHUNK = 2_000


class Sample(NamedTuple):
    """A row, its answer, and what became of it."""

    row: Row
    scored: ScoredRow
    text: str | None
    image: str | None
    """Locator of the picture."""
    pixels: str | None
    prompt: str
    """The exact text the model was given."""
    finish_reason: str | None


def score_row(
    task: Task, row: Row, text: str | None, *, cluster: str, failure: str | None
) -> ScoredRow:
    """Score one answer under both protocols.

    Args:
        task: Whose scorer is used.
        row: The row.
        text: The answer; an empty one is an answer.
        cluster: What the row shares with others.
        failure: Why there is no answer; None if there is one.
    """
    if failure is None:
        try:
            task.scorer.check(row)
        except LabelError as error:
            failure = str(error)
    if failure is None and text is None:
        failure = "no answer"
    if failure is None and text is not None:
        try:
            paper, strict = task.scorer.paper(row, text), task.scorer.strict(row, text)
            return ScoredRow(row.index, row.split, cluster, paper, strict)
        except LabelError as error:
            failure = str(error)
    return ScoredRow(row.index, row.split, cluster, None, None, failure)


def _schema(task: Task) -> Any:
    import pyarrow as pa

    text, number, flag = pa.string(), pa.float64(), pa.bool_()
    fields = [
        ("row_id", text), ("row_index", pa.int64()), ("split", text), ("cluster", text),
        ("image_id", text),
        ("image", text), ("pixels", text), ("prompt", text), ("input", text), ("label", text),
        ("options", text), ("text", text), ("finish_reason", text), ("failed", flag),
        ("reason", text),
    ]  # fmt: skip
    for protocol in PROTOCOLS:
        fields += [(f"{protocol}_{name}", number) for name in _metrics(task, protocol)]
        fields += [(f"{protocol}_parsed", text)]
        fields += [(f"{protocol}_unparsed", flag), (f"{protocol}_guessed", flag)]
        fields += [(f"{protocol}_note", text)]
    version = str(SAMPLES_VERSION)
    about = {"schema_version": version, "task": task.id, "task_version": str(task.version)}
    return pa.schema(fields, metadata=about)


def _metrics(task: Task, protocol: Any) -> list[str]:
    names = (n for column in task.scorer.columns for n in task.scorer.metrics(protocol, column))
    return list(dict.fromkeys(names))


class SampleWriter:
    """Writes samples in chunks, so that memory does not grow with the rows."""

    def __init__(self, path: Path, task: Task) -> None:
        import pyarrow.parquet as pq

        self._schema = _schema(task)
        self._names = {protocol: _metrics(task, protocol) for protocol in PROTOCOLS}
        self._wrong = {
            (protocol, column.split): dict.fromkeys(task.scorer.metrics(protocol, column), 0.0)
            for protocol in PROTOCOLS
            for column in task.scorer.columns
        }
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._waiting = 0
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, sample: Sample) -> None:
        """Append one sample."""
        row, scored = sample.row, sample.scored
        put = self._columns
        put["row_id"].append(_clean(row.id))
        put["row_index"].append(row.index)
        put["split"].append(row.split)
        put["cluster"].append(_clean(scored.cluster))
        put["image_id"].append(_clean(row.image_id))
        put["image"].append(_clean(sample.image))
        put["pixels"].append(sample.pixels)
        put["prompt"].append(_clean(sample.prompt))
        put["input"].append(_clean(row.prompt))
        put["label"].append(json.dumps(row.label))
        put["options"].append(json.dumps(row.options) if row.options else None)
        put["text"].append(_clean(sample.text))
        put["finish_reason"].append(sample.finish_reason)
        put["failed"].append(scored.failure is not None)
        put["reason"].append(_clean(scored.failure))
        for protocol in PROTOCOLS:
            result = scored.under(protocol)
            # A failed row counts as wrong: its column's values are 0, as in the score.
            values = result.metrics if result else self._wrong[protocol, row.split]
            for name in self._names[protocol]:
                put[f"{protocol}_{name}"].append(values.get(name))
            put[f"{protocol}_parsed"].append(_clean(result.parsed) if result else None)
            put[f"{protocol}_unparsed"].append(result.unparsed if result else None)
            put[f"{protocol}_guessed"].append(result.guessed if result else None)
            put[f"{protocol}_note"].append(_clean(result.reason) if result else None)
        self._waiting += 1
        if self._waiting == _CHUNK:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.table(self._columns, schema=self._schema))
        for values in self._columns.values():
            values.clear()
        self._waiting = 0

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._waiting:
            self._write()
        self._writer.close()


def _clean(text: str | None) -> str | None:
    """Text that has a UTF-8 form: a lone surrogate, possible in JSON, becomes a question mark."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def read_samples(path: Path) -> Iterator[Sample]:
    """Read samples back, in row order, with nothing scored.

    Raises:
        UserError: The file is damaged or of a later version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        version = int((file.schema_arrow.metadata or {}).get(b"schema_version", b"0"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not 1 <= version <= SAMPLES_VERSION:
        raise UserError(
            f"{path} has samples of version {version}; this program reads up to {SAMPLES_VERSION}",
            "Update the program.",
        )
    batches = file.iter_batches(batch_size=_CHUNK)
    while samples := _next_samples(batches, path):
        yield from samples


def _next_samples(batches: Iterator[Any], path: Path) -> list[Sample]:
    """Samples of the next batch; none at the end."""
    import pyarrow as pa

    try:
        return [_sample(fields) for batch in islice(batches, 1) for fields in batch.to_pylist()]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _sample(fields: dict[str, Any]) -> Sample:
    label = json.loads(fields["label"])
    row = Row(
        index=fields["row_index"],
        id=fields["row_id"],
        prompt=fields["input"],
        label=tuple(label) if isinstance(label, list) else label,
        split=fields["split"],
        options=tuple(json.loads(fields["options"] or "[]")),
        # The earliest samples keep the cluster alone, which then stands for the picture.
        image_id=fields.get("image_id", fields["cluster"]),
    )
    nothing: Scored | None = None
    scored = ScoredRow(row.index, row.split, fields["cluster"], nothing, nothing, fields["reason"])
    return Sample(
        row=row,
        scored=scored,
        text=fields["text"],
        image=fields["image"],
        pixels=fields["pixels"],
        prompt=fields["prompt"],
        finish_reason=fields["finish_reason"],
    )
