"""What a run is likely to cost, from answers that were given before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.engines import Plan
from harness.errors import UserError
from harness.journal import NOTHING, Survey, survey
from harness.runs import RunFolder

if TYPE_CHECKING:
    from harness.planning import Measured

_MOST_LINES = 2_000
_MOST_RUNS = 200


class Past(NamedTuple):
    """An earlier run and its `run.json`."""

    run: RunFolder
    record: dict[str, Any]


class Cost(NamedTuple):
    """What some rows take."""

    prompt: float
    new: float
    """Tokens."""
    seconds: float | None
    """None if it was not measured with this model and engine."""

    def __str__(self) -> str:
        text = f"about {self.prompt:,.0f} prompt + {self.new:,.0f} new tokens"
        if self.seconds is None:
            return text
        return f"{text}, {timedelta(seconds=max(1, round(self.seconds)))}"


def in_sum(costs: list[Cost | None]) -> str:
    """What all tasks take.

    Args:
        costs: Of each task that has rows to ask; None where there is no estimate.
    """
    known = [cost for cost in costs if cost is not None]
    if not costs:
        return "in all: nothing to ask"
    if not known:
        return "in all: no estimate; no earlier run of these tasks is under --out"
    prompt, new = sum(cost.prompt for cost in known), sum(cost.new for cost in known)
    seconds = [cost.seconds for cost in known if cost.seconds is not None]
    whole = Cost(prompt, new, sum(seconds) if len(seconds) == len(known) else None)
    some = "" if len(known) == len(costs) else f", for {len(known)} of {len(costs)} tasks"
    untimed = "; no time was measured with this model and engine" if whole.seconds is None else ""
    return f"in all: {whole}{some}{untimed}"


class Basis(NamedTuple):
    """Answers of one task that an estimate is made from."""

    found: Survey
    of: str
    """Whose they are."""
    pace: float | None
    """Seconds of the run for a second of a row: rows are computed side by side."""

    def cost(self, rows: int, most_new: int) -> Cost:
        """What some rows like these take.

        Args:
            rows: How many.
            most_new: Limit on a row's new tokens.
        """
        share = rows / self.found.rows
        new = min(rows * most_new, share * self.found.tokens)
        seconds = None if self.pace is None else share * self.found.seconds * self.pace
        return Cost(share * self.found.prompt_tokens, new, seconds)

    def __str__(self) -> str:
        return f"from {self.found.rows:,} answers of {self.of}"


def past_runs(out: Path) -> list[Past]:
    """Runs under a folder that can be read, newest first."""
    found = []
    for path in sorted(out.glob("*/run.json"), reverse=True)[:_MOST_RUNS]:
        run = RunFolder(path.parent)
        try:
            found.append(Past(run, run.read()))
        except UserError:
            continue  # another program's, or damaged: it only helps no estimate
    return found


def find_basis(
    run: RunFolder, past: list[Past], entry: Measured, images: str, plan: Plan
) -> Basis | None:
    """Answers of this run, else of the same model, else of any.

    Args:
        run: This run.
        past: Runs that may help, this one among them.
        entry: The task; another version may have other prompts.
        images: Which pictures are shown: others are as long, without any prompts are shorter.
        plan: Model and engine.
    """
    model = plan.model.fingerprint or plan.model.ref

    def nearness(other: Past) -> tuple[bool, bool, bool]:
        its = other.record["settings"]
        return other.run.id != run.id, its.get("model") != model, its.get("images") != images

    for other in sorted(past, key=nearness):
        settings = other.record["settings"]
        if (settings.get("images") == "none") != (images == "none"):
            continue
        if _version(settings, entry.task.id) != entry.task.version:
            continue
        found = _looked_at(other.run.task_folder(entry.task.id) / "responses.jsonl")
        if found.prompt_tokens:
            is_other, other_model, _ = nearness(other)
            of = f"{'another' if other_model else 'the same'} model in run {other.run.id}"
            pace = None if other_model else _pace(other.record, plan.name)
            return Basis(found, of if is_other else "this run", pace)
    return None


def _version(settings: dict[str, Any], task: str) -> Any:
    tasks = settings.get("tasks")
    mine = tasks.get(task) if isinstance(tasks, dict) else None
    return mine.get("version") if isinstance(mine, dict) else None


def _looked_at(journal: Path) -> Survey:
    try:
        return survey(journal, _MOST_LINES)
    except (UserError, OSError):
        return NOTHING


def _pace(record: dict[str, Any], engine: str) -> float | None:
    try:
        if record["engine"]["name"] != engine or record["row_seconds"] <= 0:
            return None
        return float(record["seconds"]["generate"] / record["row_seconds"])
    except (KeyError, TypeError):
        return None  # of a version that did not measure
