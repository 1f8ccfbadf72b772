"""The `synth:` section: from image-caption pairs to training conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.recipes._base import EngineArgs, Model, ModelUse, Names, Section, _named

Generator = Literal["synthesizer", "vision_llm", "text_llm", "rules"]
SynthesizerInput = Literal["image_and_caption", "image", "caption"]


class SeedRecipe(Section):
    """Seed data on which a synthesizer is tuned."""

    data: Path
    """JSONL with image, caption, instruction, precise and informative; or VisionFLAN's metadata."""
    images: Path | None = None
    """Folder of the pictures; default: beside `data`."""
    captions: Path | None = None
    """ALLaVA's captions and answers, joined to VisionFLAN by picture."""
    input: SynthesizerInput = "image_and_caption"
    """What the synthesizer sees: the ablation of its input."""
    blank: float = Field(default=0.1, ge=0, le=1)
    """Share of pictures replaced by a blank one."""
    held_out: float = Field(default=0.1, ge=0, lt=1)
    """Share of each task's rows that is kept for validation."""
    seed: int = 0


class TuneRecipe(Section):
    """Tuning a synthesizer before it generates."""

    seed_data: SeedRecipe
    base_model: str
    """Checkpoint the synthesizer is made from."""
    train: dict[str, object] = Field(default_factory=dict)
    """Training settings other than the `synthesizer` preset's."""
    engine: str = "auto"
    """Through which the tuned synthesizer generates."""
    engine_args: EngineArgs = Field(default_factory=dict)
    """As `--engine-arg` of `harness eval`."""


class SamplingRecipe(Section):
    """How generated text is drawn."""

    max_new_tokens: int = Field(default=512, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)


class FilterRecipe(ModelUse):
    """The consistency filter."""

    prompt: Literal["auto", "base", "instruct"] = "auto"
    """`base` continues a text with examples; `instruct` goes through the chat template."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Least probability of Yes among Yes, No and Open; None: Yes must be the likeliest."""


class DedupRecipe(Section):
    """Which pairs count as the same."""

    images: Literal["off", "exact", "near"] = "near"
    radius: int = Field(default=4, ge=0, le=16)
    """Bits of 64 in which two perceptual hashes may differ."""
    text: float | None = Field(default=0.9, gt=0, le=1)
    """Least Jaccard similarity of two captions' word triples that counts as a repetition, where
    the pictures are near too; None: texts are not compared."""


Filter = Annotated[FilterRecipe, BeforeValidator(_named)]


class SynthRecipe(Section):
    """From image-caption pairs to training conversations."""

    pairs: str
    """JSON or JSONL with image and caption, or messages and images; parquet; or a hub id."""
    images: Path | None = None
    """Folder that the pictures' paths start from; default: beside `pairs`."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first pairs."""
    seed: int = 0
    """Of every random choice: order, wording, blank pictures, sampling."""
    generator: Generator = "synthesizer"
    synthesizer: Model | None = None
    """Tuned model for `generator: synthesizer`."""
    tune: TuneRecipe | None = None
    """Make the synthesizer first, instead of naming one."""
    vision_llm: Model | None = None
    """Model for `generator: vision_llm`: sees picture and caption."""
    text_llm: Model | None = None
    """Model for `generator: text_llm`: sees the caption alone."""
    sampling: SamplingRecipe = SamplingRecipe()
    filter: Filter | None = None
    """Model that judges whether the two answers agree; null: nothing is filtered."""
    dedup: DedupRecipe | None = DedupRecipe()
    audit: Names = ()
    """Tasks and groups whose test rows must not be in the data."""
    audit_data: str | None = None
    """Where their rows are, as `--data` of `harness eval`."""
    audit_action: Literal["remove", "report"] = "remove"
    answers: Literal["both", "precise", "informative"] = "both"
    """What a task's training answer holds; reasoning then precise answer by default."""
    content: Literal["all", "tasks", "captions"] = "all"
    """Leave out the caption exchanges, or the tasks."""
    caption_position: Literal["random", "first", "last"] = "random"
    max_failed: float = Field(default=0.01, ge=0, le=1)
    """Share of a stage's rows on which an engine may fail."""
    judge: Model | None = None
    """Model that rates the data for the quality report; null: only what can be counted."""
    sources: Names = ()
    """Where the pairs come from, for the data card."""
    license: str | None = None
    """Licence of the pairs, for the data card."""

    @model_validator(mode="after")
    def _has_its_model(self) -> Self:
        if self.generator == "synthesizer" and not (self.synthesizer or self.tune):
            raise ValueError("generator synthesizer needs `synthesizer: MODEL` or `tune:`")
        if self.synthesizer and self.tune:
            raise ValueError("`synthesizer` names one and `tune` makes one: give one of them")
        if self.generator in ("vision_llm", "text_llm") and getattr(self, self.generator) is None:
            raise ValueError(f"generator {self.generator} needs `{self.generator}: MODEL`")
        return self
