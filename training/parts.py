"""Vision encoder, projector, LLM: which parameter belongs to which, and what each one gets."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from training.presets import EMBEDDINGS, PARTS, Part, Settings

# Whole names of modules, wherever they stand in a path. A projector may lie inside the vision
# encoder (Qwen2-VL's `visual.merger`), so it is looked for first.
_PROJECTOR = (
    "merger", "deepstack_merger_list", "multi_modal_projector", "mm_projector", "projector",
    "vision_projection", "modality_projection", "connector", "aligner", "image_newline",
)  # fmt: skip
_VISION = (
    "visual", "vision_tower", "vision_model", "vision_encoder", "image_encoder", "image_tower",
    "vision_backbone", "vision",
)  # fmt: skip


def part_of(name: str) -> Part:
    """The part that a parameter belongs to, by the modules on its path."""
    modules = name.split(".")
    if any(module in _PROJECTOR for module in modules):
        return "projector"
    if any(module in _VISION for module in modules):
        return "vision_encoder"
    return "llm"


class Tensor(NamedTuple):
    """A weight on disk."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As safetensors has it: `BF16`, `F32`, ..."""

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def tensors_on_disk(folder: Path) -> list[Tensor]:
    """A checkpoint's weights from the headers of its safetensors files; none where it has none.

    Raises:
        UserError: A file cannot be read.
    """
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, 100_000_000)))
            for name, facts in header.items():
                if name != "__metadata__":
                    found.append(Tensor(name, tuple(facts["shape"]), str(facts["dtype"])))
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise UserError(f"{path} is no readable safetensors file: {error}") from error
    return found


def sizes_of(tensors: Iterable[Tensor]) -> dict[Part, int]:
    """Number of weights of each part."""
    sizes = dict.fromkeys(PARTS, 0)
    for tensor in tensors:
        sizes[part_of(tensor.name)] += tensor.size
    return sizes


def check_parts(sizes: Mapping[Part, int], settings: Settings) -> None:
    """Refuse to treat apart what has no weights.

    Raises:
        UserError: A part that the recipe names has no parameters, or none is left to train.
    """
    if not any(sizes.values()):
        return  # no safetensors to look into
    named = {"lr_projector": "projector", "lr_vision_encoder": "vision_encoder"}
    for setting, part in named.items():
        if settings.origins.get(setting) == "recipe" and not sizes[part]:  # type: ignore[index]
            raise UserError(f"train.{setting}: the base model has no {part} that is known by name")
    for part in PARTS:
        frozen = part in settings.freeze and settings.origins.get("freeze") == "recipe"
        if frozen and not sizes[part]:
            raise UserError(f"train.freeze: the base model has no {part} that is known by name")
    if not trained_on_disk(sizes, settings):
        raise UserError("train.freeze: nothing is left to train")


def freeze(model: Any, settings: Settings) -> None:
    """Leave only the parts that are trained with gradients, on a model without adapters."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) not in settings.freeze)
    if EMBEDDINGS in settings.freeze:
        model.get_input_embeddings().requires_grad_(False)


def parameter_groups(
    model: Any, settings: Settings, decayed: Iterable[str]
) -> list[dict[str, Any]]:
    """AdamW's groups: a learning rate a part, and no decay on norms and biases.

    Args:
        model: With the parameters that are trained asking for gradients.
        settings: Rates and decay.
        decayed: Names of the parameters that decay.

    Returns:
        Groups with `params`, `lr`, `weight_decay`, `part` and `names`; none is empty.
    """
    decays = set(decayed)
    groups: dict[tuple[Part, bool], dict[str, Any]] = {}
    # The LLM first: its rate is the one that is shown.
    for part in reversed(PARTS):
        for decay in (True, False):
            groups[part, decay] = {
                "params": [],
                "lr": settings.rates[part],
                "weight_decay": settings.weight_decay if decay else 0.0,
                "part": part,
                "names": [],
            }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            group = groups[part_of(name), name in decays]
            group["params"].append(parameter)
            group["names"].append(name)
    return [group for group in groups.values() if group["params"]]


def adapter_targets(model: Any, parts: Iterable[str]) -> str:
    """A pattern of the linear layers of some parts, for peft; the output layer is left out.

    Raises:
        UserError: There are none.
    """
    from torch import nn

    output = model.get_output_embeddings()
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output and part_of(name) in set(parts)
    ]
    if not names:
        raise UserError(f"train.lora.parts: no linear layers in {', '.join(parts)}")
    return "|".join(re.escape(name) for name in names)


def trained_on_disk(sizes: Mapping[Part, int], settings: Settings) -> int:
    """Weights of the parts that are trained; frozen embeddings are not taken off."""
    return sum(sizes[part] for part in PARTS if part not in settings.freeze)


def trained_sizes(model: Any) -> dict[Part, tuple[int, int]]:
    """Parameters of each part: all, and those that are trained."""
    sizes = dict.fromkeys(PARTS, (0, 0))
    for name, parameter in model.named_parameters():
        # ZeRO-3 leaves an empty tensor where a parameter is spread over the ranks.
        count = getattr(parameter, "ds_numel", parameter.numel())
        part = part_of(name)
        whole, trained = sizes[part]
        sizes[part] = (whole + count, trained + count * parameter.requires_grad)
    return sizes
