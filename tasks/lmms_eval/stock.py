"""What the YAML files beside this module name: rows, prompts, pictures and scores of our tasks.

A name such as `slake_results` is made on demand: the task's id, then one of `StockTask`'s
attributes. Rows come from the hub, or from the folder in HARNESS_DATA, laid out as for
`harness eval --data`.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks._errors import LabelError, UnreadableRow, UserError
from tasks._paths import is_plain_path
from tasks._registry import TASKS
from tasks._types import PROTOCOLS, Column, ProtocolName, Row, Task
from tasks.sources import HubRows, JsonlRows, ParquetRows, open_source, parse_record

VARIABLE = "HARNESS_DATA"
_INDEX = "row_index"


def __getattr__(name: str) -> Any:
    """`slake_results` and the like."""
    task_id, _, what = name.rpartition("_")
    if task_id in TASKS and what in StockTask.ATTRIBUTES:
        return getattr(StockTask(TASKS[task_id]), what)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def text(doc: Mapping[str, Any]) -> str:
    """The finished prompt; a document without one is no row, and is asked nothing."""
    prompt = doc.get("input")
    return prompt if isinstance(prompt, str) else ""


def target(doc: Mapping[str, Any]) -> str:
    """The label, for the log."""
    return str(doc.get("label"))


def score(values: list[float]) -> float:
    """The mean of rows, 0 to 100, summed as exactly as `harness eval` sums."""
    return math.fsum(100.0 * value for value in values) / len(values)


def metric_name(protocol: ProtocolName, column: Column, metric: str) -> str:
    """`paper_open_recall`, `strict_accuracy`."""
    return "_".join(part for part in (protocol, column.split, metric) if part)


class StockTask:
    """One of our tasks in lmms-eval's terms."""

    ATTRIBUTES = frozenset(("path", "config", "kwargs", "docs", "visual", "results"))

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def path(self) -> str:
        """`dataset_path`: a hub data set, or the builder that reads a local file."""
        source = self._source()
        if isinstance(source, HubRows):
            return source.located()[0]
        return "json" if isinstance(source, JsonlRows) else "parquet"

    @property
    def config(self) -> str | None:
        """`dataset_name`."""
        source = self._source()
        return source.located()[1] if isinstance(source, HubRows) else None

    @property
    def kwargs(self) -> dict[str, Any]:
        """`dataset_kwargs`."""
        source = self._source()
        if isinstance(source, JsonlRows):
            return {"data_files": {"test": str(source.path)}}
        if isinstance(source, ParquetRows):
            return {"data_files": {"test": [str(file) for file in source.files]}}
        return {}

    def docs(self, dataset: Any) -> Any:
        """`process_docs`: every document learns its position, which seeds the published guess."""
        return dataset.add_column(_INDEX, list(range(len(dataset))))

    def visual(self, doc: Mapping[str, Any]) -> list[Any]:
        """`doc_to_visual`: the row's picture, decoded to RGB.

        Raises:
            UserError: It is a path that leads out of the rows' folder.
        """
        from PIL import Image

        image = doc.get("image")
        if isinstance(image, Mapping):
            image = image.get("bytes") or image.get("path")
        if image is None:
            return []
        if isinstance(image, bytes):
            image = Image.open(io.BytesIO(image), formats=self._task.image_formats)
        elif isinstance(image, str):
            image = Image.open(self._file(image), formats=self._task.image_formats)
        return [image.convert("RGB")]

    def results(self, doc: Mapping[str, Any], results: list[str]) -> dict[str, float]:
        """`process_results`: a row's values under both protocols, 0 to 1.

        A document that is no row has none; one whose label cannot be matched is wrong.
        """
        scorer = self._task.scorer
        record = {key: value for key, value in doc.items() if value is not None}
        try:
            row = parse_record(record, int(doc[_INDEX]), scorer)
        except UnreadableRow:
            return {}
        column = next(column for column in scorer.columns if column.split == row.split)
        values = {}
        for protocol in PROTOCOLS:
            found = self._values(protocol, row, results[0])
            for metric in scorer.metrics(protocol, column):
                values[metric_name(protocol, column, metric)] = found.get(metric, 0.0)
        return values

    def _values(self, protocol: ProtocolName, row: Row, answer: str) -> Mapping[str, float]:
        scorer = self._task.scorer
        try:
            scorer.check(row)
            scored = (
                scorer.paper(row, answer) if protocol == "paper" else scorer.strict(row, answer)
            )
        except LabelError:
            return {}
        return scored.metrics

    def _source(self) -> Any:
        data = os.environ.get(VARIABLE) or None
        if data == "sample":
            raise UserError(f"{VARIABLE} names a folder; drawn rows are for `harness eval` alone")
        return open_source(self._task, data)

    def _file(self, locator: str) -> Path:
        root = (Path(os.environ[VARIABLE]) / self._task.id).resolve()
        path = (root / locator).resolve()
        if not is_plain_path(locator) or not path.is_relative_to(root):
            raise UserError(f"image {locator!r} is not a path inside {root}")
        return path
