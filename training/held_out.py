"""The loss on conversations that are not trained on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from harness.errors import UserError
from training.batches import Batches
from training.collate import Collator
from training.feeding import loader_of
from training.job import HELD_OUT, Job, split_of
from training.rows import TrainingRows, open_rows
from training.survey import Survey


class HeldOut:
    """Tells the loss on conversations that are not trained on.

    Args:
        loader: Batches of this rank, as many as every other has.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def loss(self, trainer: Any) -> float:
        """Mean over all labelled tokens; all ranks must call it together."""
        model = trainer.model_wrapped
        was_training = model.training
        model.eval()
        total = count = 0.0
        try:
            for batch in self._loader:
                inputs = trainer._prepare_inputs(batch)
                with torch.no_grad(), trainer.compute_loss_context_manager():
                    losses, targets = trainer.summed_loss(model, inputs)
                total, count = total + losses.item(), count + targets
        finally:
            model.train(was_training)
        mine = torch.tensor([[total, count]], dtype=torch.float64, device=trainer.args.device)
        total, count = trainer.accelerator.gather(mine).sum(0).tolist()
        return total / count if count else math.nan


def surveyed_rows(data: str, images: Path | None, folder: Path) -> tuple[TrainingRows, Survey]:
    """Rows, and what the survey found.

    Raises:
        UserError: They cannot be read, or are not those that were surveyed.
    """
    survey, rows = Survey.load(folder), open_rows(data, images)
    if rows.fingerprint() != survey.fingerprint:
        raise UserError(f"data: {rows.describe()} has changed since it was looked at", "Try again.")
    return rows, survey


def held_out_of(
    job: Job, model: Any, rank: int, trained: tuple[TrainingRows, Survey]
) -> HeldOut | None:
    """What a job holds out, with this rank's batches; None where it holds nothing out.

    Args:
        job: What is trained.
        model: Whose configuration counts positions.
        rank: Of this process.
        trained: The job's own rows and their survey, of which a share is taken.

    Raises:
        UserError: The file cannot be read, or has changed.
    """
    settings = job.settings
    if settings.held_out is None:
        return None
    if job.held_out is None:
        rows, survey = trained
        indices = split_of(settings, survey)[1]
    else:
        rows, survey = surveyed_rows(job.held_out, job.images, job.folder / HELD_OUT)
        indices = survey.usable
    batches = Batches(
        survey.lengths,
        indices,
        mode="by_length",
        device_batch=settings.device_batch,
        ranks=settings.ranks,
        accumulation=1,
        seed=settings.seed,
    )
    # Padded also where training packs: the loss is the same, and the last batch need not be full.
    dummy = settings.ranks > 1
    collator = Collator(rows, job.source, survey, model.config, dummy_picture=dummy)
    return HeldOut(loader_of(len(rows), batches, collator, settings, rank, persistent=False))
