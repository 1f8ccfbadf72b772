"""Stages as processes of their own: memory is given back when one ends, however it ends."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from harness.errors import UserError

_ON_PARENTS_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    """As a shell has it: 128 + number of the signal that ended it."""
    text: str
    """What it printed."""

    @property
    def json(self) -> Any:
        """What it printed, None if that is no JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class StageFailed(UserError):
    """A stage's process ended without its output; what went before it stands.

    Args:
        message: Which stage, and how it ended.
        hint: What to do.
        code: The exit code to hand on.
    """

    def __init__(self, message: str, hint: str, code: int) -> None:
        super().__init__(message, hint)
        self.code = code


def run_command(arguments: Sequence[str]) -> Ended:
    """Run `harness ARGUMENTS` and wait for its end.

    Its progress and messages go to this process's stderr. It is in a session of its own: Ctrl-C
    reaches this process alone, which passes it on once, and a second one kills.

    Args:
        arguments: Of the command.
    """
    process = subprocess.Popen(  # noqa: S603 - this very program
        # -P: a user's folder may hold a `tasks` or `training` of its own.
        [sys.executable, "-P", "-m", "harness", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        start_new_session=True,
        preexec_fn=_dies_with_parent(),
    )
    try:
        out, _ = process.communicate()
    except BaseException:
        _stop(process)
        raise
    code = process.returncode
    return Ended(128 - code if code < 0 else code, out)


def _stop(process: subprocess.Popen[str]) -> None:
    """Let a stage write down what it has; training saves a state first."""
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _dies_with_parent() -> Callable[[], None] | None:
    """Where the system can (Linux): a stage ends when this process is killed.

    Else it would go on alone, and hold the folder that the same command wants to continue.
    """
    if not sys.platform.startswith("linux"):
        return None
    control, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        control(_ON_PARENTS_DEATH, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask
