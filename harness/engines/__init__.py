"""Engines: whatever turns requests into responses."""

from __future__ import annotations

from harness.engines._auto import auto_engine
from harness.engines._base import Engine, ModelInfo, Plan, read_settings
from harness.engines._constant import ConstantPlan, ConstantSettings
from harness.errors import UserError
from tasks import nearest

ENGINES = ("auto", "transformers", "constant")

__all__ = ["ENGINES", "Engine", "ModelInfo", "Plan", "check_engine", "plan_engine"]


def check_engine(name: str) -> None:
    """Refuse an unknown engine.

    Raises:
        UserError: With the nearest name and the list.
    """
    if name not in ENGINES:
        raise UserError(
            f"unknown engine {name!r}{nearest(name, ENGINES)}", f"Engines: {', '.join(ENGINES)}"
        )


def plan_engine(
    name: str,
    ref: str,
    args: dict[str, str],
    *,
    allow_pickle: bool = False,
    trust_remote_code: str | None = None,
) -> Plan:
    """Decide on an engine and check its model, without loading anything heavy.

    Args:
        name: One of `ENGINES`.
        ref: The model: a folder, a hub id, or the answer of `constant`.
        args: Engine settings as typed.
        allow_pickle: Accept pickled weights.
        trust_remote_code: Pinned revision of a checkpoint's own code.

    Raises:
        UserError: The model cannot be used, or a setting is wrong.
    """
    check_engine(name)
    if name == "constant":
        read_settings(ConstantSettings, args, name)
        return ConstantPlan(ref)
    from harness.engines._transformers import TransformersPlan, TransformersSettings
    from harness.models import open_checkpoint

    checkpoint = open_checkpoint(
        ref, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
    )
    why = "asked for"
    if name == "auto":
        choice = auto_engine(checkpoint.config.get("model_type"))
        gone = choice.engine not in ENGINES
        why = f"auto: this release has no {choice.engine} engine" if gone else choice.reason
    settings = read_settings(TransformersSettings, args, "transformers")
    return TransformersPlan(checkpoint, settings, why)
