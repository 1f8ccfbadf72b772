"""Progress on stderr: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import re
import sys
import time
from types import TracebackType
from typing import Any, Self

_EVERY_SECONDS = 30.0


_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Text of a stranger's, with control characters shown as `\x1b` and the like.

    A terminal obeys them: they could hide, forge or retitle what a person reads.
    """
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def note(text: str) -> None:
    """Write one line for the person who watches."""
    sys.stderr.write(f"{printable(text)}\n")


def say(text: str) -> None:
    """Write a result for whoever asked, on stdout."""
    sys.stdout.write(f"{printable(text)}\n")


class Progress:
    """Counts answered rows, a line a task.

    Args:
        totals: Task id to number of rows, where it is known.
    """

    def __init__(self, totals: dict[str, int | None]) -> None:
        self._totals = totals
        self._done = dict.fromkeys(totals, 0)
        self._tokens = dict.fromkeys(totals, 0)
        self._failed = dict.fromkeys(totals, 0)
        self._bars: Any = None
        self._ids: dict[str, Any] = {}
        self._said = self._started = time.monotonic()

    def __enter__(self) -> Self:
        """Draw the bars if someone is looking."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description:<14}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:>10}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[more]}"),
                console=Console(stderr=True),
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state standing."""
        if self._bars is not None:
            self._bars.stop()

    def add(self, task: str, *, tokens: int = 0, failed: bool = False, rows: int = 1) -> None:
        """Count rows that are answered, known already, or failed."""
        self._done[task] += rows
        self._tokens[task] += tokens
        self._failed[task] += failed
        now = time.monotonic()
        if self._bars is not None:
            self._update(task, now)
        elif now - self._said > _EVERY_SECONDS:
            self._said = now
            note(self._line(task, now))

    def _update(self, task: str, now: float) -> None:
        total = self._totals[task]
        if task not in self._ids:
            self._ids[task] = self._bars.add_task(task, total=total, rate="", more="")
        failed = f"{self._failed[task]} failed" if self._failed[task] else ""
        tokens = f"{self._tokens[task]:,} tokens" if self._tokens[task] else ""
        self._bars.update(
            self._ids[task],
            completed=self._done[task],
            rate=f"{sum(self._done.values()) / max(now - self._started, 1e-9):.1f} rows/s",
            more=", ".join(part for part in (tokens, failed) if part),
        )

    def _line(self, task: str, now: float) -> str:
        done, total = self._done[task], self._totals[task]
        rate = sum(self._done.values()) / max(now - self._started, 1e-9)
        of = f"/{total}" if total is not None else ""
        return f"{task}: {done}{of} rows, {rate:.1f} rows/s, {self._failed[task]} failed"
