"""Scores as the Hugging Face hub reads them: a card's `model-index` and `.eval_results/*.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import __version__
from harness.errors import UserError
from harness.export._load import Line, LoadedRun
from harness.export._table import MEASURES, one_line
from tasks import TASKS, HubDataset
from tasks._reference import published_rows

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

EVALUATOR = "domain-harness"
"""Stands in every entry of ours: by it an earlier export's are found and replaced."""
_TASK_TYPE = "image-text-to-text"
_HUB_METRICS = {"rouge_l": "rouge"}
"""What the hub calls a metric; others are called alike."""
_DIGITS = 4


class _Measured(NamedTuple):
    """A line and where it comes from."""

    run: LoadedRun
    line: Line

    @property
    def dataset(self) -> HubDataset | None:
        """The benchmark on the hub; None for a user's own task."""
        task = TASKS.get(self.line.task)
        return task.source if task else None


def check_card(runs: Sequence[LoadedRun]) -> str:
    """The one model's name whose card these runs can stand on.

    Raises:
        UserError: A run is no model's score on a test set, or there are two models.
    """
    for run in runs:
        if run.marks:
            raise UserError(
                f"{run.folder.path} does not belong on a model card: {', '.join(run.marks)}",
                "A card's scores are taken for the model's on the whole test set. Export it "
                "to markdown, latex or csv, where it is marked; or evaluate without that option.",
            )
    models = {(run.model.name, run.model.fingerprint) for run in runs}
    if len(models) > 1:
        names = ", ".join(sorted({run.model.name for run in runs}))
        raise UserError(
            f"the runs are of {len(models)} models ({names}); a card describes one",
            "Export each model's runs to its own card.",
        )
    found: dict[str, LoadedRun] = {}
    for run in runs:
        for task in run.tasks:
            if found.setdefault(task, run) is not run:
                raise UserError(
                    f"{task} is in {found[task].folder.path} and in {run.folder.path}",
                    "Give the one run whose scores the card should carry.",
                )
    return one_line(runs[0].model.name)


def eval_results(
    runs: Sequence[LoadedRun], protocols: Sequence[str], tasks: frozenset[str]
) -> list[EvalResult]:
    """The main scores as `huggingface_hub` entries."""
    from huggingface_hub import EvalResult

    return [EvalResult(**_entry(measured)) for measured in _measured(runs, protocols, tasks)]


def model_index(name: str, results: list[EvalResult]) -> list[dict[str, Any]]:
    """A card's `model-index`, as `huggingface_hub` writes it.

    Raises:
        UserError: Nothing was measured.
    """
    from huggingface_hub.repocard_data import eval_results_to_model_index

    if not results:
        raise UserError("nothing to put on a card: no score was measured")
    return list(eval_results_to_model_index(name, results))


def result_files(
    runs: Sequence[LoadedRun], protocols: Sequence[str], tasks: frozenset[str]
) -> dict[str, list[EvalResultEntry]]:
    """`.eval_results` file name to entries: one file a task and protocol, hub benchmarks only."""
    from huggingface_hub import EvalResultEntry

    files: dict[str, list[EvalResultEntry]] = {}
    for measured in _measured(runs, protocols, tasks):
        line, dataset = measured.line, measured.dataset
        if dataset is None:
            continue
        variant = "" if line.protocol == "paper" else f"_{line.protocol}"
        entry = EvalResultEntry(
            dataset_id=dataset.repo,
            task_id="_".join(part for part in (line.task, line.split) if part),
            value=_rounded(line.score),
            date=_date(measured.run),
            notes=_in_words(measured),
        )
        files.setdefault(f"{line.task}{variant}.yaml", []).append(entry)
    return files


def _measured(
    runs: Sequence[LoadedRun], protocols: Sequence[str], tasks: frozenset[str]
) -> Iterator[_Measured]:
    for run in runs:
        for line in run.lines:
            chosen = line.main and line.protocol in protocols and line.task in tasks
            if chosen and line.score is not None:
                yield _Measured(run, line)


def _entry(measured: _Measured) -> dict[str, Any]:
    line, dataset = measured.line, measured.dataset
    title = TASKS[line.task].card.title if line.task in TASKS else one_line(line.task)
    words = MEASURES.get(line.metric, line.metric)
    where = f"{line.split} questions, " if line.split else ""
    rows = published_rows(line.task, line.split)
    part = f", {line.n:,} rows of {rows:,}" if rows not in (None, line.n) else ""
    return {
        "task_type": _TASK_TYPE,
        "task_name": "Visual question answering",
        "dataset_type": dataset.repo if dataset else one_line(line.task),
        "dataset_name": title,
        "dataset_config": dataset.configs[0] if dataset else None,
        "dataset_split": dataset.split if dataset else "test",
        "metric_type": _HUB_METRICS.get(line.metric, line.metric),
        "metric_name": f"{words}, {where}{line.protocol} protocol{part}",
        "metric_value": _rounded(line.score),
        "metric_args": _args(measured),
    }


def _args(measured: _Measured) -> dict[str, Any]:
    """What a reader needs to judge the number."""
    line, run = measured.line, measured.run
    bounds = [_rounded(bound) for bound in line.ci95] if line.ci95 else None
    args = {
        "protocol": line.protocol,
        "split": line.split,
        "ci95": bounds,
        "stderr": _rounded(line.stderr),
        "n": line.n,
        "clusters": line.clusters,
        "unparsed": line.unparsed,
        "guessed": line.guessed,
        "failed": line.failed,
        "task_version": line.task_version,
        "rows": "hub" if run.source(line.task).startswith("hub:") else "local",
        "rule": line.rule,
        "may_have_seen": line.may_have_seen,
        "evaluator": EVALUATOR,
        "evaluator_version": __version__,
    }
    return {name: value for name, value in args.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _date(run: LoadedRun) -> str | None:
    end = run.record.get("end")
    return end if isinstance(end, str) else None


def _in_words(measured: _Measured) -> str:
    line = measured.line
    rows = published_rows(line.task, line.split)
    part = f" of {rows}" if rows not in (None, line.n) else ""
    parts = [f"{line.metric}, {line.protocol} protocol, n = {line.n}{part}"]
    if line.ci95:
        parts.append(f"95 % interval {line.ci95[0]:.1f} to {line.ci95[1]:.1f}")
    if line.failed:
        parts.append(f"{line.failed} failed rows count as wrong")
    if line.may_have_seen:
        parts.append(f"the model may have seen the rows: {line.may_have_seen}")
    return "; ".join([*parts, f"{EVALUATOR} {__version__}, {line.task} v{line.task_version}"])
