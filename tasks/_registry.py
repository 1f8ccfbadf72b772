"""Which tasks there are, and which task a name means."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks._errors import UserError
from tasks._types import Task
from tasks.biomed import BIOMED
from tasks.food import FOOD
from tasks.remote_sensing import REMOTE_SENSING

TASKS: dict[str, Task] = {task.id: task for task in (*BIOMED, *FOOD, *REMOTE_SENSING)}
GROUPS: dict[str, tuple[Task, ...]] = {
    "biomed": BIOMED,
    "food": FOOD,
    "remote_sensing": REMOTE_SENSING,
}


def resolve(names: Sequence[str]) -> list[Task]:
    """Turn names of tasks and groups, or folders of a user's own tasks, into tasks.

    Args:
        names: `slake`, `biomed`, a folder (or its `task.yaml`), or `lmms_eval:NAME`.

    Returns:
        Each task once, in the order asked for.

    Raises:
        UserError: A name is unknown; the message has the nearest one and the list.
    """
    chosen: dict[str, Task] = {}
    for name in names:
        for task in _one(name):
            earlier = chosen.setdefault(task.id, task)
            if earlier.folder != task.folder:
                raise UserError(
                    f"two tasks are named {task.id}: {earlier.folder or 'built in'} "
                    f"and {task.folder or 'built in'}",
                    "Give your task another `id` in its task.yaml.",
                )
    if not chosen:
        raise UserError("no task is named", "Name tasks or groups: " + _known())
    return list(chosen.values())


def _one(name: str) -> Sequence[Task]:
    if name in GROUPS:
        return GROUPS[name]
    if name in TASKS:
        return (TASKS[name],)
    if name.startswith("lmms_eval:"):
        from tasks.from_lmms_eval import borrowed_tasks

        return borrowed_tasks(name)
    path = Path(name)
    # os.path, as Path raises on a name that is too long to be one.
    if path.name == "task.yaml" or os.path.isfile(path / "task.yaml"):  # noqa: PTH113
        from tasks.custom import load_task

        return (load_task(path),)
    raise UserError(
        f"unknown task {name!r}{nearest(name, (*GROUPS, *TASKS))}",
        f"Known: {_known()}. A task of your own is a folder with a task.yaml; lmms-eval's are "
        "lmms_eval:NAME.",
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'slake'?` if something known is near, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else ""


def _known() -> str:
    return "; ".join(f"{group} = {', '.join(t.id for t in ts)}" for group, ts in GROUPS.items())
