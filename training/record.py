"""`training.json`: what a checkpoint was made from, how, and how it went."""

from __future__ import annotations

from typing import Any

from training.job import HELD_OUT_LOSSES, Job, losses_of
from training.parts import trained_sizes

RECORD_VERSION = 1


def record_of(job: Job, trainer: Any, chosen: int, seconds: float) -> dict[str, Any]:
    """The record of a finished run.

    Args:
        job: What was trained.
        trainer: At its end.
        chosen: Step of the weights that it now has.
        seconds: Of this process; earlier ones of a resumed run are in the log of losses.
    """
    import torch
    import transformers

    from harness import __version__
    from harness.environment import version_of

    settings = job.settings.to_json()
    origins = settings.pop("origins")
    losses = losses_of(job.folder)
    sizes = trained_sizes(trainer.accelerator.unwrap_model(trainer.model))
    spent = losses[-1]["seconds"] if losses else seconds
    return {
        "schema_version": RECORD_VERSION,
        **job.facts,
        "settings": settings,
        "origins": origins,
        "steps": trainer.state.global_step,
        "chosen_step": chosen,
        "epochs": round(trainer.state.global_step / job.steps_an_epoch, 4),
        "parameters": {
            part: {"all": whole, "trained": trained} for part, (whole, trained) in sizes.items()
        },
        "tokens": trainer.tokens,
        "skipped_rows": trainer.skipped,
        "seconds": round(spent, 1),
        "tokens_per_second": round(trainer.tokens / spent, 1) if spent else None,
        "losses": [
            {name: entry[name] for name in ("step", "loss", "lr", "tokens") if name in entry}
            for entry in _spread(losses)
        ],
        "held_out_losses": losses_of(job.folder, HELD_OUT_LOSSES),
        "packages": {
            "domain-harness": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            **{
                name: version
                for name in ("accelerate", "deepspeed", "peft", "liger-kernel")
                if (version := version_of(name))
            },
        },
    }


_MOST_LOSSES = 2_000


def _spread(losses: list[Any]) -> list[Any]:
    """So many that a curve can be drawn, and the last."""
    every = max(1, -(-len(losses) // _MOST_LOSSES))
    return [*losses[:-1:every], *losses[-1:]]
