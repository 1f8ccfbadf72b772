"""The model that is trained, with what is frozen and with adapters."""

from __future__ import annotations

from typing import Any

from harness.errors import UserError
from training.cross_attention import blind_text_rows
from training.job import Job
from training.parts import adapter_targets, freeze


def load_model(job: Job) -> Any:
    """Load the base model; frozen, with adapters and in the dtype that the settings say.

    Raises:
        UserError: It cannot be loaded, or packing does not work for it.
    """
    import torch
    from transformers import AutoModelForImageTextToText, set_seed

    settings = job.settings
    set_seed(settings.seed)
    extra: dict[str, Any] = {}
    if settings.attn_implementation:
        extra["attn_implementation"] = settings.attn_implementation
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            job.base, dtype=getattr(torch, _loaded_dtype(job)), use_safetensors=True, **extra
        )
    # from_pretrained raises OSError, ValueError, ImportError, RuntimeError and more.
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{job.base} cannot be loaded: {line}") from error
    blind_text_rows(model)
    # Some published generation settings contradict each other, and are refused when written.
    model.generation_config = type(model.generation_config)()
    if settings.lora is None:
        freeze(model, settings)
        return model
    return _with_adapters(model, settings.lora)


def _loaded_dtype(job: Job) -> str:
    """DeepSpeed keeps a copy in 32 bits itself; without it the weights have to be that."""
    settings = job.settings
    half_is_enough = settings.parallel != "none" or settings.lora is not None
    return settings.dtype if half_is_enough else "float32"


def _with_adapters(model: Any, lora: dict[str, Any]) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=adapter_targets(model, lora["parts"]),
        bias="none",
    )
    model.enable_input_require_grads()
    return get_peft_model(model, config)
