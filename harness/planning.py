"""What an evaluation is asked to do: its options, tasks with rows, settings that name a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.asking import ImageMode
from harness.controls import read_order
from harness.engines import Plan
from harness.errors import UserError
from harness.estimate import Basis, Cost, find_basis, in_sum, past_runs
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
    name: str | None = None
    """What the model is called in results; None: by its folder or hub id."""
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


def changed_rows(out: Path, settings: dict[str, Any]) -> str | None:
    """Of which earlier run these settings are, but for its rows, as a sentence; None: of none."""
    for past in past_runs(out):
        old = past.record["settings"]
        if old != settings and _without_rows(old) == _without_rows(settings):
            return f"rows have changed since run {past.run.id}, so it is made anew"
    return None


def _without_rows(settings: dict[str, Any]) -> dict[str, Any]:
    tasks = settings.get("tasks")
    if not isinstance(tasks, dict):
        return settings
    known = {task: entry for task, entry in tasks.items() if isinstance(entry, dict)}
    return {**settings, "tasks": {t: {**entry, "data": None} for t, entry in known.items()}}


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


class PlannedTask(NamedTuple):
    """A task's rows, those still to be asked, and what they are likely to cost."""

    entry: Measured
    rows: int
    answered: int
    left: int
    basis: Basis | None
    """Answers that the estimate is made from."""
    cost: Cost | None
    """None where there is no basis."""

    @property
    def most_new_tokens(self) -> int:
        """Upper bound of the new tokens to come."""
        return self.left * self.entry.sampling.max_new_tokens


def planned_tasks(
    plan: Plan, run: RunFolder, measured: list[Measured], options: EvalOptions
) -> list[PlannedTask]:
    """What a run has still to do, by task."""
    done = run.finished and not run.read().get("to_retry")
    past, found = past_runs(options.out), []
    for entry in measured:
        rows = entry.source.count() or 0
        rows = rows if options.limit is None else min(rows, options.limit)
        answered = survey(run.task_folder(entry.task.id) / "responses.jsonl").answered
        # Rows that cannot be asked, and those equal to another, have no answer of their own.
        left = 0 if done else max(0, rows - answered)
        basis = find_basis(run, past, entry, options.images, plan) if left else None
        cost = basis.cost(left, entry.sampling.max_new_tokens) if basis else None
        found.append(PlannedTask(entry, rows, answered, left, basis, cost))
    return found


def describe_plan(
    plan: Plan, run: RunFolder, measured: list[Measured], options: EvalOptions
) -> str:
    """What a run would do (`--dry-run`)."""
    state = "finished" if run.finished else "continues" if run.path.exists() else "new"
    lines = [
        f"would run: {run.path} ({state})",
        f"engine {plan.name} ({plan.why}), model {plan.model.ref}",
    ]
    costs: list[Cost | None] = []
    for task in planned_tasks(plan, run, measured, options):
        what = f"{task.rows:,} rows from {task.entry.source.describe()}"
        end = "" if task.left else "; nothing to ask"
        lines.append(f"  {task.entry.task.id}: {what}, {task.answered:,} answered{end}")
        if task.left:
            costs.append(task.cost)
            estimate = task.cost or "no earlier answers to estimate from"
            lines.append(f"    to come: {estimate}; at most {task.most_new_tokens:,} new tokens")
            lines += [f"    {task.basis}"] if task.basis else []
    return "\n".join([*lines, in_sum(costs)])
