"""One training process: `python -P -m training.run FOLDER`, once for every GPU.

`harness train` starts it. On several machines torchrun, `deepspeed` or Slurm do, with the folder
that `harness train` prepared.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from harness.errors import UserError
from harness.files import write_json
from training.job import PROBLEM, STOP, Job, batches_of
from training.presets import Settings
from training.states import State, check_ranks, newest

STOPPED = 3
"""Exit code of processes that were asked to stop, and have saved a state."""
FAILED = 4
"""Exit code where `problem.json` says what is wrong."""

_SMALLER = (
    "Set a smaller device_batch or max_length, gradient_checkpointing: true, more GPUs with "
    "parallel: zero3, or parallel: zero3_offload; `--dry-run` estimates each."
)
_asked = threading.Event()


def main(arguments: list[str]) -> int:
    """Train what a folder's `job.json` says; gives the exit code."""
    # The deepspeed launcher adds --local_rank=N.
    folder = Path(next(argument for argument in arguments if not argument.startswith("--")))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask)
    if os.environ.get("TRAINING_PARENT"):
        _die_with(int(os.environ["TRAINING_PARENT"]))
    rank = int(os.environ.get("RANK", "0"))
    if rank == 0:
        (folder / STOP).unlink(missing_ok=True)  # of a run before
    try:
        return train(Job.load(folder))
    except UserError as error:
        message, hint = str(error), error.hint
    # PyTorch's for GPUs; named, since importing it for this would cost a second.
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        message, hint = f"a GPU's memory is too small: {str(error).splitlines()[0]}", _SMALLER
    write_json(folder / PROBLEM, {"message": message, "hint": hint})  # whichever rank it was
    print(f"error: {message}", file=sys.stderr, flush=True)  # noqa: T201
    return FAILED


def _ask(number: int, frame: FrameType | None) -> None:
    _asked.set()


def _die_with(parent: int) -> None:
    """End when the process that started this one is gone: nobody would be left to stop it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def train(job: Job) -> int:
    """Load, train, save; gives the exit code."""
    from training.finish import write_checkpoint
    from training.loading import load_model
    from training.trainer import NonFinite

    settings = job.settings
    check_world(settings)
    state = newest(job.states)
    if state is not None:
        check_ranks(state, settings.ranks, job.folder)
    arguments = training_arguments(job)
    model = load_model(job)
    trainer = make_trainer(job, model, arguments, state)
    began = time.monotonic()
    try:
        trainer.train(resume_from_checkpoint=str(state.path) if state else None)
    except NonFinite as error:
        last = newest(job.states)
        kept = f"The last state, of step {last.step}, is kept." if last else "No state was saved."
        raise UserError(
            f"{error}: training has gone astray",
            f"{kept} Try a lower lr, more warm-up, or dtype: float32, and look at the rows of "
            "this step's batch.",
        ) from error
    if trainer.stopped:
        return STOPPED
    chosen = trainer.choose()
    write_checkpoint(job, trainer, chosen, time.monotonic() - began)
    return 0


def check_world(settings: Settings) -> None:
    """Refuse to run with other processes than were planned for.

    Raises:
        UserError: More or fewer.
    """
    found = int(os.environ.get("WORLD_SIZE", "1"))
    if found != settings.ranks:
        raise UserError(
            f"{found} processes were started, but {settings.ranks} were planned for "
            f"({settings.nodes} machines with {settings.gpus} each)",
            "Set train.nodes and train.gpus, and run `harness train` again.",
        )


def training_arguments(job: Job) -> Any:
    """Arguments of transformers' Trainer; with several processes they now know each other."""
    from transformers import TrainingArguments

    from training.sharding import deepspeed_config, start_deepspeed

    settings = job.settings
    config = deepspeed_config(settings)
    bf16 = settings.dtype == "bfloat16"
    if "tensorboard" in settings.report_to:
        # Its own default lies among the states, which go at the end.
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(job.folder / "tensorboard"))
    arguments = TrainingArguments(
        output_dir=str(job.states),
        max_steps=job.steps,
        per_device_train_batch_size=settings.device_batch,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.lr,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        lr_scheduler_type=_SCHEDULES[settings.schedule],
        warmup_steps=settings.warmup_ratio,
        bf16=bf16,
        use_cpu=not settings.on_gpu,
        ddp_backend="gloo" if not settings.on_gpu and settings.ranks > 1 else None,
        # LLaVA never looks at its vision encoder's last layer.
        ddp_find_unused_parameters=True,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        use_liger_kernel=settings.liger,
        # Ours sees only the labelled positions, which is where that one saves memory.
        liger_kernel_config={"fused_linear_cross_entropy": False, "cross_entropy": False},
        logging_strategy="steps",
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=job.save_every,
        report_to=list(settings.report_to) or "none",
        run_name=job.folder.parent.name,
        disable_tqdm=True,
        seed=settings.seed,
        deepspeed=config,
    )
    if config is not None:
        start_deepspeed(settings)
    return arguments


_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def make_trainer(
    job: Job, model: Any, arguments: Any, state: State | None = None, *, full_logits: bool = False
) -> Any:
    """The trainer of a job, with its data."""
    from transformers import PrinterCallback

    from training.collate import Collator
    from training.held_out import held_out_of, surveyed_rows
    from training.losslog import LossLog
    from training.trainer import TokenTrainer

    rows, survey = surveyed_rows(job.data, job.images, job.folder)
    settings = job.settings
    collator = Collator(
        rows,
        job.source,
        survey,
        model.config,
        packed=settings.batching == "packed",
        # With the LLM frozen, nothing in a batch without pictures would have a gradient.
        dummy_picture=settings.ranks > 1 or "llm" in settings.freeze,
    )
    trainer = TokenTrainer(
        model,
        arguments,
        settings=settings,
        batches=batches_of(settings, survey, job.steps),
        collator=collator,
        rows=len(rows),
        held_out=held_out_of(job, model, arguments.process_index, (rows, survey)),
        full_logits=full_logits,
        wants_stop=lambda: _asked.is_set() or (job.folder / STOP).exists(),
    )
    trainer.remove_callback(PrinterCallback)
    if state is not None:
        trainer.tokens, trainer.skipped = state.tokens, state.skipped
    if arguments.should_save:
        trainer.add_callback(LossLog(job, trainer, state.step if state else 0))
    return trainer


def problem_of(folder: Path) -> UserError | None:
    """What the training processes said was wrong."""
    try:
        told = json.loads((folder / PROBLEM).read_text(encoding="utf-8"))
        return UserError(told["message"], told["hint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
