"""Reading finished runs for export, and refusing what is none."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from harness.controls import MAJORITY
from harness.engines import ModelInfo
from harness.errors import UserError
from harness.runs import RunFolder
from tasks import GROUPS, PROTOCOLS, nearest

_NAME = re.compile(r"\w[\w:.+-]*")
_CONTINUE = "Continue it with the `harness eval` command that began it."
_AGAIN = "`harness score RUN` writes results.json anew from the samples; else evaluate again."


class Line(NamedTuple):
    """One line of `results.json`."""

    task: str
    task_version: int | str
    split: str | None
    metric: str
    protocol: str
    main: bool
    score: float | None
    n: int
    clusters: int | None
    stderr: float | None
    ci95: tuple[float, float] | None
    unparsed: int
    guessed: int
    failed: int
    rule: str | None
    reason: str | None
    may_have_seen: str | None


class GroupLine(NamedTuple):
    """A group's average."""

    group: str
    protocol: str
    score: float | None
    stderr: float | None
    reason: str | None


@dataclass(frozen=True)
class LoadedRun:
    """A finished run, as far as an export needs it."""

    folder: RunFolder
    record: dict[str, Any]
    model: ModelInfo
    images: str
    partial: bool
    lines: tuple[Line, ...]
    groups: tuple[GroupLine, ...]
    unreadable: dict[str, int]

    @property
    def settings(self) -> dict[str, Any]:
        """What determined rows and answers."""
        return dict(self.record["settings"])

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Ids, in the order of the results."""
        return tuple(dict.fromkeys(line.task for line in self.lines))

    def source(self, task: str) -> str:
        """Where the rows came from; empty where the run does not say."""
        data = self.record.get("data")
        sources = data.get("source") if isinstance(data, dict) else None
        return str(sources.get(task, "")) if isinstance(sources, dict) else ""

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """Why its scores are no model's scores on a test set; empty for an ordinary run."""
        settings, engine = self.settings, self.record.get("engine")
        name = engine.get("name") if isinstance(engine, dict) else None
        marks = []
        if name in ("constant", "majority") or settings.get("answers") == MAJORITY:
            marks.append("baseline")
        if self.images != "given":
            marks.append(f"control: images {self.images}")
        if order := settings.get("option_order"):
            marks.append(f"control: options {order}")
        if repeat := settings.get("repeat"):
            marks.append(f"repetition {repeat}")
        if self.partial:
            marks.append("partial")
        if any(self.source(task).startswith("sample") for task in self.tasks):
            marks.append("sample rows")
        return tuple(marks)

    def data_of(self, task: str) -> Any:
        """Fingerprint of a task's rows; None where the run does not say."""
        entry = self.settings.get("tasks")
        entry = entry.get(task) if isinstance(entry, dict) else None
        return entry.get("data") if isinstance(entry, dict) else None

    def rows_digest(self, task: str) -> str | None:
        """Hash of a task's rows: ids, prompts, labels, splits; None where they cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        fingerprint = hashlib.sha256()
        path = self.folder.task_folder(task) / "samples.parquet"
        try:
            columns = ["row_id", "input", "label", "split"]
            for batch in pq.ParquetFile(path).iter_batches(columns=columns):
                rows = [list(row.values()) for row in batch.to_pylist()]
                fingerprint.update(json.dumps(rows).encode()[1:-1] + b",")
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return None
        return fingerprint.hexdigest()


def load_runs(paths: Sequence[Path]) -> list[LoadedRun]:
    """Read finished runs.

    Raises:
        UserError: One is unfinished, damaged, of a later version, or given twice.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"{path} is given twice")
        seen.add(path.resolve())
    return [_load(path) for path in paths]


def _load(path: Path) -> LoadedRun:
    folder = RunFolder(path)
    try:
        record = folder.read()
    except UserError as error:
        hint = "Give the folder of a run, as `harness eval` leaves it under runs/."
        raise UserError(error.message, error.hint or hint) from error
    if not folder.finished:
        raise UserError(f"{path} is not finished: it has no results.json", _CONTINUE)
    results = folder.results()
    try:
        return _parsed(folder, record, results)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        name = path / "results.json"
        raise UserError(f"{name} is damaged: {type(error).__name__}: {error}", _AGAIN) from error


def _parsed(folder: RunFolder, record: dict[str, Any], results: dict[str, Any]) -> LoadedRun:
    if not isinstance(record["settings"], dict):
        raise TypeError("settings is no object")
    model = ModelInfo(**results["model"])
    if not isinstance(model.name, str) or not isinstance(model.ref, str):
        raise TypeError("model has no name")
    run = LoadedRun(
        folder=folder,
        record=record,
        model=model,
        images=str(results["images"]),
        partial=bool(results["partial"]),
        lines=tuple(_line(value) for value in results["results"]),
        groups=tuple(_group(value) for value in results["groups"]),
        unreadable={str(k): int(v) for k, v in results["unreadable"].items()},
    )
    if not run.lines:
        raise ValueError("it holds no results")
    return run


def _line(value: dict[str, Any]) -> Line:
    fields = {name: value[name] for name in Line._fields}
    fields["score"], fields["stderr"] = _number(fields["score"]), _number(fields["stderr"])
    if fields["ci95"] is not None:
        low, high = (_number(bound) for bound in fields["ci95"])
        if low is None or high is None:
            raise ValueError("an interval has two ends")
        fields["ci95"] = (low, high)
    for name in ("n", "unparsed", "guessed", "failed"):
        fields[name] = int(fields[name])
    for name in ("task", "metric"):
        # They become parts of file names and of other programs' keys.
        if not isinstance(fields[name], str) or not _NAME.fullmatch(fields[name]):
            raise ValueError(f"{fields[name]!r} is no {name}")
    if fields["protocol"] not in PROTOCOLS:
        raise ValueError(f"unknown protocol {fields['protocol']!r}")
    seen = fields["may_have_seen"]
    fields["may_have_seen"] = "yes" if seen is True else seen or None
    return Line(**fields)


def _group(value: dict[str, Any]) -> GroupLine:
    return GroupLine(
        str(value["group"]),
        str(value["protocol"]),
        _number(value["score"]),
        _number(value["stderr"]),
        value["reason"],
    )


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def chosen_tasks(runs: Iterable[LoadedRun], names: Sequence[str]) -> frozenset[str]:
    """Ids of the tasks to export: all of the runs', or those asked for.

    Args:
        runs: Loaded runs.
        names: Tasks and groups; empty for all.

    Raises:
        UserError: A name is in none of the runs.
    """
    held = list(dict.fromkeys(task for run in runs for task in run.tasks))
    chosen: set[str] = set()
    for name in names:
        members = {task.id for task in GROUPS.get(name, ())} or {name}
        if not members & set(held):
            raise UserError(
                f"no run given holds {name!r}{nearest(name, held)}", f"They hold: {', '.join(held)}"
            )
        chosen |= members & set(held)
    return frozenset(chosen or held)
