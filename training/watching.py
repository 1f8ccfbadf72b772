"""Watching a run: losses written down as they come, and shown to whoever looks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.progress import note
from training.job import LOSSES

WATCHED = "TRAINING_WATCHED"
"""Environment variable: a process reads the losses and tells people itself."""
_EVERY_SECONDS = 30.0


def described(entry: Mapping[str, Any], steps: int) -> str:
    """`step 7/100, loss 1.234, ...`."""
    return f"step {entry['step']:,}/{steps:,}, {', '.join(facts_of(entry, None, steps))}"


def facts_of(entry: Mapping[str, Any], first: Mapping[str, Any] | None, steps: int) -> list[str]:
    """Loss, rate, time left.

    Args:
        entry: The last logged step.
        first: One to measure the rate from; None for the run's beginning.
        steps: Of the whole run.
    """
    start = first or {"step": 0, "tokens": 0, "seconds": 0.0}
    facts = [f"loss {entry['loss']:.4f}"]
    seconds = entry["seconds"] - start["seconds"]
    done = entry["step"] - start["step"]
    if seconds > 0 and done > 0:
        facts.append(f"{(entry['tokens'] - start['tokens']) / seconds:,.0f} tokens/s")
        if entry.get("mfu"):
            facts.append(f"MFU {entry['mfu']:.2f}")
        left = (steps - entry["step"]) * seconds / done
        facts.append(f"{timedelta(seconds=max(0, round(left)))} left")
    return facts


class Watcher:
    """Shows the losses of a run that goes on in other processes.

    Args:
        folder: Where they write `losses.jsonl`.
        steps: Of the whole run.
        name: What the bar is called.
    """

    def __init__(self, folder: Path, steps: int, name: str) -> None:
        self._path = folder / LOSSES
        self._steps, self._name = steps, name
        self._place = 0
        self._torn = ""
        self._first: Mapping[str, Any] | None = None
        self._said = time.monotonic()
        self._told: Mapping[str, Any] | None = None
        self._bars: Any = None
        self._bar: Any = None
        self.last: Mapping[str, Any] | None = None

    def __enter__(self) -> Watcher:
        """Draw a bar if someone is looking."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}", markup=False),
                console=Console(stderr=True),
            )
            self._bar = self._bars.add_task(self._name, total=self._steps, facts="loading")
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state standing."""
        self.look()
        if self._bars is not None:
            self._bars.stop()
        elif self.last is not None and self.last != self._told:
            self._tell(self.last)

    def look(self) -> None:
        """Read what is new and show it."""
        for entry in self._new():
            if self._first is None:
                self._first = entry
            self.last = entry
        if self.last is None:
            return
        if self._bars is not None:
            facts = "  ".join(facts_of(self.last, self._first, self._steps))
            self._bars.update(self._bar, completed=self.last["step"], facts=facts)
        elif time.monotonic() - self._said > _EVERY_SECONDS:
            self._tell(self.last)

    def _tell(self, entry: Mapping[str, Any]) -> None:
        self._said, self._told = time.monotonic(), entry
        facts = ", ".join(facts_of(entry, self._first, self._steps))
        note(f"{self._name}: step {entry['step']:,}/{self._steps:,}, {facts}")

    def _new(self) -> list[Mapping[str, Any]]:
        try:
            with self._path.open(encoding="utf-8") as file:
                if self._path.stat().st_size < self._place:
                    self._place, self._torn = 0, ""  # lines of a killed run were taken back
                file.seek(self._place)
                text = self._torn + file.read()
                self._place = file.tell()
        except OSError:
            return []
        *lines, self._torn = text.split("\n")
        return [json.loads(line) for line in lines if line]
