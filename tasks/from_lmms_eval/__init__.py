"""lmms-eval's own tasks, asked and recorded by this harness: `lmms_eval:NAME`.

Nothing of lmms-eval is imported until such a name is asked for; names are looked up in its YAML
files without importing it (its import takes seconds and half a gigabyte).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tasks._errors import UserError
from tasks._types import Task
from tasks.from_lmms_eval._index import known

PREFIX = "lmms_eval:"


@cache
def borrowed_tasks(name: str) -> tuple[Task, ...]:
    """The tasks behind `lmms_eval:NAME`; NAME is a task, a group, a tag, or a task file's path.

    Members of a group that cannot be run here are left out when their rows are opened; a task
    that is named itself is refused at once.

    Raises:
        UserError: Unknown, or of a kind that cannot be run here.
    """
    asked = name.removeprefix(PREFIX)
    if asked.endswith((".yaml", ".yml")):
        path = Path(asked).resolve()
        if not path.is_file():
            raise UserError(f"{name}: no such file")
        return (_declared_task(path.stem, path, f"{PREFIX}{path}"),)
    entry = known().get(asked)
    if entry is None:
        from tasks._registry import nearest

        raise UserError(
            f"lmms-eval has no task {asked!r}{nearest(asked, known())}",
            f"It has {len(known()):,} tasks, groups and tags; a task file of your own is named by "
            "its path.",
        )
    if entry.kind in ("task", "code") and entry.path is not None:
        return (_declared_task(asked, entry.path, name),)
    return tuple(_members(entry.members))


def _declared_task(name: str, path: Path, spelling: str) -> Task:
    from tasks.from_lmms_eval._declared import read_declared
    from tasks.from_lmms_eval._task import LmmsEvalTask

    try:
        return LmmsEvalTask(read_declared(name, path), spelling).task()
    except UserError as error:
        raise UserError(f"{PREFIX}{name} cannot be run: {error.message}", error.hint) from error


def _members(members: tuple[Any, ...]) -> Iterator[Task]:
    from tasks.from_lmms_eval._refused import refused_task

    for member in members:
        if isinstance(member, dict):
            yield from _members(tuple(member.get("task") or ()))
            continue
        entry = known().get(str(member))
        if entry is not None and entry.kind in ("group", "tag"):
            yield from _members(entry.members)
            continue
        try:
            yield from borrowed_tasks(f"{PREFIX}{member}")
        except UserError as error:
            yield refused_task(f"{PREFIX}{member}", error.message)
