"""One line a result, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from harness.export._load import Line, LoadedRun
from tasks import TASKS
from tasks._reference import published_beside, reproduction

COLUMNS = (
    "run", "model", "model_ref", "revision", "fingerprint", "group", "task", "task_version",
    "split", "metric", "main", "protocol", "score", "lo", "hi", "stderr", "n", "clusters",
    "unparsed", "guessed", "failed", "images", "marks", "engine", "published",
    "published_source", "difference", "reproduces", "may_have_seen", "rule", "reason",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full width


def to_csv(
    runs: Sequence[LoadedRun],
    protocols: Sequence[str],
    tasks: frozenset[str],
    *,
    published: bool,
) -> str:
    """All result lines, group averages after their run's, reported rows last.

    Args:
        runs: Loaded runs.
        protocols: Those to show.
        tasks: Ids of the tasks to show; averages stand where all of a run's tasks do.
        published: Fill the published columns, and add reported rows (`marks` is `reported`).
    """
    lines = [line for run in runs for line in _of_run(run, protocols, tasks, published)]
    if published and "paper" in protocols:
        lines += _reported(runs, lines)
    cells = [[_safe(line.get(name)) for name in COLUMNS] for line in lines]
    return "".join(_record(row) for row in ([*COLUMNS], *cells))


def _record(cells: list[Any]) -> str:
    """One record, ended by a line feed alone: with that as its own end csv would not quote \\r."""
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _safe(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _of_run(
    run: LoadedRun, protocols: Sequence[str], tasks: frozenset[str], published: bool
) -> Iterator[dict[str, Any]]:
    engine = run.record.get("engine")
    common = {
        "run": run.folder.id, "model": run.model.name, "model_ref": run.model.ref,
        "revision": run.model.revision, "fingerprint": run.model.fingerprint,
        "images": run.images, "marks": ", ".join(run.marks),
        "engine": engine.get("name") if isinstance(engine, dict) else None,
    }  # fmt: skip
    for line in run.lines:
        if line.protocol in protocols and line.task in tasks:
            beside = _published(run, line) if published else {}
            yield {**common, **_fields(line), **beside}
    for group in run.groups:
        if group.protocol in protocols and tasks >= {*run.tasks}:
            yield {
                **common,
                "group": group.group, "task": "average", "metric": "average", "main": True,
                "protocol": group.protocol, "score": group.score, "stderr": group.stderr,
                "reason": group.reason,
            }  # fmt: skip


def _fields(line: Line) -> dict[str, Any]:
    low, high = line.ci95 or (None, None)
    return {
        "group": TASKS[line.task].group if line.task in TASKS else None,
        "lo": low,
        "hi": high,
        **{name: value for name, value in line._asdict().items() if name in COLUMNS},
    }


def _published(run: LoadedRun, line: Line) -> dict[str, Any]:
    """The reported score of the same model, and how the measured one stands to it."""
    if not line.main or line.protocol != "paper":
        return {}
    held = reproduction(
        run.model.name, line.task, line.split, score=line.score, ci95=line.ci95, n=line.n
    )
    if held is None:
        return {}
    fields: dict[str, Any] = {
        "published": held.published.score,
        "published_source": held.published.source,
    }
    if not run.marks:
        fields |= {"difference": held.difference, "reproduces": held.inside}
    return fields


def _reported(
    runs: Sequence[LoadedRun], lines: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Published scores of the same base models, on the columns that were measured."""
    held = {(line["task"], line.get("split")): line["metric"] for line in lines if line["main"]}
    for row in published_beside(run.model.name for run in runs):
        if row.task in TASKS and (row.task, row.split) in held:
            yield {
                "model": row.model, "group": row.domain, "task": row.task, "split": row.split,
                "metric": held[row.task, row.split], "main": True,
                "protocol": "paper", "score": row.score, "marks": "reported",
                "published": row.score, "published_source": row.source,
            }  # fmt: skip
