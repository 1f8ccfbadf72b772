"""The log of losses, written by the first of the training processes."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from harness.files import replacing
from harness.progress import note
from training.job import HELD_OUT_LOSSES, LOSSES, Job, losses_of
from training.watching import WATCHED, described


class LossLog(TrainerCallback):  # type: ignore[misc]
    """Appends a line a logged step to `losses.jsonl`, and a line a look at what is held out.

    Args:
        job: What is trained.
        trainer: Who trains it.
        resumed_at: Step of the state that is gone on from; later lines are taken back.
    """

    def __init__(self, job: Job, trainer: Any, resumed_at: int) -> None:
        self._job = job
        self._trainer = trainer
        kept = self._taken_back(LOSSES, resumed_at)
        if job.settings.held_out is not None:
            self._taken_back(HELD_OUT_LOSSES, resumed_at)
        self._before = float(kept[-1]["seconds"]) if kept else 0.0
        self._began = time.monotonic()
        self._shown = 0.0

    def _taken_back(self, name: str, step: int) -> list[Mapping[str, Any]]:
        kept = [entry for entry in losses_of(self._job.folder, name) if entry["step"] <= step]
        with replacing(self._job.folder / name) as temporary:
            temporary.write_text("".join(f"{json.dumps(e)}\n" for e in kept), encoding="utf-8")
        return kept

    def _append(self, name: str, entry: Mapping[str, Any]) -> None:
        with (self._job.folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Loading is no training time."""
        self._began = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Write a step down."""
        if logs and "held_out_loss" in logs:
            looked = {"step": state.global_step, "loss": float(logs["held_out_loss"])}
            self._append(HELD_OUT_LOSSES, looked)
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
        self._append(LOSSES, entry)
        if not os.environ.get(WATCHED) and time.monotonic() - self._shown > 30.0:
            self._shown = time.monotonic()
            note(described(entry, self._job.steps))
