"""What an evaluation would take, for the plan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.engines import Plan, plan_model
from harness.errors import UserError
from harness.planning import EvalOptions, Measured, open_tasks, planned_tasks, run_settings
from harness.recipes import EvalRecipe
from harness.runs import RunFolder, find_runs, hash8
from tasks import resolve

_FROM_HUB = re.compile(
    r"cannot (?:fetch|read) (\S+) from the hub|(\S+) cannot be opened: ConnectionError"
)


@dataclass(frozen=True)
class Evaluation:
    """A run that stands, goes on or is to come."""

    state: str
    """`reused`, `continues`, `new`, `unknown`."""
    folder: str | None = None
    rows: int | None = None
    tokens: int | None = None
    """Prompt and new ones still to come."""
    seconds: float | None = None
    note: str = ""
    whole_tokens: int | None = None
    """Of all rows: what another model of its kind would take."""
    whole_seconds: float | None = None


def plan_evaluation(section: EvalRecipe, model: str, tasks: Sequence[str]) -> Evaluation:
    """Look at a run without starting it.

    Args:
        section: The `eval:` section.
        model: Folder or hub id.
        tasks: Names of tasks.
    """
    options = EvalOptions(
        model=model,
        tasks=tuple(tasks),
        engine=section.engine,
        engine_args=section.engine_args,
        replicas=section.replicas,
        ray=section.ray,
        data=section.data,
        limit=section.limit,
        max_new_tokens=section.max_new_tokens,
        images=section.images,
        out=section.out,
    )
    try:
        measured = open_tasks(options)
        rows = sum(_rows(entry, section.limit) for entry in measured)
    except UserError as error:
        rows_told, why = _published(tasks, section.limit), briefly(error)
        return Evaluation("unknown", rows=rows_told, note=_rows_note(rows_told, why))
    try:
        plan = plan_model(options)
    except UserError as error:
        return Evaluation("unknown", rows=rows, note=briefly(error))
    return _looked(options, plan, measured, rows)


def _looked(options: EvalOptions, plan: Plan, measured: list[Measured], rows: int) -> Evaluation:
    found = find_runs(options.out, hash8(run_settings(options, plan, measured)))
    folder = str(found[0].path) if found else None
    # A run that does not exist: its tasks are all to come.
    none = RunFolder(options.out / "none")
    whole = planned_tasks(plan, none, measured, options)
    costs = [task.cost for task in whole if task.left]
    known = [cost for cost in costs if cost is not None]
    whole_tokens = whole_seconds = None
    if known and len(known) == len(costs):
        whole_tokens = round(sum(cost.prompt + cost.new for cost in known))
        timed = [cost.seconds for cost in known if cost.seconds is not None]
        whole_seconds = sum(timed) if len(timed) == len(known) else None
    if found and found[0].finished:
        return Evaluation("reused", folder, rows, note=plan.name, whole_tokens=whole_tokens,
                          whole_seconds=whole_seconds)  # fmt: skip
    left = rows
    if found:
        left = sum(task.left for task in planned_tasks(plan, found[0], measured, options))
    share = left / rows if rows else 0.0
    note = plan.name if whole_seconds is not None else f"{plan.name}; no rate measured yet"
    return Evaluation(
        "continues" if found else "new",
        folder,
        rows,
        None if whole_tokens is None else round(whole_tokens * share),
        None if whole_seconds is None else whole_seconds * share,
        note,
        whole_tokens,
        whole_seconds,
    )


def _rows(entry: Measured, limit: int | None) -> int:
    rows = entry.source.count() or 0
    return rows if limit is None else min(rows, limit)


def _published(tasks: Sequence[str], limit: int | None) -> int | None:
    """Published numbers of test rows, where the rows themselves are not to be had."""
    found = [re.match(r"[\d,]+", task.card.rows) for task in resolve(tasks)]
    counts = [int(each[0].replace(",", "")) for each in found if each]
    if len(counts) < len(found):
        return None
    return sum(count if limit is None else min(count, limit) for count in counts)


def _rows_note(rows: int | None, why: str) -> str:
    return f"rows as published; {why}" if rows is not None else why


def briefly(error: UserError) -> str:
    """Why something cannot be planned, for a table's note."""
    first = error.message.splitlines()[0] if error.message else "no estimate"
    found = _FROM_HUB.search(first)
    return f"{found[1] or found[2]} is not on this machine yet" if found else first
