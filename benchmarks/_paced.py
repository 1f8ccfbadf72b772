"""vLLM at a pretended GPU's pace, and what its model steps cost.

Loaded as `worker_extension_cls`, so that it also reaches a core in a process of its own. Each step
of the model is padded by sleep to a fixed time plus a time a token: the real (tiny) model computes,
the padding leaves the cores to the harness as a GPU would.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from vllm.v1.worker.gpu_model_runner import GPUModelRunner

SLOWER = "PACED_SLOWER"
"""Environment variable: a pace so many times slower, for machines that are busy otherwise."""
_SLOWER = float(os.environ.get(SLOWER, "1"))
STEP_SECONDS = 0.008 * _SLOWER
TOKEN_SECONDS = 0.0001 * _SLOWER


class Counts(NamedTuple):
    """Sums over the model's steps."""

    steps: int = 0
    tokens: int = 0
    encodes: int = 0
    """Pictures that went through the vision tower."""
    busy: float = 0.0
    """Seconds in the model, padding included."""
    cpu: float = 0.0
    """CPU seconds of the thread that runs the model, in the model."""
    late: int = 0
    """Steps that the CPU computed slower than the pace."""


_counts = Counts()


def _counted(real: Callable[..., Any], *, padded: bool) -> Callable[..., Any]:
    @functools.wraps(real)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        global _counts
        began, cpu = time.perf_counter(), time.thread_time()
        result = real(self, *args, **kwargs)
        tokens = encodes = late = 0
        if padded:
            step = kwargs.get("scheduler_output", args[0] if args else None)
            tokens = step.total_num_scheduled_tokens
            encodes = sum(map(len, step.scheduled_encoder_inputs.values()))
        cpu = time.thread_time() - cpu
        if tokens:
            left = STEP_SECONDS + TOKEN_SECONDS * tokens - (time.perf_counter() - began)
            late = left < 0
            time.sleep(max(left, 0))
        more = (bool(tokens), tokens, encodes, time.perf_counter() - began, cpu, late)
        _counts = Counts(*map(sum, zip(_counts, more, strict=True)))
        return result

    return run


GPUModelRunner.execute_model = _counted(GPUModelRunner.execute_model, padded=True)
GPUModelRunner.sample_tokens = _counted(GPUModelRunner.sample_tokens, padded=False)


class Paced:
    """Worker extension; loading this module is what sets the pace."""

    def paced_counts(self) -> tuple[float, ...]:
        """The counts so far."""
        return tuple(_counts)
