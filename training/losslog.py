"""The log of losses, written by the first of the training processes."""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any

from transformers import TrainerCallback

from harness.files import replacing
from harness.progress import note
from training.job import LOSSES, Job, losses_of
from training.watching import WATCHED, described


class LossLog(TrainerCallback):  # type: ignore[misc]
    """Appends a line a logged step to `losses.jsonl`.

    Args:
        job: What is trained.
        trainer: Who trains it.
        resumed_at: Step of the state that is gone on from; later lines are taken back.
    """

    def __init__(self, job: Job, trainer: Any, resumed_at: int) -> None:
        self._job = job
        self._trainer = trainer
        kept = [entry for entry in losses_of(job.folder) if entry["step"] <= resumed_at]
        with replacing(job.folder / LOSSES) as temporary:
            temporary.write_text("".join(f"{json.dumps(e)}\n" for e in kept), encoding="utf-8")
        self._before = float(kept[-1]["seconds"]) if kept else 0.0
        self._began = time.monotonic()
        self._shown = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Loading is no training time."""
        self._began = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Write a step down."""
        if not logs or "loss" not in logs:
            return
        norm = logs.get("grad_norm")
        seconds = self._before + time.monotonic() - self._began
        entry = {
            "step": state.global_step,
            "epoch": round(state.epoch or 0.0, 5),
            "loss": float(logs["loss"]),
            "lr": logs.get("learning_rate"),
            "grad_norm": float(norm) if norm is not None and math.isfinite(norm) else None,
            "tokens": self._trainer.tokens,
            "seconds": round(seconds, 3),
            "mfu": self._trainer.mfu(),
        }
        with (self._job.folder / LOSSES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")
        if not os.environ.get(WATCHED) and time.monotonic() - self._shown > 30.0:
            self._shown = time.monotonic()
            note(described(entry, self._job.steps))
