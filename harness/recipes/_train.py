"""The `train:` section: from conversations to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.recipes._base import Names, Section

Preset = Literal["synthesizer", "llava_v1_6", "qwen2_vl", "llama3_2_vision", "generic"]
Stages = Literal["single", "two", "two_reusing_captions"]
Parallel = Literal["none", "zero1", "zero2", "zero3", "zero2_offload", "zero3_offload"]
Part = Literal["vision_encoder", "projector", "llm"]
Frozen = Literal["vision_encoder", "projector", "llm", "embeddings"]


def _share_or_file(value: Any) -> Any:
    # Two types tried one after the other would be two messages about one mistake.
    if isinstance(value, (int, float)) and not 0 < value < 1:
        raise ValueError("a share lies between 0 and 1")
    return value


Beta = Annotated[float, Field(ge=0, lt=1)]
HeldOut = Annotated[float | str | None, BeforeValidator(_share_or_file)]


class LoraRecipe(Section):
    """Low-rank adapters instead of all weights."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    merge: bool = True
    """Add the adapters into the weights at the end, so that the checkpoint loads as any other."""
    parts: tuple[Part, ...] = Field(default=("llm",), min_length=1)
    """Whose linear layers get adapters; everything else is frozen."""


class TrainRecipe(Section):
    """From conversations to a checkpoint. What is null comes from the preset."""

    preset: Preset = "generic"
    base_model: str | None = None
    """Checkpoint to start from; default: the recipe's."""
    data: str | None = None
    """messages + images: JSON, JSONL, parquet or a hub id. In an adapt recipe, what synth made."""
    images: Path | None = None
    """Folder that the pictures' paths start from; default: beside `data`."""
    captions: str | None = None
    """Two stages: the first one's conversations, `data` being the second's. Default: where `data`
    is the `train.jsonl` of `harness synth`, the files beside it."""
    also: str | None = None
    """In an adapt recipe: more conversations, such as general tasks, beside what synth made."""
    also_images: Path | None = None
    """Folder that their pictures' paths start from; default: beside `also`."""
    stages: Stages = "single"
    parallel: Parallel | None = None
    """DeepSpeed's ZeRO stage; null: the preset's on several GPUs, none in a single process."""
    device: Literal["auto", "gpu", "cpu"] = "auto"
    """`auto`: GPUs where this machine has some. `gpu` on a machine without any plans for others:
    `--dry-run`, or with `nodes` the commands to run there."""
    gpus: int | None = Field(default=None, ge=1)
    """Processes on a machine, one a GPU; null: all GPUs, or one process without any."""
    nodes: int = Field(default=1, ge=1)
    """Machines. With more than one, `harness train` prepares and prints what to run on them."""
    epochs: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps, instead of epochs."""
    global_batch: int | None = Field(default=None, ge=1)
    """Conversations an optimizer step; accumulation follows from it."""
    device_batch: int | None = Field(default=None, ge=1)
    """Conversations a GPU holds at a time."""
    max_length: int | None = Field(default=None, ge=16)
    """Tokens of a conversation, image tokens included."""
    lr: float | None = Field(default=None, gt=0)
    """Of the LLM, and of what has no rate of its own."""
    lr_projector: float | None = Field(default=None, gt=0)
    lr_vision_encoder: float | None = Field(default=None, gt=0)
    betas: tuple[Beta, Beta] | None = None
    """AdamW's."""
    weight_decay: float | None = Field(default=None, ge=0)
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    schedule: Literal["cosine", "linear", "constant"] | None = None
    max_grad_norm: float = Field(default=1.0, gt=0)
    freeze: tuple[Frozen, ...] = ()
    """Parts that stay as they are. `embeddings` are the LLM's input embeddings, and the output
    layer where it shares their weights."""
    loss: Literal["assistant", "after_first"] | None = None
    """`assistant`: the assistant's turns; `after_first`: everything after the first exchange, the
    user's turns too (how a synthesizer learns to ask)."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto`: bfloat16 on a GPU, float32 on a CPU."""
    attn_implementation: str | None = None
    gradient_checkpointing: bool | None = None
    """null: on a GPU yes, on a CPU no."""
    liger: bool = False
    """Fused kernels of the liger-kernel package."""
    batching: Literal["by_length", "random", "packed"] = "by_length"
    lora: LoraRecipe | None = None
    seed: int = 42
    workers: int = Field(default=2, ge=0)
    """Processes that decode and tokenize."""
    log_every: int = Field(default=1, ge=1)
    save_every: int | None = Field(default=None, ge=1)
    """Optimizer steps between states to resume from; null: ten a run."""
    keep: int = Field(default=1, ge=1)
    """How many of those states are kept; the best one besides, with `choose: best`."""
    held_out: HeldOut = None
    """Conversations that are not trained on; their loss is taken with every state. A share of
    `data` (0.02), or another file of the same forms."""
    choose: Literal["last", "best"] = "last"
    """The state that becomes the checkpoint: the last, or the one with the least loss on
    `held_out`."""
    report_to: Names = ()
    """Trackers that transformers knows: tensorboard, wandb, ..."""
    check_all: bool = False
    """Look at every conversation before the first step, instead of a sample."""

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        whole, part = self.global_batch, self.device_batch
        ranks = (self.gpus or 1) * self.nodes
        if whole is not None and part is not None and whole % (part * ranks):
            times = f"{part} x {ranks} processes" if ranks > 1 else str(part)
            raise ValueError(f"global_batch {whole} cannot be divided by {times}")
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError("give epochs or max_steps, not both")
        if self.choose == "best" and self.held_out is None:
            raise ValueError("choose: best needs held_out, a share of the data (0.02) or a file")
        return self
