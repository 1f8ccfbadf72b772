"""Runs that are to be compared: reading them, and refusing what cannot stand side by side."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.runs import RunFolder

_MOST_LISTED = 10


class Control(NamedTuple):
    """A setting whose change makes a control run of an ordinary one."""

    title: str
    """What the difference ordinary - control is called."""
    ordinary: Any
    """The setting's value in an ordinary run; also where a run does not name it."""
    moves: frozenset[str] = frozenset()
    """Fields of a row that it changes on purpose."""


CONTROLS: dict[str, Control] = {
    "images": Control("image benefit", "given"),
    "option_order": Control(
        "effect of option order", "given", frozenset(("input", "label", "options"))
    ),
    "repeat": Control("repeat noise", 1),
}
"""By the name of the setting in `run.json`."""


class Column(NamedTuple):
    """A mean over rows that two runs have in common."""

    task: str
    split: str | None
    metric: str
    protocol: str

    @property
    def place(self) -> str:
        """Task and split, as a person calls them."""
        return " ".join(filter(None, (self.task, self.split)))

    def __str__(self) -> str:
        """With the metric."""
        return f"{self.place} {self.metric}"


class Kind(NamedTuple):
    """What must agree before the values of two runs mean the same."""

    version: Any
    rule: str | None
    main: bool


@dataclass(frozen=True)
class Run:
    """A finished run and its place in the comparison."""

    letter: str
    folder: RunFolder
    settings: dict[str, Any]
    results: dict[str, Any]

    @property
    def tasks(self) -> list[str]:
        """Tasks that were scored, in their order."""
        return list(dict.fromkeys(line["task"] for line in self.results["results"]))

    @property
    def columns(self) -> dict[Column, Kind]:
        """Every mean over rows that the run has, published ones and others."""
        return {
            Column(line["task"], line["split"], line["metric"], line["protocol"]): Kind(
                line["task_version"], line["rule"], line["main"]
            )
            for line in self.results["results"]
        }

    @property
    def rescored(self) -> bool:
        """Whether `harness score` went over it: its rules may be later than its settings."""
        return any(self.folder.path.glob("results.*.json"))

    def control(self, name: str) -> Any:
        """The value of a control's setting."""
        return self.settings.get(name, CONTROLS[name].ordinary)

    def describe(self) -> dict[str, Any]:
        """The run in the comparison's JSON."""
        return {
            "letter": self.letter,
            "run_id": self.folder.id,
            "model": self.results["model"],
            "partial": bool(self.results["partial"]),
            "controls": {name: self.control(name) for name in CONTROLS},
        }


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Read runs that are to be compared.

    Raises:
        UserError: Fewer than two, one twice, or one that is no finished run.
    """
    if len(paths) < 2:
        raise UserError("comparing takes at least two runs")
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"{path} is given twice: a run does not differ from itself")
        seen[path.resolve()] = path
    return [_open(path, _letter(place)) for place, path in enumerate(paths)]


def _letter(place: int) -> str:
    letters = string.ascii_uppercase
    return letters[place] if place < len(letters) else f"R{place + 1}"


def _open(path: Path, letter: str) -> Run:
    folder = RunFolder(path)
    if not (path / "run.json").is_file():
        raise UserError(*_no_run(path))
    settings = folder.read()["settings"]
    if not folder.finished:
        raise UserError(
            f"{path} is not finished: its rows have no scores yet",
            "Continue it with the `harness eval` command that began it.",
        )
    run = Run(letter, folder, settings, folder.results())
    try:
        run.settings["tasks"] = {task: dict(entry) for task, entry in settings["tasks"].items()}
        for task in run.tasks:
            inside = folder.task_folder(task).resolve().parent == folder.task_folder("").resolve()
            if not inside:
                raise ValueError(f"a task named {task!r}")
        hash(tuple(run.columns.items()))
        run.describe()
        if wrong := [line["score"] for line in run.results["results"] if not _is_score(line)]:
            raise ValueError(f"{wrong[0]!r} is no score")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged: run.json or results.json: {error}") from error
    return run


def _is_score(line: dict[str, Any]) -> bool:
    score = line["score"]
    return score is None or (type(score) in (int, float) and math.isfinite(score))


def _no_run(path: Path) -> tuple[str, str]:
    """Message and hint for a path at which there is no run."""
    if not path.is_dir():
        return f"{path}: no such folder", "Give the folders of two or more runs."
    inside = sorted(found.parent.name for found in path.glob("*/run.json"))
    if not inside:
        return f"{path} is not a run: run.json is missing", "Give the folders of two or more runs."
    shown = [f"  {path / name}" for name in inside[:_MOST_LISTED]]
    more = [f"  and {len(inside) - _MOST_LISTED} more"] if len(inside) > _MOST_LISTED else []
    listed = "\n".join(["Name the runs themselves. In it:", *shown, *more])
    return f"{path} is a folder of runs, not a run", listed


def common_tasks(runs: Sequence[Run]) -> tuple[list[str], dict[str, list[str]]]:
    """Tasks that all runs have, and for each other task the letters of the runs that have it.

    Raises:
        UserError: No task is common to all.
    """
    everything = list(dict.fromkeys(task for run in runs for task in run.tasks))
    having = {task: [run.letter for run in runs if task in run.tasks] for task in everything}
    common = [task for task, letters in having.items() if len(letters) == len(runs)]
    if not common:
        lines = [f"{run.letter} ({run.folder.id}): {', '.join(run.tasks) or '-'}" for run in runs]
        raise UserError("the runs have no task in common\n  " + "\n  ".join(lines))
    return common, {task: letters for task, letters in having.items() if task not in common}


def check_rules(runs: Sequence[Run], tasks: Sequence[str]) -> None:
    """Make sure that a value means the same in every run.

    Raises:
        UserError: Versions, metrics, rules or an own task's settings differ; the message says
            where.
    """
    first = runs[0]
    faults = [fault for run in runs[1:] for task in tasks for fault in _faults(first, run, task)]
    if faults:
        raise UserError(
            "the runs were not scored alike\n  " + "\n  ".join(faults),
            "`harness score RUN` scores a run again by today's rules; a change of prompts or rows "
            "needs `harness eval` again.",
        )


def _faults(a: Run, b: Run, task: str) -> list[str]:
    mine = {column: kind for column, kind in a.columns.items() if column.task == task}
    theirs = {column: kind for column, kind in b.columns.items() if column.task == task}
    found: dict[str, None] = {}
    for column in dict.fromkeys((*mine, *theirs)):
        one, other = mine.get(column), theirs.get(column)
        if one is None or other is None:
            only = a.letter if other is None else b.letter
            found[f"{column} ({column.protocol}): only in {only}"] = None
        elif one.version != other.version:
            found[f"{task}: version {one.version} in {a.letter}, {other.version} in {b.letter}"] = (
                None
            )
        elif one != other:
            found[
                f"{column} ({column.protocol}): {_rule(one)} in {a.letter}, "
                f"{_rule(other)} in {b.letter}"
            ] = None
    yaml_a, yaml_b = (run.settings["tasks"].get(task, {}).get("task_yaml") for run in (a, b))
    if yaml_a != yaml_b and not (a.rescored and b.rescored):
        found[f"{task}: its task.yaml was another one in {a.letter} than in {b.letter}"] = None
    return list(found)


def _rule(kind: Kind) -> str:
    return f"rule {kind.rule!r}{', main' if kind.main else ', not main'}"


class Unlike(NamedTuple):
    """A setting that differs between two runs."""

    setting: str
    baseline: Any
    candidate: Any


def unlike_settings(a: Run, b: Run) -> list[Unlike]:
    """Settings of two runs that differ in what both did, controls and row sources left out.

    Rows are compared one by one, so it does not matter where they came from and by what limit.
    """
    shared = a.settings["tasks"].keys() & b.settings["tasks"].keys()
    mine, theirs = (_comparable(run.settings, shared) for run in (a, b))
    return [Unlike(name, mine.get(name), theirs.get(name)) for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)]  # fmt: skip


def _comparable(settings: dict[str, Any], tasks: Set[str]) -> dict[str, Any]:
    kept = {k: value for k, value in settings.items() if k not in CONTROLS and k != "limit"}
    kept["tasks"] = {
        task: {key: value for key, value in entry.items() if key != "data"}
        for task, entry in settings["tasks"].items()
        if task in tasks
    }
    return dict(_flat(kept))


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
