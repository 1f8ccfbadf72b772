"""Engines: whatever turns requests into responses."""

from __future__ import annotations

from harness.engines._auto import auto_engine
from harness.engines._base import Engine, ModelInfo, ModelSettings, Plan, read_settings
from harness.engines._constant import ConstantPlan, ConstantSettings
from harness.engines._majority import MajorityPlan, MajoritySettings
from harness.errors import UserError
from tasks import nearest

ENGINES = ("auto", "transformers", "vllm", "openai", "constant", "majority")

__all__ = [
    "ENGINES",
    "Engine",
    "ModelInfo",
    "ModelSettings",
    "Plan",
    "check_engine",
    "check_settings",
    "plan_engine",
    "plan_model",
]


def check_engine(name: str) -> None:
    """Refuse an unknown engine.

    Raises:
        UserError: With the nearest name and the list.
    """
    if name not in ENGINES:
        raise UserError(
            f"unknown engine {name!r}{nearest(name, ENGINES)}", f"Engines: {', '.join(ENGINES)}"
        )


def check_settings(name: str, args: dict[str, str]) -> None:
    """Refuse an unknown engine, and settings that it does not have.

    Raises:
        UserError: With the nearest name and the list. What `auto` will take is not known yet.
    """
    check_engine(name)
    if name == "openai":
        from harness.engines._openai import OpenAISettings

        read_settings(OpenAISettings, args, name)
    elif name == "vllm":
        from harness.engines._vllm import VllmSettings

        read_settings(VllmSettings, args, name)
    elif name == "transformers":
        from harness.engines._transformers import TransformersSettings

        read_settings(TransformersSettings, args, name)
    elif name != "auto":
        read_settings(ConstantSettings if name == "constant" else MajoritySettings, args, name)


def plan_engine(
    name: str,
    ref: str,
    args: dict[str, str],
    *,
    base_url: str | None = None,
    replicas: int = 1,
    ray: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: str | None = None,
) -> Plan:
    """Decide on an engine and check its model, without loading anything heavy.

    Args:
        name: One of `ENGINES`.
        ref: The model: a folder, a hub id, a served name (`openai`), the answer of `constant`, or
            `majority` (of the engine of that name, which has no other).
        args: Engine settings as typed.
        base_url: Address of the server (`openai` only).
        replicas: How many engines work side by side.
        ray: Address of a Ray cluster (`auto` finds one); None keeps to this machine.
        allow_pickle: Accept pickled weights.
        trust_remote_code: Pinned revision of a checkpoint's own code.

    Raises:
        UserError: The model cannot be used, or a setting is wrong.
    """
    check_engine(name)
    if (replicas > 1 or ray is not None) and name in ("constant", "majority", "openai"):
        raise UserError(f"--replicas and --ray are for engines that load a model, not for {name}")
    if base_url is not None and name != "openai":
        raise UserError("--base-url is the address of a server: add --engine openai")
    if name == "constant":
        read_settings(ConstantSettings, args, name)
        return ConstantPlan(ref)
    if name == "majority":
        read_settings(MajoritySettings, args, name)
        if ref != "majority":
            raise UserError(
                f"--model {ref}: the majority baseline has no model",
                "Leave --model out; --engine constant --model TEXT answers a text of your own.",
            )
        return MajorityPlan()
    if name == "openai":
        from harness.engines._openai import DEFAULT_BASE_URL, OpenAIPlan, OpenAISettings

        served = read_settings(OpenAISettings, args, name)
        # An empty address is a variable that is not set, and no reason to send rows to OpenAI.
        address = DEFAULT_BASE_URL if base_url is None else base_url
        return OpenAIPlan(ref, address.rstrip("/"), served)
    from harness.models import open_checkpoint

    checkpoint = open_checkpoint(
        ref, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
    )
    why = "asked for"
    if name == "auto":
        name, why = auto_engine(checkpoint.config.get("model_type"))
    if name == "vllm":
        from harness.engines._vllm import VllmPlan, VllmSettings

        vllm = VllmPlan(checkpoint, read_settings(VllmSettings, args, name), why)
        return _replicated(vllm, replicas, ray)
    from harness.engines._transformers import TransformersPlan, TransformersSettings

    settings = read_settings(TransformersSettings, args, name)
    return _replicated(TransformersPlan(checkpoint, settings, why), replicas, ray)


def plan_model(use: ModelSettings) -> Plan:
    """`plan_engine` for a model as a recipe or a command names it.

    Raises:
        UserError: As `plan_engine`.
    """
    return plan_engine(
        use.engine,
        use.model,
        use.engine_args,
        base_url=use.base_url,
        replicas=use.replicas,
        ray=use.ray,
        allow_pickle=use.allow_pickle,
        trust_remote_code=use.trust_remote_code,
    )


def _replicated(plan: Plan, replicas: int, ray: str | None) -> Plan:
    if replicas == 1 and ray is None:
        return plan
    from harness.engines._ray import ReplicatedPlan

    return ReplicatedPlan(plan, replicas, ray)
