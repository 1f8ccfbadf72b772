"""`results.json`: scoring a task's answers and putting the lines together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.aggregating import added, tally_of
from harness.asking import Asked, Asking
from harness.engines import ModelInfo
from harness.files import replacing
from harness.runs import SCHEMA_VERSION, RunFolder
from harness.samples import Sample, SampleWriter, score_row
from harness.scoring import Tally, group_lines
from tasks import Row, Task, Unreadable
from tasks._reference import may_have_seen


def score_task(run: RunFolder, asking: Asking) -> Tally:
    """Score a task's rows from the journal, in source order, and write its samples."""
    tally = tally_of(asking.task)
    tally.unreadable = len(asking.unreadable)
    with replacing(run.task_folder(asking.task.id) / "samples.parquet") as path:
        writer = SampleWriter(path, asking.task)
        rows = (row for row in asking.records(with_images=False) if isinstance(row, Row))
        for sample in added(tally, (_sample(asking, row) for row in rows)):
            writer.add(sample)
        writer.close()
    if asking.unreadable:
        _list_unreadable(asking.unreadable, run.task_folder(asking.task.id))
    return tally


def _sample(asking: Asking, row: Row) -> Sample:
    asked = asking.rows.get(row.index) or Asked(None, None, "the data changed during the run")
    record = asking.journal.get(asked.key) if asked.key else None
    pixels = asked.pixels or (record.pixels if record else None)
    failure = asked.failure
    if failure is None and asked.key is not None:
        if record is None:
            failure = asking.passing.get(asked.key, "no answer")
        elif record.text is None:
            failure = record.error or "no answer"
    text = record.text if record else None
    cluster = cluster_of(asking.task, row, pixels)
    return Sample(
        row=row,
        scored=score_row(asking.task, row, text, cluster=cluster, failure=failure),
        text=text,
        image=row.images[0].locator if row.images else None,
        pixels=pixels,
        prompt=(record.prompt if record else None) or row.prompt,
        finish_reason=record.finish_reason if record else None,
    )


def cluster_of(task: Task, row: Row, pixels: str | None) -> str:
    """What makes a row depend on others: its picture's id, else the picture, else nothing."""
    if task.cluster == "row":
        return f"row {row.id}"
    if row.image_id is not None:
        return row.image_id
    return pixels or f"row {row.id}"


def assemble(
    run_id: str,
    model: ModelInfo,
    tallies: Iterable[Tally],
    *,
    partial: bool,
    images: str = "given",
    notes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The whole of `results.json`.

    Args:
        run_id: The run's folder name, or a prediction file's.
        model: Whose answers.
        tallies: Scored tasks.
        partial: Whether rows were left out by a limit.
        images: Which pictures were shown.
        notes: Task id to a choice that its rules do not name.
    """
    tallies = list(tallies)
    lines: list[dict[str, Any]] = []
    for tally in tallies:
        seen = may_have_seen(model.name, tally.task.id)
        lines += tally.lines(seen=seen, note=(notes or {}).get(tally.task.id))
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "model": model._asdict(),
        "partial": partial,
        "images": images,
        "results": lines,
        "unreadable": {tally.task.id: tally.unreadable for tally in tallies},
        "groups": group_lines(tallies),
    }


def failed_share(results: dict[str, Any]) -> tuple[int, int]:
    """(rows failed or unreadable, all of them), each row counted once."""
    failed, rows = sum(results["unreadable"].values()), sum(results["unreadable"].values())
    for line in results["results"]:
        if line["main"] and line["protocol"] == "paper":
            failed += line["failed"]
            rows += line["n"]
    return failed, rows


def exit_code(results: dict[str, Any], max_failed: float) -> int:
    """1 if more rows failed than allowed, else 0.

    Args:
        results: The run's results.
        max_failed: Allowed share of failed and unreadable rows, 0 to 1.
    """
    failed, rows = failed_share(results)
    return int(failed > max_failed * rows)


def _list_unreadable(unreadable: Iterable[Unreadable], folder: Path) -> None:
    """Write the records that are no rows, each with its position and reason."""
    with replacing(folder / "unreadable.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(entry)) + "\n" for entry in unreadable))
