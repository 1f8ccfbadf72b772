"""The final folder: weights, tokenizer, processor, chat template, generation settings, record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from harness.files import write_json
from training.job import RECORD, Job
from training.record import record_of

ADAPTER = "adapter"
_NOT_OURS = ("training_args.bin",)


def write_checkpoint(job: Job, trainer: Any, chosen: int, seconds: float) -> None:
    """Write `checkpoint/`, whole or not at all; all processes must call this together.

    Args:
        job: What was trained.
        trainer: At its end.
        chosen: Step of the weights that it now has.
        seconds: This process spent on it.
    """
    merging = job.settings.lora is not None and job.settings.lora["merge"]
    made = job.folder / (f".{ADAPTER}" if merging else ".checkpoint")
    if trainer.args.should_save:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
    trainer.accelerator.wait_for_everyone()
    _write_weights(job, trainer, made)
    if trainer.args.should_save:
        record = record_of(job, trainer, chosen, seconds)
        write_json(job.folder / RECORD, record)
        if not merging:
            complete(job, made)
    trainer.accelerator.wait_for_everyone()


def complete(job: Job, made: Path) -> None:
    """Add what weights alone lack, and put the folder in its place."""
    _write_processor(job, made)
    shutil.copyfile(job.folder / RECORD, made / RECORD)
    shutil.rmtree(job.checkpoint, ignore_errors=True)
    made.rename(job.checkpoint)
    # Done: nothing will be resumed, and states are six times the weights.
    shutil.rmtree(job.states, ignore_errors=True)


def _write_weights(job: Job, trainer: Any, folder: Path) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    weights = None
    if trainer.is_deepspeed_enabled:
        weights = trainer.accelerator.get_state_dict(trainer.deepspeed)
    if not trainer.args.should_save:
        return
    model.config.use_cache = True
    if job.settings.lora is None:
        weights = _as_stored(weights or model.state_dict(), job.saved_dtype)
        model.config.dtype = job.saved_dtype
    model.save_pretrained(folder, state_dict=weights)
    for name in _NOT_OURS:
        (folder / name).unlink(missing_ok=True)


def _as_stored(weights: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Weights in the dtype that the base has on disk; shared ones stay shared."""
    import torch

    wanted = getattr(torch, dtype)
    known: dict[tuple[int, Any], Any] = {}
    stored = {}
    for name, tensor in weights.items():
        key = tensor.data_ptr(), tensor.shape
        if key not in known:
            known[key] = tensor.to(wanted) if tensor.is_floating_point() else tensor
        stored[name] = known[key]
    return stored


def _write_processor(job: Job, folder: Path) -> None:
    """As it was trained with; the base's own files where they say more."""
    encoder = job.source.load()
    encoder.processor.save_pretrained(folder)
    settings: dict[str, Any] = {}
    own = job.base / "generation_config.json"
    if own.is_file():
        settings = json.loads(own.read_text(encoding="utf-8"))
    given = settings.get("eos_token_id", encoder.processor.tokenizer.eos_token_id)
    ends = [int(i) for i in (given if isinstance(given, list) else [given]) if i is not None]
    if encoder.end_of_turn is not None:
        ends = list(dict.fromkeys([encoder.end_of_turn, *ends]))
    if ends:
        settings["eos_token_id"] = ends if len(ends) > 1 else ends[0]
    settings.setdefault("pad_token_id", encoder.processor.tokenizer.pad_token_id)
    write_json(folder / "generation_config.json", settings)


def merge(job: Job) -> None:
    """Add trained adapters into the base's weights and write `checkpoint/`.

    In a process of its own: under ZeRO-3 no process ever holds all weights.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    adapter = job.folder / f".{ADAPTER}"
    model = AutoModelForImageTextToText.from_pretrained(
        job.base, dtype=getattr(torch, job.saved_dtype), use_safetensors=True
    )
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.generation_config = type(merged.generation_config)()
    made = job.folder / ".checkpoint"
    shutil.rmtree(made, ignore_errors=True)
    merged.save_pretrained(made)
    kept = job.folder / ADAPTER
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(adapter, kept)
    complete(job, made)
    shutil.rmtree(adapter, ignore_errors=True)


def is_merging(job: Job) -> bool:
    """Whether adapters are trained, and are still to be merged."""
    return (job.folder / f".{ADAPTER}").is_dir() and (job.folder / RECORD).is_file()
