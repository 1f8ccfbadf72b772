"""What the training processes are told: one file, written by the process that starts them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.files import write_json
from training.batches import Batches, split
from training.masks import EncoderSource
from training.presets import Settings
from training.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOB_VERSION = 2
CHECKPOINT = "checkpoint"
STATES = "state"
LOSSES = "losses.jsonl"
HELD_OUT = "held_out"
"""Folder of the survey of another file whose loss is taken."""
HELD_OUT_LOSSES = "held_out.jsonl"
LOG = "log.txt"
STOP = "stop"
"""A file that asks for a state and an end."""
PROBLEM = "problem.json"
RECORD = "training.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the trainer: one folder, one checkpoint."""

    folder: Path
    base: Path
    """Folder of the checkpoint to start from."""
    data: str
    images: Path | None
    held_out: str | None
    """Another file whose loss is taken; None for a share of `data`, or nothing."""
    settings: Settings
    source: EncoderSource
    steps: int
    """Optimizer steps."""
    steps_an_epoch: int
    saved_dtype: str
    """Of the base's weights, and so of the result's."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What `training.json` says besides."""

    @property
    def checkpoint(self) -> Path:
        """Where the result goes."""
        return self.folder / CHECKPOINT

    @property
    def states(self) -> Path:
        """Where states to resume from go."""
        return self.folder / STATES

    @property
    def save_every(self) -> int:
        """Steps between states: as the recipe says, else a tenth of the run."""
        return self.settings.save_every or max(1, -(-self.steps // 10))

    def save(self) -> None:
        """Write `job.json`."""
        values = {
            "schema_version": JOB_VERSION,
            "base": str(self.base),
            "data": self.data,
            "images": str(self.images) if self.images else None,
            "held_out": self.held_out,
            "settings": self.settings.to_json(),
            "source": self.source.identity,
            "steps": self.steps,
            "steps_an_epoch": self.steps_an_epoch,
            "saved_dtype": self.saved_dtype,
            "facts": self.facts,
        }
        write_json(self.folder / "job.json", values)

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Read `job.json`.

        Raises:
            UserError: There is none, or it is another version's.
        """
        path = folder / "job.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("schema_version") != JOB_VERSION:
                raise ValueError("it is of another version")
            source = values.pop("source")
            pixels = source.pop("pixels")
            return cls(
                folder=folder,
                base=Path(values.pop("base")),
                images=Path(images) if (images := values.pop("images")) else None,
                settings=Settings.from_json(values.pop("settings")),
                source=EncoderSource(**source, pixels=tuple(pixels) if pixels else None),
                **values,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} cannot be read: {error}", "`harness train RECIPE` writes it."
            ) from error


def batches_of(settings: Settings, survey: Survey, steps: int | None = None) -> Batches:
    """The batches that a survey and settings make.

    Args:
        settings: Of the run.
        survey: Of its data.
        steps: Optimizer steps, where they are known: packs are planned for their epochs.
    """
    usable = split_of(settings, survey)[0]
    per_epoch = -(-len(usable) // settings.global_batch)
    wanted = steps or steps_of(settings, per_epoch)
    return Batches(
        survey.lengths,
        usable,
        mode=settings.batching,
        device_batch=settings.device_batch,
        ranks=settings.ranks,
        # Not the settings' own, which for packs is what was found to be needed.
        accumulation=settings.global_batch // (settings.device_batch * settings.ranks),
        seed=settings.seed,
        capacity=settings.max_length,
        epochs=-(-wanted // per_epoch),
    )


def split_of(settings: Settings, survey: Survey) -> tuple[NDArray[Any], NDArray[Any]]:
    """Indices of the rows that are trained on, and of those that are held out."""
    if isinstance(settings.held_out, float):
        return split(survey.usable, settings.held_out, settings.seed)
    return survey.usable, survey.usable[:0]


def steps_of(settings: Settings, steps_an_epoch: int) -> int:
    """Optimizer steps of a run."""
    if settings.max_steps is not None:
        return settings.max_steps
    # Rounded first: 3 x 1.1 must not become a step more.
    return max(1, int(-(-round(settings.epochs * steps_an_epoch, 6) // 1)))


def losses_of(folder: Path, name: str = LOSSES) -> list[Mapping[str, Any]]:
    """Logged steps, a torn last line left out."""
    found: list[Mapping[str, Any]] = []
    try:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "step" in entry:
            found.append(entry)
    return found
