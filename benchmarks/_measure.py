"""What a whole process cost: CPU seconds, wall seconds, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """One finished process."""

    cpu: float
    wall: float
    peak_mb: float


def run(
    command: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Cost:
    """Run a command to its end and read what the operating system accounted for it.

    Raises:
        RuntimeError: It failed; its last words are in the message.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        words = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {words[-2000:]}")
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, kilobytes / 1024)


def run_part(script: str, part: str, quick: bool, env: Mapping[str, str]) -> None:
    """Run `script --part PART` in a process of its own, one thread, offline.

    Raises:
        SystemExit: It failed; its last words are in the message.
    """
    began = time.perf_counter()
    print(f"== {part}", flush=True)
    done = subprocess.run(
        [sys.executable, script, "--part", part, *(["--quick"] if quick else [])],
        check=False, stderr=subprocess.PIPE, text=True,
        env={
            **os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1",
            "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR",
            "PYTHONPATH": str(Path(script).parent), **env,
        },
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    print(f"== {part}: {time.perf_counter() - began:.0f} s\n", flush=True)


def ratios(pairs: Sequence[tuple[Cost, Cost]], field: str) -> str:
    """Median and range of first over second, pair by pair."""
    values = sorted(getattr(a, field) / getattr(b, field) for a, b in pairs)
    return f"{statistics.median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})"
