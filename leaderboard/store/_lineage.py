"""Where a candidate comes from: the stages and the training record that its run points to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.export import LoadedRun

_MOST_BYTES = 16 * 1024 * 1024
_MOST_STAGES = 40
_LONGEST = 4_096
_METHODS = {
    "single": "single-stage",
    "two": "two-stage",
    "two_reusing_captions": "two-stage, reusing captions",
}


class Stage(NamedTuple):
    """A stage's folder and its `stage.json`."""

    path: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`generate`, `filter`, `train`, ..."""
        return str(self.record.get("stage") or self.path.name)


@dataclass(frozen=True)
class Lineage:
    """What is known; everything may be missing."""

    adapt: Mapping[str, Any] = field(default_factory=dict)
    """What `harness adapt` wrote into `run.json`."""
    stages: tuple[Stage, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    """`training.json`."""
    quality: Mapping[str, Any] = field(default_factory=dict)
    """`quality.json`."""
    card: str | None = None
    """The data card as it was written: Markdown."""

    @property
    def base_model(self) -> str | None:
        """Reference of the model it was made of."""
        base = self.training.get("base_model")
        found = base.get("ref") if isinstance(base, dict) else base
        found = found or self.adapt.get("base_model")
        return found if isinstance(found, str) and found else None

    @property
    def method(self) -> str | None:
        """Single-stage or two-stage, with the variant's name."""
        stages = self.training.get("stages")
        name = _METHODS.get(stages) if isinstance(stages, str) else None
        variant = self.adapt.get("variant")
        variant = None if variant == "recipe" else variant  # its name where there is no sweep
        parts = [part for part in (name, variant) if isinstance(part, str) and part]
        return ", ".join(parts) or None

    @property
    def data(self) -> str | None:
        """What it was trained on."""
        data = self.training.get("data")
        name = data.get("name") if isinstance(data, dict) else data
        return name if isinstance(name, str) and name else None

    @property
    def parameters(self) -> float | None:
        """Number of parameters."""
        parts = self.training.get("parameters")
        if not isinstance(parts, dict):
            return None
        sizes = [_number(part.get("all")) for part in parts.values() if isinstance(part, dict)]
        known = [size for size in sizes if size is not None]
        return sum(known) or None if len(known) == len(sizes) else None

    @property
    def training_seconds(self) -> float | None:
        """Time that training took."""
        return _number(self.training.get("seconds"))

    @property
    def retention(self) -> tuple[str, str] | None:
        """Names of the runs that show general ability before and after."""
        runs = self.adapt.get("runs")
        pair = runs.get("retention") if isinstance(runs, dict) else None
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(p, str) for p in pair)
        ):
            return None
        return Path(pair[0]).name, Path(pair[1]).name

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Step and loss."""
        found = self.training.get("losses")
        entries = found if isinstance(found, list) else []
        pairs = ((_number(e.get("step")), _number(e.get("loss"))) for e in entries
                 if isinstance(e, dict))  # fmt: skip
        return [(int(step), loss) for step, loss in pairs if step is not None and loss is not None]


def _number(value: Any) -> float | None:
    """A finite number; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def lineage_of(run: LoadedRun) -> Lineage:
    """Follow what a run says of its making, as far as it leads.

    `harness adapt` names the stages in `run.json`; a checkpoint that `harness train` wrote has its
    `training.json` in it.
    """
    adapt = run.record.get("adapt")
    adapt = dict(adapt) if isinstance(adapt, dict) else {}
    named = adapt.get("stages")
    folders = list(named.values()) if isinstance(named, dict) else []
    checkpoint = _existing(run, run.model.ref, "training.json")
    if checkpoint is not None:
        folders.append(str(checkpoint.parent))
    stages: dict[Path, Stage] = {}
    for folder in folders[:_MOST_STAGES]:
        path = _existing(run, folder, "stage.json")
        record = read_object(path / "stage.json") if path else {}
        if path is not None and record:
            stages.setdefault(path, Stage(path, record))
    return _put_together(run, adapt, tuple(stages.values()), checkpoint)


def _put_together(
    run: LoadedRun, adapt: Mapping[str, Any], stages: tuple[Stage, ...], checkpoint: Path | None
) -> Lineage:
    places = [checkpoint] if checkpoint else []
    places += [path for stage in stages for path in (stage.path / "checkpoint", stage.path)]
    data = _existing(run, adapt.get("data"), "README.md")
    cards = [data, *(stage.path for stage in stages if stage.name == "mix")]
    return Lineage(
        adapt=adapt,
        stages=stages,
        training=next((r for p in places if (r := read_object(p / "training.json"))), {}),
        quality=_quality(stages),
        card=next((text for p in cards if p and (text := _text(p / "README.md"))), None),
    )


def _quality(stages: tuple[Stage, ...]) -> Mapping[str, Any]:
    """The newest quality report beside the stages: `harness synth` makes it on demand."""
    roots = dict.fromkeys(stage.path.parent for stage in stages)
    files = (file for root in roots for file in root.glob("report-*/quality.json"))
    newest = sorted(files, key=_changed, reverse=True)
    return next((record for file in newest if (record := read_object(file))), {})


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _existing(run: LoadedRun, folder: Any, file: str) -> Path | None:
    """A folder that holds a file: as it is named, or from where the runs are."""
    if not isinstance(folder, str) or not 0 < len(folder) < _LONGEST or "\0" in folder:
        return None
    for root in (Path(), run.folder.path.parent.parent):
        try:
            if (root / folder / file).is_file():
                return (root / folder).resolve()
        except OSError:
            continue
    return None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none."""
    text = _text(path)
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
