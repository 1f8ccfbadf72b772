"""What every engine that loads a checkpoint itself has to decide before loading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from harness.engines._base import ModelInfo
from harness.engines._chat import default_system
from harness.engines._pixels import pixel_bounds
from harness.models import Checkpoint

_DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class CheckpointSettings:
    """`--engine-arg` that all such engines share."""

    dtype: str = "auto"
    """`auto`: bfloat16 on a GPU, float32 on a CPU."""
    max_model_len: int = 6144
    """Tokens of prompt and answer together; less where the model has less."""
    min_pixels: int | None = None
    max_pixels: int | None = None
    """Bounds on a picture's pixels (Qwen2-VL)."""

    def __post_init__(self) -> None:
        """Check what can be checked without the model."""
        if self.max_model_len < 1:
            raise ValueError("max_model_len must be greater than 0")
        if self.dtype not in _DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}")


@dataclass(frozen=True)
class CheckpointPlan:
    """A checkpoint that is checked but not loaded."""

    checkpoint: Checkpoint
    settings: CheckpointSettings = field(default_factory=CheckpointSettings)
    why: str = "asked for"
    name: ClassVar[str]

    @property
    def model(self) -> ModelInfo:
        """Name and fingerprint of the checkpoint."""
        mine = self.checkpoint
        return ModelInfo(mine.ref, mine.name, mine.revision, mine.fingerprint)

    @cached_property
    def dtype(self) -> str:
        """The resolved dtype."""
        if self.settings.dtype != "auto":
            return self.settings.dtype
        return "bfloat16" if self.on_gpu else "float32"

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU will be used."""
        import torch

        return torch.cuda.is_available()

    @cached_property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        config = self.checkpoint.config
        text = config.get("text_config")
        places = (text if isinstance(text, dict) else {}, config)
        found = (place.get("max_position_embeddings") for place in places)
        own = next((n for n in found if isinstance(n, int) and n > 0), None)
        return min(self.settings.max_model_len, own) if own else self.settings.max_model_len

    @cached_property
    def sees(self) -> bool:
        """Whether it reads pictures; pure language models serve synthesis and its filter."""
        from transformers.models.auto import modeling_auto as auto

        kind = self.checkpoint.config.get("model_type")
        seeing: Any = auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        return kind in seeing or kind not in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    @cached_property
    def pixels(self) -> tuple[int, int] | None:
        """Bounds on a picture's pixels that differ from the checkpoint's own."""
        return pixel_bounds(self.checkpoint, self.settings.min_pixels, self.settings.max_pixels)

    @cached_property
    def system(self) -> str | None:
        """The published protocol's system text for this family."""
        return default_system(str(self.checkpoint.config.get("model_type")))

    @property
    def identity(self) -> dict[str, Any]:
        """What moves answers; batch size and devices do not."""
        return {
            "engine": self.name,
            "dtype": self.dtype,
            "max_model_len": self.context,
            "pixels": list(self.pixels) if self.pixels else None,
            "system": self.system,
        }
