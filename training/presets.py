"""Published settings, and the settings of one training run with where each came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from harness.errors import UserError
from harness.recipes import LoraRecipe, TrainRecipe

Origin = Literal["recipe", "preset", "default", "machine", "follows"]
Part = Literal["vision_encoder", "projector", "llm"]
PARTS: tuple[Part, ...] = ("vision_encoder", "projector", "llm")
EMBEDDINGS = "embeddings"
"""Of the LLM; can be frozen apart from it."""

LORA_RATE = 1e-4
"""Adapters start from nothing and are few: the rates of whole weights hardly move them."""


class Preset(NamedTuple):
    """Section 3 of the published protocol, one column."""

    fits: tuple[str, ...]
    """`model_type`s; none is any."""
    lr: float
    """LLM and projector."""
    lr_vision_encoder: float
    weight_decay: float
    warmup_ratio: float
    parallel: str
    device_batch: int
    epochs: float = 1.0
    loss: str = "assistant"
    first_stage: Mapping[str, Any] = MappingProxyType({})
    """What differs on captions alone, in two-stage training."""


_PROJECTOR_FIRST = MappingProxyType({"freeze": ("vision_encoder", "llm"), "lr_projector": 2e-3})
_LLAVA = Preset((), 2e-5, 2e-6, 0.0, 0.03, "zero3", 4, first_stage=_PROJECTOR_FIRST)
PRESETS: Mapping[str, Preset] = MappingProxyType({
    "synthesizer": _LLAVA._replace(epochs=2.0, loss="after_first"),
    "llava_v1_6": _LLAVA._replace(fits=("llava_next",)),
    "qwen2_vl": Preset(("qwen2_vl", "qwen2_5_vl"), 1e-5, 1e-5, 0.1, 0.1, "zero2", 8),
    "llama3_2_vision": Preset(("mllama",), 5e-6, 5e-6, 0.1, 0.1, "zero3", 2),
    # What the published runs share, and of the rest the careful choice.
    "generic": Preset((), 1e-5, 1e-5, 0.1, 0.1, "zero3", 1),
})  # fmt: skip
_SHARED: Mapping[str, Any] = MappingProxyType({
    "global_batch": 128, "max_length": 6144, "schedule": "cosine", "betas": (0.9, 0.999),
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything one run of the trainer needs to know; the names are the recipe's."""

    preset: str
    epochs: float
    max_steps: int | None
    global_batch: int
    device_batch: int
    accumulation: int
    gpus: int
    """Processes on a machine."""
    nodes: int
    max_length: int
    lr: float
    lr_projector: float
    lr_vision_encoder: float
    betas: tuple[float, float]
    weight_decay: float
    warmup_ratio: float
    schedule: str
    max_grad_norm: float
    freeze: tuple[Part | Literal["embeddings"], ...]
    loss: Literal["assistant", "after_first"]
    parallel: str
    dtype: str
    attn_implementation: str | None
    gradient_checkpointing: bool
    liger: bool
    device: str
    batching: Literal["by_length", "random", "packed"]
    lora: dict[str, Any] | None
    seed: int
    workers: int
    log_every: int
    save_every: int | None
    keep: int
    held_out: float | str | None
    choose: Literal["last", "best"]
    report_to: tuple[str, ...]
    check_all: bool
    on_gpu: bool
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """Processes on all machines."""
        return self.gpus * self.nodes

    @property
    def rates(self) -> dict[Part, float]:
        """Learning rate of each part."""
        vision, projector = self.lr_vision_encoder, self.lr_projector
        return {"vision_encoder": vision, "projector": projector, "llm": self.lr}

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """Read what `to_json` gave."""
        tuples = {name: tuple(values[name]) for name in ("betas", "freeze", "report_to")}
        return cls(**{**values, **tuples})

    @property
    def held_out_file(self) -> str | None:
        """Where `held_out` is a file, or a hub id, and no share of the data."""
        return self.held_out if isinstance(self.held_out, str) else None

    def determining(self) -> dict[str, Any]:
        """Those that the weights follow from, up to rounding: not how the work is spread."""
        found = {name: value for name, value in self.to_json().items() if name not in _SPREADING}
        if self.held_out_file is not None:
            found["held_out"] = "file"  # the stage knows it by its content
        # Which state is chosen hangs on when they are made.
        return {**found, "save_every": self.save_every} if self.choose == "best" else found


_SPREADING = frozenset((
    "device_batch", "accumulation", "gpus", "nodes", "parallel", "attn_implementation",
    "gradient_checkpointing", "liger", "workers", "log_every", "save_every", "keep", "report_to",
    "check_all", "on_gpu", "origins", "preset", "device",
))  # fmt: skip


def check_preset(recipe: TrainRecipe, model_type: str) -> Preset:
    """The recipe's preset.

    Raises:
        UserError: It is made for another architecture.
    """
    preset = PRESETS[recipe.preset]
    if preset.fits and model_type not in preset.fits:
        fitting = [name for name, other in PRESETS.items() if model_type in other.fits]
        raise UserError(
            f"train.preset: {recipe.preset} is for {' and '.join(preset.fits)}, but the base model "
            f"is {model_type}",
            f"Take `preset: {(*fitting, 'generic')[0]}`.",
        )
    return preset


def resolve(
    recipe: TrainRecipe, model_type: str, *, gpus_here: int, first_stage: bool = False
) -> Settings:
    """The settings of one run.

    Args:
        recipe: What is wanted.
        model_type: The base model's, from its `config.json`.
        gpus_here: GPUs of this machine. `device` may plan for others, or for none.
        first_stage: On captions alone, before the instruction tasks.

    Raises:
        UserError: A preset that does not fit, or a batch that cannot be divided.
    """
    preset = check_preset(recipe, model_type)
    if recipe.device != "auto":
        gpus_here = 0 if recipe.device == "cpu" else max(1, gpus_here)
    asked = {name for name in recipe.model_fields_set if getattr(recipe, name) is not None}
    from_preset = {
        **_SHARED,
        **{k: v for k, v in preset._asdict().items() if k not in ("fits", "first_stage")},
        "lr_projector": preset.lr,
    }
    by_stage = preset.first_stage if first_stage else {}
    from_preset.update(by_stage)
    if recipe.lora is not None:
        by_stage = {}
        from_preset.update(dict.fromkeys(("lr", "lr_projector", "lr_vision_encoder"), LORA_RATE))
    gpus = recipe.gpus or max(1, gpus_here)
    chosen: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name in _FROM_RECIPE:
        # Adapters have one rate, whatever part they are in.
        follower = name == "lr_projector" or (name == "lr_vision_encoder" and recipe.lora)
        if name in asked:
            chosen[name], origins[name] = getattr(recipe, name), "recipe"
        elif follower and "lr" in asked and name not in by_stage:
            chosen[name], origins[name] = recipe.lr, "follows"
        elif name in from_preset:
            chosen[name], origins[name] = from_preset[name], "preset"
        else:
            chosen[name], origins[name] = getattr(recipe, name), "default"
    _follow(chosen, origins, gpus=gpus, gpus_here=gpus_here)
    if recipe.lora is not None:
        chosen["lora"] = recipe.lora.model_dump(mode="json")
        _set(chosen, origins, "freeze", _not_adapted(recipe.lora), "follows")
    return Settings(preset=recipe.preset, on_gpu=gpus_here > 0, origins=origins, **chosen)


_FROM_RECIPE = tuple(
    f.name
    for f in dataclasses.fields(Settings)
    if f.name not in ("preset", "accumulation", "on_gpu", "origins")
)


def _not_adapted(lora: LoraRecipe) -> tuple[Part, ...]:
    return tuple(part for part in PARTS if part not in lora.parts)


def _set(
    chosen: dict[str, Any], origins: dict[str, Origin], name: str, value: Any, origin: Origin
) -> None:
    chosen[name], origins[name] = value, origin


def _follow(
    chosen: dict[str, Any], origins: dict[str, Origin], *, gpus: int, gpus_here: int
) -> None:
    """Fill in what follows from the machine and from other settings."""
    if origins["gpus"] != "recipe":
        _set(chosen, origins, "gpus", gpus, "machine")
    ranks = gpus * chosen["nodes"]
    if origins["parallel"] != "recipe" and ranks == 1:
        _set(chosen, origins, "parallel", "none", "machine")
    if chosen["dtype"] == "auto":
        _set(chosen, origins, "dtype", "bfloat16" if gpus_here else "float32", "machine")
    if chosen["gradient_checkpointing"] is None:
        _set(chosen, origins, "gradient_checkpointing", gpus_here > 0, "machine")
    share, left = divmod(chosen["global_batch"], ranks)
    if left or not share:
        near = max(ranks, round(chosen["global_batch"] / ranks) * ranks)
        raise UserError(
            f"train.global_batch: {chosen['global_batch']} cannot be divided by {ranks} processes",
            f"Take another number of GPUs, or `global_batch: {near}`.",
        )
    if chosen["batching"] == "packed":
        _set(chosen, origins, "device_batch", 1, "follows")
    elif origins["device_batch"] != "recipe":
        most = min(chosen["device_batch"], share)
        fits = next(size for size in range(most, 0, -1) if share % size == 0)
        if fits != chosen["device_batch"]:
            _set(chosen, origins, "device_batch", fits, "follows")
    elif share % chosen["device_batch"]:
        each = f"{chosen['device_batch']} x {ranks} processes"
        raise UserError(
            f"train.device_batch: {chosen['global_batch']} cannot be divided by {each}",
            f"Take a device_batch that divides {share}.",
        )
    _set(chosen, origins, "accumulation", share // chosen["device_batch"], "follows")


def without_effect(recipe: TrainRecipe, settings: Settings) -> list[str]:
    """What the recipe says that changes nothing, a line each."""
    asked = {name for name in recipe.model_fields_set if getattr(recipe, name) is not None}
    found = []
    rate_of: dict[str, Part] = {
        "lr": "llm", "lr_projector": "projector", "lr_vision_encoder": "vision_encoder",
    }  # fmt: skip
    for name, part in rate_of.items():
        frozen = part in settings.freeze
        if name in asked and frozen and not (name == "lr" and "projector" not in settings.freeze):
            found.append(f"train.{name}: has no effect, {part} is frozen")
    if "captions" in asked and recipe.stages == "single":
        found.append("train.captions: has no effect with stages: single")
    if "device_batch" in asked and settings.batching == "packed":
        found.append("train.device_batch: has no effect, packs are filled by tokens")
    if recipe.lora is not None and "freeze" in asked:
        found.append("train.freeze: has no effect with lora, which trains `lora.parts` alone")
    if settings.parallel.endswith("_offload") and not settings.on_gpu:
        found.append(f"train.parallel: {settings.parallel} moves nothing, there is no GPU")
    return found
