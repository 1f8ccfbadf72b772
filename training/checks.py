"""Whether packages and machine can do what a recipe asks, before anything is read."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from training.presets import Settings


def gpus_here() -> int:
    """GPUs that PyTorch can use on this machine."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def check_software(settings: Settings, base: Path) -> None:
    """Refuse what packages are missing for, or cannot do.

    Args:
        settings: Of the run.
        base: Folder of the base model.

    Raises:
        UserError: Begins with the setting's name.
    """
    from harness.environment import is_importable
    from training.sharding import check_installed

    if settings.parallel != "none":
        check_installed()
    if settings.lora is not None and not is_importable("peft"):
        raise UserError("train.lora: peft is not installed", "pip install 'domain-harness[train]'")
    if settings.liger and not settings.on_gpu:
        raise UserError("train.liger: its kernels need a GPU", "Set `liger: false`.")
    if settings.liger and not is_importable("liger_kernel"):
        raise UserError("train.liger: liger-kernel is not installed", "pip install liger-kernel")
    _check_trackers(settings)
    if settings.batching == "packed":
        from transformers import AutoConfig

        from training.packing import check_packing

        check_packing(AutoConfig.from_pretrained(base), settings.attn_implementation)
    if settings.attn_implementation and (gpus_here() or not settings.on_gpu):
        _check_attention(base, settings.attn_implementation)


def _check_trackers(settings: Settings) -> None:
    if settings.report_to in ((), ("none",)):
        return
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    installed = get_available_reporting_integrations()
    for name in settings.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise UserError(f"train.report_to: {name} is unknown", f"transformers knows {known}.")
        if name not in installed:
            raise UserError(f"train.report_to: {name} is not installed", f"pip install {name}")


def _check_attention(base: Path, attention: str) -> None:
    """Ask transformers, before anything is read; flash attention has to be installed."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        config = AutoConfig.from_pretrained(base)
        with torch.device("meta"):
            AutoModelForImageTextToText.from_config(config, attn_implementation=attention)
    # Unknown names, missing packages and families that cannot: errors of many kinds.
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"train.attn_implementation: {line}") from error


def check_machine(settings: Settings) -> None:
    """Refuse what this machine has no GPUs for; of others the recipe's word is taken.

    Raises:
        UserError: More are wanted than there are.
    """
    here = gpus_here()
    if settings.on_gpu and settings.nodes == 1 and settings.gpus > here:
        raise UserError(
            f"train.gpus: {settings.gpus} wanted, but PyTorch finds {here} on this machine",
            "Set fewer `gpus`, or `device: cpu`; `--dry-run` plans for other machines.",
        )
