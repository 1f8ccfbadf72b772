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
    held_out: float | None = None
    """Loss on what is held out, where it was taken."""


def write_mark(
    folder: Path, *, step: int, ranks: int, tokens: int, skipped: int, held_out: float | None = None
) -> None:
    """Say that a state is whole."""
    state = State(folder, step, ranks, tokens, skipped, held_out)
    write_json(folder / MARK, {k: v for k, v in state._asdict().items() if k != "path"})


def newest(root: Path) -> State | None:
    """The newest whole state."""
    return max(_whole(root), key=lambda state: state.step, default=None)


def best(root: Path) -> State | None:
    """The whole state with the least loss on what is held out; of equal ones the earlier."""
    told = [state for state in _whole(root) if state.held_out is not None]
    return min(told, key=lambda state: (state.held_out, state.step), default=None)


def keep_last(root: Path, keep: int, *, best_too: bool = False) -> None:
    """Remove all but the newest whole states, and what is left of broken ones.

    Args:
        root: Their folder.
        keep: How many stay.
        best_too: The best one stays besides.
    """
    kept = {state.path for state in sorted(_whole(root), key=lambda state: -state.step)[:keep]}
    if best_too and (chosen := best(root)) is not None:
        kept.add(chosen.path)
    for path in _folders(root):
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


def _whole(root: Path) -> list[State]:
    return [state for path in _folders(root) if (state := _read(path)) is not None]


def _read(path: Path) -> State | None:
    try:
        facts = json.loads((path / MARK).read_text(encoding="utf-8"))
        return State(path=path, **facts)
    except (OSError, ValueError, KeyError, TypeError):
        return None
