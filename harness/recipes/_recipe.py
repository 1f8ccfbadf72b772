"""A whole recipe, and its `eval:` and `sweep:` sections."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.recipes._base import EngineArgs, Names, Section
from harness.recipes._synth import SynthRecipe
from harness.recipes._train import TrainRecipe


class EvalRecipe(Section):
    """What base and candidate are measured on."""

    tasks: Names
    retention: Names = ()
    """Tasks of general ability, such as `lmms_eval:mmmu_val`."""
    retention_data: str | None = None
    """Where their rows are; default: the hub if one of them is lmms-eval's, else as `data`."""
    compare_with: str | None = "base"
    """`base`, the reference of another model, or a run's folder; null: compare with nothing."""
    data: str | None = None
    """Folder of rows, or `sample`; default: the hub."""
    engine: str = "auto"
    engine_args: EngineArgs = Field(default_factory=dict)
    replicas: int = Field(default=1, ge=1)
    ray: str | None = None
    limit: int | None = Field(default=None, ge=1)
    max_new_tokens: int | None = Field(default=None, ge=1)
    images: Literal["given", "blank", "shuffled", "none"] = "given"
    max_failed: float = Field(default=0.01, ge=0, le=1)
    out: Path = Path("runs")


class Recipe(Section):
    """From captions to a compared candidate."""

    name: str
    """Names the work folder and the candidate."""
    base_model: str | None = None
    synth: SynthRecipe | None = None
    train: TrainRecipe | None = None
    eval: EvalRecipe | None = None
    sweep: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Name of a variant to its overrides, as `two_stage: {train.stages: two}`."""

    @field_validator("sweep", mode="before")
    @classmethod
    def _nothing_is_no_override(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {} if value is None else value
        return {name: {} if given is None else given for name, given in value.items()}

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", value):
            raise ValueError("must be letters, digits, dots, dashes and underscores (at most 100)")
        return value

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.synth is None and self.train is None and self.eval is None:
            raise ValueError("has none of synth, train and eval")
        return self
