"""Where a candidate comes from: the stages and the training record that its run points to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
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
    checkpoint: Path | None = None
    part: str = "tasks"
    """Which of the report's comparisons is this one's: `first_stage` of the first of two."""

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
        pair = _runs(self.adapt).get("retention")
        if self.part != "tasks" or not isinstance(pair, list) or len(pair) != 2:
            return None
        before, after = map(_name, pair)
        return (before, after) if before and after else None

    @property
    def reference(self) -> str | None:
        """Name of the run that `harness adapt` compared it with."""
        return _name(_runs(self.adapt).get("reference"))

    @property
    def funnel(self) -> list[Mapping[str, Any]]:
        """Rows in and out of every stage; from `run.json` where the stages' folders are gone."""
        if self.stages:
            return [
                {**stage.record, "stage": stage.name, "folder": stage.path} for stage in self.stages
            ]
        found = self.adapt.get("funnel")
        return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Step and loss."""
        found = self.training.get("losses")
        entries = found if isinstance(found, list) else []
        pairs = ((_number(e.get("step")), _number(e.get("loss"))) for e in entries
                 if isinstance(e, dict))  # fmt: skip
        return [(int(step), loss) for step, loss in pairs if step is not None and loss is not None]

    def report(self) -> tuple[str | None, Mapping[str, Any]]:
        """The verdict's page, and its comparison as `harness compare --json` gives it."""
        page = _text(self.checkpoint / "README.md") if self.checkpoint else None
        variant = self.adapt.get("variant")
        if not isinstance(variant, str) or Path(variant).name != variant:
            return page, {}
        for root in dict.fromkeys(stage.path.parent for stage in self.stages):
            report = read_object(root / variant / "report.json")
            # Another loop of the same name may have written over it.
            if report and _runs(report) == _runs(self.adapt):
                compared = report.get("comparisons")
                found = compared.get(self.part) if isinstance(compared, dict) else None
                return page or _text(root / variant / "report.md"), (
                    found if isinstance(found, dict) else {}
                )
        return page, {}

    def card(self) -> str | None:
        """The data card as it was written: Markdown."""
        made = [s.path for s in self.stages if s.name in ("audit", "mix")]
        return next((text for path in made if (text := _text(path / "README.md"))), None) or (
            _text(self.checkpoint / "DATA_CARD.md") if self.checkpoint else None
        )

    def quality(self) -> Mapping[str, Any]:
        """The newest quality report of these triplets: `harness synth` makes it on demand."""
        triplets = {_outputs(stage).get("triplets.jsonl") for stage in self.stages} - {None}
        roots = dict.fromkeys(stage.path.parent for stage in self.stages if triplets)
        files = (file for root in roots for file in root.glob("report-*/quality.json"))
        for file in sorted(files, key=_changed, reverse=True):
            inputs = read_object(file.parent / "stage.json").get("inputs")
            # Variants of a sweep share a folder: a report may be another one's.
            if isinstance(inputs, dict) and triplets <= {*map(str, inputs.values())}:
                return read_object(file)
        return {}


def _outputs(stage: Stage) -> Mapping[str, str]:
    found = stage.record.get("outputs")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _runs(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("runs")
    return found if isinstance(found, dict) else {}


def _name(path: Any) -> str | None:
    """Name of a folder."""
    return Path(path).name or None if isinstance(path, str) else None


def _number(value: Any) -> float | None:
    """A finite number; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def lineage_of(runs: Sequence[LoadedRun]) -> Lineage:
    """Follow what a candidate's runs say of its making, as far as it leads.

    `harness adapt` names the stages in `run.json`; a checkpoint that `harness train` wrote has its
    `training.json` in it.
    """
    run = next((run for run in runs if isinstance(run.record.get("adapt"), dict)), runs[0])
    found = run.record.get("adapt")
    adapt: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
    named = adapt.get("stages")
    folders = list(named.values()) if isinstance(named, dict) else []
    checkpoint = _existing(run, run.model.ref, "training.json")
    if checkpoint is not None:
        folders.append(str(checkpoint.parent))
    stages: dict[str, Stage] = {}
    for folder in folders[:_MOST_STAGES]:
        path = _existing(run, folder, "stage.json")
        record = read_object(path / "stage.json") if path else {}
        if path is not None and record:
            # The checkpoint itself knows best which training made it.
            stages[str(record.get("stage") or path.name)] = Stage(path, record)
    if checkpoint is None and "train" in stages:
        checkpoint = stages["train"].path / "checkpoint"
    first = _name(_runs(adapt).get("first_stage"))
    return Lineage(
        adapt=adapt,
        stages=tuple(stages.values()),
        training=read_object(checkpoint / "training.json") if checkpoint else {},
        checkpoint=checkpoint,
        part="first_stage" if first in {one.folder.id for one in runs} else "tasks",
    )


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
