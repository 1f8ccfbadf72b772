"""Scoring without a model: a run's samples, or answers produced elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from harness.aggregating import added, tally_of
from harness.engines import ModelInfo
from harness.errors import UserError
from harness.files import replacing, write_json
from harness.progress import note
from harness.results import assemble, cluster_of
from harness.runs import RunFolder, differences
from harness.samples import Sample, SampleWriter, read_samples, score_row
from harness.scoring import ScoredRow, Tally
from tasks import Row, Task, Unreadable, UnreadableRow, resolve
from tasks.sources import parse_record, read_jsonl, refuse_repeated_ids

_OWN_CLUSTERS = "clusters: one a row (no image_id)"
_SOME_CLUSTERS = "clusters: image_id, one a row where it is missing"


def rescore_run(path: Path, samples_out: Path | None) -> dict[str, Any]:
    """Score a run anew from its samples.

    Args:
        path: The run's folder.
        samples_out: Where to write each row's scores, if anywhere.

    Raises:
        UserError: No finished run there, or samples that cannot be read.
    """
    run = RunFolder(path)
    record = run.read()
    if not run.finished:
        raise UserError(
            f"{path} is not finished: it has answers but no samples yet",
            "Continue it with the `harness eval` command that began it.",
        )
    old = run.results()
    try:
        folders = record.get("task_folders", {})
        names = [folders.get(task, task) for task in record["tasks"]]
        model = ModelInfo(**old["model"])
        facts = {"partial": old["partial"], "images": old["images"]}
        unreadable = dict(old["unreadable"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged: run.json or results.json lacks {error}") from error
    tasks = resolve(names)
    for task in tasks:
        _reopen(task, record)
    with run.locked(), _row_scores(samples_out) as out:
        tallies = [_rescore_task(run, task, out) for task in tasks]
        for tally in tallies:
            tally.unreadable = unreadable.get(tally.task.id, 0)
        results = assemble(run.id, model, tallies, **facts)
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        kept = path / f"results.{now}.json"
        shutil.copyfile(path / "results.json", kept)  # a finished run stays one, whatever happens
        write_json(path / "results.json", results)
    note(f"the earlier scores are kept as {kept.name}")
    return results


def _reopen(task: Task, record: dict[str, Any]) -> None:
    """Open a borrowed task's documents, which its scoring needs.

    Raises:
        UserError: They, or the task, are no longer what was answered.
    """
    if task.borrowed is None:
        return
    try:
        asked = record["settings"]["tasks"][task.id]
        then = {"data": asked["data"], "borrowed": asked["borrowed"]}
        given = record["data"]["given"]
    except (KeyError, TypeError) as error:
        raise UserError(f"run.json is damaged: it does not say what {task.id} was") from error
    now = {
        "data": task.borrowed.open(given).fingerprint(),
        "borrowed": dict(task.borrowed.settings),
    }
    if then != now:
        raise UserError(
            f"{task.id} cannot be scored again: it, or its data, is no longer the same\n  "
            + "\n  ".join(differences(then, now)),
            "Run `harness eval` again.",
        )


def _rescore_task(run: RunFolder, task: Task, out: _RowScores) -> Tally:
    tally = tally_of(task)
    path = run.task_folder(task.id) / "samples.parquet"
    with replacing(path) as temporary:
        writer = SampleWriter(temporary, task)
        for sample in added(tally, (_scored_again(task, old) for old in read_samples(path))):
            writer.add(sample)
            out.add(task, sample.scored)
        writer.close()
    return tally


def _scored_again(task: Task, sample: Sample) -> Sample:
    scored = score_row(
        task,
        sample.row,
        sample.text,
        cluster=cluster_of(task, sample.row, sample.pixels),
        # A row with an answer failed by its label alone, and that is looked at again.
        failure=sample.scored.failure if sample.text is None else None,
    )
    if all(column.split != scored.split for column in task.scorer.columns):
        raise UserError(
            f"{task.id} was split into open and closed questions otherwise than now",
            "Its scorer was changed: run `harness eval` again.",
        )
    return sample._replace(scored=scored)


def score_predictions(name: str, path: Path, samples_out: Path | None) -> dict[str, Any]:
    """Score a file of predictions under both protocols.

    Args:
        name: Task id, or a folder of one's own task.
        path: JSONL in the row schema with a `prediction` in each line.
        samples_out: Where to write each row's scores, if anywhere.

    Raises:
        UserError: Unknown task, a file that cannot be read, or one without any row.
    """
    tasks = resolve([name])
    if len(tasks) != 1:
        raise UserError(f"--task {name} is a group of tasks; a file holds the answers to one")
    task = tasks[0]
    if task.borrowed is not None:
        raise UserError(
            f"--task {name}: lmms-eval scores answers together with its documents",
            "`harness eval` asks, and `harness score RUN` scores such a run again.",
        )
    if not path.is_file():
        raise UserError(f"--predictions {path}: no such file")
    if samples_out is not None and samples_out.resolve() == path.resolve():
        raise UserError(f"--samples {samples_out} would overwrite the predictions")
    tally, with_id = Tally(task), 0
    with _row_scores(samples_out) as out:
        for row in refuse_repeated_ids(_predictions(path, task), str(path)):
            if isinstance(row, Unreadable):
                tally.unreadable += 1
                note(f"{path}, line {row.index} (0-based) is no row: {row.reason}")
                continue
            with_id += row.image_id is not None
            scored = score_row(
                task,
                row,
                row.prediction,
                cluster=cluster_of(task, row, None),
                failure=None if row.prediction is not None else "no prediction",
            )
            tally.add(scored)
            out.add(task, scored)
        if not tally.rows:
            raise UserError(
                f"{path} holds no row of {task.id} ({tally.unreadable} unreadable lines)",
                f"`harness tasks show {name}` shows what a row must carry.",
            )
    rule = None
    if task.cluster == "image" and with_id < tally.rows:
        rule = _SOME_CLUSTERS if with_id else _OWN_CLUSTERS
    model = ModelInfo(str(path), path.stem, None, None)
    notes = {task.id: rule} if rule else None
    return assemble(path.stem, model, [tally], partial=False, notes=notes)


def _predictions(path: Path, task: Task) -> Iterator[Row | Unreadable]:
    for index, record in enumerate(read_jsonl(path)):
        try:
            if isinstance(record, UnreadableRow):
                raise record
            # The prompt plays no part in scoring, so a file may do without it.
            yield parse_record({"input": "", **record}, index, task.scorer)
        except UnreadableRow as error:
            yield Unreadable(index, str(error))


class _RowScores:
    """Writes a line a row: its main metric under both protocols, 0 to 100."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    def add(self, task: Task, scored: ScoredRow) -> None:
        if self._file is None:
            return
        metric = next(c.metric for c in task.scorer.columns if c.split == scored.split)
        line: dict[str, Any] = {"index": scored.index}
        for protocol, value in (("paper", scored.paper), ("strict", scored.strict)):
            # Another harness's task has no strict form, and scores that are no mean over rows.
            share = value.metrics.get(metric) if value else 0.0
            line[protocol] = None if share is None else 100.0 * share
        self._file.write(json.dumps(line) + "\n")


@contextmanager
def _row_scores(path: Path | None) -> Iterator[_RowScores]:
    if path is None:
        yield _RowScores(None)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield _RowScores(file)
        file.flush()
