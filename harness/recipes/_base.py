"""What every section of a recipe shares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """Part of a recipe: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )


def _as_typed(value: Any) -> Any:
    """Settings as typed on a command line: YAML has made numbers and booleans of some."""
    if isinstance(value, dict):
        return {name: _as_typed(each) for name, each in value.items()}
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


EngineArgs = Annotated[dict[str, str], BeforeValidator(_as_typed)]


class ModelUse(Section):
    """A model that answers, and the engine it answers through."""

    model: str
    """Folder, hub id (`org/name@revision`), or with `engine: openai` the served name."""
    engine: str = "auto"
    """`auto`, `transformers`, `vllm`, `openai`."""
    engine_args: EngineArgs = Field(default_factory=dict)
    """As `--engine-arg` of `harness eval`."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server."""
    replicas: int = Field(default=1, ge=1)
    """Engines side by side, through Ray."""
    ray: str | None = None
    """Address of a Ray cluster; `auto` is the one this machine is in."""
    allow_pickle: bool = False
    """Accept weights that are not safetensors."""
    trust_remote_code: str | None = None
    """Pinned revision of the checkpoint's own code that may run."""


def _named(value: Any) -> Any:
    """A model's name alone stands for the model with every setting at its default."""
    return {"model": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """One name stands for a list of one."""
    return [value] if isinstance(value, str) else value


Model = Annotated[ModelUse, BeforeValidator(_named)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
