"""What a run costs: seconds a stage, rows, tokens, GPU seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STAGES = ("read", "load", "generate", "score")
"""Reading and checking rows before the engine is started; starting it; asking it (reading goes on
meanwhile); scoring."""
_SAVE_SECONDS = 30.0


@dataclass
class Spent:
    """What one process has spent so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    """Responses."""
    failed: int = 0
    """Responses without an answer."""
    known: int = 0
    """Rows whose answer was in the journal."""
    prompt_tokens: int = 0
    tokens: int = 0
    """New ones."""
    gpus: int = 0
    """That the engine uses."""
    save: Callable[[], None] = lambda: None
    """Called now and then while an engine is asked: a killed process cannot say what it spent."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Count a block's seconds, whatever ends it; gives a function that counts those so far."""
        last = saved = time.perf_counter()

        def count() -> None:
            nonlocal last, saved
            now = time.perf_counter()
            self.seconds[name] = self.seconds.get(name, 0.0) + now - last
            last = now
            if now - saved > _SAVE_SECONDS:
                saved = now
                self.save()

        try:
            yield count
        finally:
            count()

    @property
    def gpu_seconds(self) -> float | None:
        """Seconds the engine held its GPUs, times their number; None without GPUs."""
        held = self.seconds.get("load", 0.0) + self.seconds.get("generate", 0.0)
        return held * self.gpus if self.gpus else None

    def asked(self) -> str:
        """What was asked, as one line."""
        seconds = max(self.seconds.get("generate", 0.0), 1e-9)
        failed = f" ({self.failed:,} failed)" if self.failed else ""
        return (
            f"{self.rows:,} rows asked{failed}, {self.known:,} known before; "
            f"{self.prompt_tokens:,} prompt + {self.tokens:,} new tokens in {seconds:.1f} s: "
            f"{self.rows / seconds:.1f} rows/s, {self.prompt_tokens / seconds:,.0f} + "
            f"{self.tokens / seconds:,.0f} tokens/s"
        )


def told(seconds: dict[str, float], gpu_seconds: float | None) -> str:
    """Seconds by stage, and GPU seconds where there are any."""
    parts = [f"{name} {seconds[name]:.1f} s" for name in STAGES if name in seconds]
    if gpu_seconds is not None:
        parts.append(f"{gpu_seconds:,.0f} GPU seconds")
    return ", ".join(parts)
