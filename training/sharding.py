"""DeepSpeed: its configurations, and how its processes find each other."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from harness.errors import UserError
from training.presets import Settings


def deepspeed_config(settings: Settings) -> dict[str, Any] | None:
    """The configuration of `parallel`; None without DeepSpeed.

    Raises:
        UserError: DeepSpeed is not installed.
    """
    if settings.parallel == "none":
        return None
    check_installed()
    text = resources.files("training").joinpath("deepspeed", f"{settings.parallel}.json")
    config: dict[str, Any] = json.loads(text.read_text(encoding="utf-8"))
    if not settings.on_gpu:
        # DeepSpeed's own Adam for offloaded states has to be compiled; PyTorch's is as good here.
        config["zero_force_ds_cpu_optimizer"] = False
    return config


def check_installed() -> None:
    """Refuse to go on without DeepSpeed.

    Raises:
        UserError: It is not installed.
    """
    from harness.environment import is_importable

    if not is_importable("deepspeed"):
        raise UserError(
            "train.parallel: DeepSpeed is not installed",
            "pip install 'domain-harness[train]', or set `parallel: none`.",
        )


def start_deepspeed(settings: Settings) -> None:
    """Let the processes find each other; to be called before the model is loaded."""
    import deepspeed

    if not settings.on_gpu:
        # A faster all-reduce for inference on CPUs. Compiling it takes tens of seconds and a
        # killed compiler leaves a lock behind; training does not use it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    backend = "nccl" if settings.on_gpu else "gloo"
    deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False)
