"""States to resume from: whole ones carry a mark, which is written last."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from harness.errors import UserError
from harness.files import write_json

MARK = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")


class State(NamedTuple):
    """A state that is whole."""

    path: Path
    step: int
    ranks: int
    tokens: int
    """Seen up to it."""
    skipped: int
    """Rows up to it that could not be read."""


def write_mark(folder: Path, *, step: int, ranks: int, tokens: int, skipped: int) -> None:
    """Say that a state is whole."""
    facts = {"step": step, "ranks": ranks, "tokens": tokens, "skipped": skipped}
    write_json(folder / MARK, facts)


def newest(root: Path) -> State | None:
    """The newest whole state."""
    states = [state for path in _folders(root) if (state := _read(path)) is not None]
    return max(states, key=lambda state: state.step, default=None)


def keep_last(root: Path, keep: int) -> None:
    """Remove all but the newest whole states, and what is left of broken ones."""
    states = {path: _read(path) for path in _folders(root)}
    whole = sorted((s for s in states.values() if s is not None), key=lambda s: -s.step)
    kept = {state.path for state in whole[:keep]}
    for path in states:
        if path not in kept:
            (path / MARK).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)


def check_ranks(state: State, ranks: int, folder: Path) -> None:
    """Refuse to resume with another number of processes.

    Raises:
        UserError: The state was made by more or fewer.
    """
    if state.ranks != ranks:
        raise UserError(
            f"{folder}: stopped at step {state.step} with {_processes(state.ranks)}; it cannot "
            f"go on with {ranks}, because every process keeps a part of the optimizer's state",
            f"Take {_processes(state.ranks)} again (`--set train.gpus=...`), or start anew with "
            "--fresh.",
        )


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in root.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]


def _read(path: Path) -> State | None:
    try:
        facts = json.loads((path / MARK).read_text(encoding="utf-8"))
        return State(path, facts["step"], facts["ranks"], facts["tokens"], facts["skipped"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
