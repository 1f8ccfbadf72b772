"""Progress on stderr: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
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


@dataclass
class _Count:
    """What has become of a task's rows."""

    total: int | None
    began: float = 0.0
    """When the row before its first one was answered."""
    last: float = 0.0
    """When its last one was."""
    answered: int = 0
    known: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    complete: bool = False

    @property
    def done(self) -> int:
        done = self.answered + self.known
        return self.total if self.complete and self.total is not None else done

    def facts(self) -> list[str]:
        """Rates, time left, cache hits, failures; the same on a terminal and elsewhere."""
        facts = []
        if self.answered:
            seconds = max(self.last - self.began, 1e-9)
            facts.append(f"{self.answered / seconds:.1f} rows/s")
            if self.total is not None and not self.complete:
                left = (self.total - self.done) * seconds / self.answered
                facts.append(f"{timedelta(seconds=max(0, round(left)))} left")
        # What matters most first: a narrow terminal cuts the end off.
        if self.failed:
            facts.append(f"{self.failed:,} failed")
        if self.known:
            facts.append(f"{self.known:,} known")
        if self.prompt_tokens or self.tokens:
            seconds = max(self.last - self.began, 1e-9)
            prompt, new = _rate(self.prompt_tokens / seconds), _rate(self.tokens / seconds)
            facts.append(f"{prompt}+{new} tokens/s")
        return facts


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


class Progress:
    """Counts answered rows, a line a task.

    Args:
        totals: Task id to number of rows, where it is known.
    """

    def __init__(self, totals: dict[str, int | None]) -> None:
        self._counts = {task: _Count(total) for task, total in totals.items()}
        self._bars: Any = None
        self._ids: dict[str, Any] = {}
        self._started = self._said = self._last = time.monotonic()

    def __enter__(self) -> Self:
        """Draw the bars if someone is looking."""
        if not sys.stderr.isatty():
            return self
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.fields[facts]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=Console(stderr=True),
            expand=True,
        )
        for task, count in self._counts.items():
            name = printable(task)
            self._ids[task] = self._bars.add_task(name, total=count.total, facts="")
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state standing."""
        if self._bars is not None:
            self._bars.stop()

    def add(
        self,
        task: str,
        *,
        known: int = 0,
        prompt_tokens: int = 0,
        tokens: int = 0,
        failed: bool = False,
    ) -> None:
        """Count a row that was asked.

        Args:
            task: Whose.
            known: The task's rows so far that needed no asking.
            prompt_tokens: Of this row.
            tokens: New ones, of this row.
            failed: Whether it got no answer.
        """
        now = time.monotonic()
        count = self._counts[task]
        if not count.answered:
            count.began = self._last
        count.answered += 1
        count.known = known
        count.prompt_tokens += prompt_tokens
        count.tokens += tokens
        count.failed += failed
        count.last = self._last = now
        if self._bars is not None:
            self._show(task)
        elif now - self._said > _EVERY_SECONDS:
            self._said = now
            note(self._line(task))

    def finish(self, known: dict[str, int]) -> None:
        """Nothing more will come: rows not counted were no rows, or asked under another's name.

        Args:
            known: Each task's rows that needed no asking.
        """
        for task, count in self._counts.items():
            count.known, count.complete = known[task], True
            if self._bars is not None:
                self._show(task)
            elif self._last - self._started > _EVERY_SECONDS:
                note(self._line(task))

    def _show(self, task: str) -> None:
        count = self._counts[task]
        facts = "  ".join(count.facts())
        self._bars.update(self._ids[task], completed=count.done, facts=facts)

    def _line(self, task: str) -> str:
        count = self._counts[task]
        of = f"/{count.total:,}" if count.total is not None else ""
        return ", ".join([f"{task}: {count.done:,}{of} rows", *count.facts()])
