"""What an evaluation is asked to do: its options, tasks with rows, settings that name a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.asking import ImageMode
from harness.controls import read_order
from harness.engines import Plan
from harness.errors import UserError
from harness.estimate import Cost, find_basis, in_sum, past_runs
from harness.files import digest
from harness.journal import survey
from harness.progress import note
from harness.requests import Sampling
from harness.runs import RunFolder
from tasks import RowSource, Task, resolve
from tasks.custom import scoring_settings
from tasks.sources import NoRows, open_source


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What `harness eval` is asked to do; the command's options, typed."""

    model: str
    tasks: tuple[str, ...]
    engine: str = "auto"
    engine_args: dict[str, str] = field(default_factory=dict)
    base_url: str | None = None
    replicas: int = 1
    ray: str | None = None
    data: str | None = None
    limit: int | None = None
    max_new_tokens: int | None = None
    images: ImageMode = "given"
    option_order: str = "given"
    """given, reversed, rotated:N or shuffled: how lettered options are ordered."""
    repeat: int = 1
    """Which repetition of the same settings this is."""
    out: Path = Path("runs")
    resume: Path | None = None
    fresh: bool = False
    max_failed: float = 0.01
    allow_pickle: bool = False
    trust_remote_code: str | None = None
    dry_run: bool = False


class Measured(NamedTuple):
    """A task whose rows were found."""

    task: Task
    source: RowSource
    sampling: Sampling


def open_tasks(options: EvalOptions) -> list[Measured]:
    """Find the rows of every task asked for; those without rows are named and left out.

    Raises:
        UserError: None has rows, a name is unknown, or the data cannot be read.
    """
    measured, skipped = [], []
    for task in resolve(options.tasks):
        try:
            source = open_source(task, options.data)
            if source.count() == 0:
                raise NoRows(f"{task.id}: no rows in {source.describe()}")
        except NoRows as error:
            skipped.append(error.message)
            continue
        tokens = options.max_new_tokens or task.max_new_tokens
        measured.append(Measured(task, source, Sampling(tokens, **task.generation._asdict())))
    for reason in skipped:
        note(f"skipped {reason}")
    if not measured:
        raise UserError(
            f"no rows for any of the tasks asked for ({', '.join(options.tasks)})",
            "--data DIR needs DIR/<task>/test.jsonl or DIR/<task>/*.parquet; "
            "--data sample draws toy rows.",
        )
    return measured


def run_settings(options: EvalOptions, plan: Plan, measured: list[Measured]) -> dict[str, Any]:
    """Everything that determines rows and answers, and nothing that does not."""
    return {
        **_later_settings(options),
        "model": plan.model.fingerprint or plan.model.ref,
        "answers": plan.identity,
        "images": options.images,
        "limit": options.limit,
        "tasks": {
            entry.task.id: {
                "version": entry.task.version,
                "data": entry.source.fingerprint(),
                "task_yaml": _own_task_fingerprint(entry.task),
                "sampling": {**entry.sampling._asdict(), "stop": list(entry.sampling.stop)},
                **_borrowed_settings(entry.task),
            }
            for entry in measured
        },
    }


def _later_settings(options: EvalOptions) -> dict[str, Any]:
    """Settings that earlier versions did not have: only where used, so that old hashes stand."""
    order = read_order(options.option_order)
    settings: dict[str, Any] = {"option_order": order.name} if order else {}
    return settings | ({"repeat": options.repeat} if options.repeat > 1 else {})


def _borrowed_settings(task: Task) -> dict[str, Any]:
    return {} if task.borrowed is None else {"borrowed": dict(task.borrowed.settings)}


def _own_task_fingerprint(task: Task) -> str | None:
    """A user's own task changes with its file's settings; a built-in one by its version."""
    if task.folder is None:
        return None
    return digest(scoring_settings(task.folder / "task.yaml"))


def describe_plan(
    plan: Plan, run: RunFolder, measured: list[Measured], options: EvalOptions
) -> str:
    """What a run would do (`--dry-run`)."""
    state = "finished" if run.finished else "continues" if run.path.exists() else "new"
    lines = [
        f"would run: {run.path} ({state})",
        f"engine {plan.name} ({plan.why}), model {plan.model.ref}",
    ]
    past = past_runs(options.out)
    costs: list[Cost | None] = []
    for entry in measured:
        rows = entry.source.count() or 0
        rows = rows if options.limit is None else min(rows, options.limit)
        answered = survey(run.task_folder(entry.task.id) / "responses.jsonl").answered
        left, most = max(0, rows - answered), entry.sampling.max_new_tokens
        what = f"{rows:,} rows from {entry.source.describe()}, {answered:,} answered"
        lines.append(f"  {entry.task.id}: {what}{'' if left else '; nothing to ask'}")
        if left:
            basis = find_basis(run, past, entry, options.images, plan)
            costs.append(cost := basis.cost(left, most) if basis else None)
            estimate = cost or "no earlier answers to estimate from"
            lines.append(f"    to come: {estimate}; at most {left * most:,} new tokens")
            lines += [f"    {basis}"] if basis else []
    return "\n".join([*lines, in_sum(costs)])
