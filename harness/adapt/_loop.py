"""One variant's loop: evaluate, synthesize, train, evaluate again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.adapt._commands import (
    eval_command,
    retention_section,
    synth_command,
    synth_stages,
    train_command,
    write_together,
)
from harness.adapt._inputs import base_of, is_run, reference_of
from harness.adapt._processes import Ended, StageFailed
from harness.adapt._stages import (
    StageDone,
    read_record,
    run_stage,
    stamps,
    synth_stage,
    train_stage,
)
from harness.adapt._variants import Variant
from harness.files import replacing
from harness.progress import note
from harness.recipes import EvalRecipe
from harness.runs import RunFolder

AFTER_FIRST = "eval_first_stage"
_TITLES = {"tune": "tune_synthesizer"}
_TOO_MANY = 1
"""Exit code of a command that ran to its end, but failed on too many rows."""


@dataclass
class Candidate:
    """What a variant has come to."""

    variant: Variant
    folder: Path
    """Of the variant: recipe, report."""
    stages: list[StageDone] = field(default_factory=list)
    reference: RunFolder | None = None
    run: RunFolder | None = None
    first_stage: RunFolder | None = None
    """Evaluation of the first of two training stages."""
    retention: tuple[RunFolder, RunFolder] | None = None
    """Of reference and candidate; equal where there is nothing to compare with."""
    checkpoint: Path | None = None

    def stage(self, name: str) -> StageDone | None:
        """A finished stage, by its name."""
        return next((each for each in self.stages if each.stage == name), None)

    @property
    def data(self) -> StageDone | None:
        """The stage whose files were trained on; None for the recipe's own data."""
        return self.stage("audit") or self.stage("mix")


@dataclass
class Loop:
    """Follows variants one after the other; what two of them share is asked for once.

    Args:
        work: Root of all recipes' stages.
        call: Runs a command in a process of its own.
    """

    work: Path
    call: Callable[[Sequence[str]], Ended]
    _known: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _failed: dict[tuple[str, ...], StageFailed] = field(default_factory=dict)

    def follow(self, variant: Variant) -> Candidate:
        """Make everything a variant asks for, or reuse it where it stands.

        Raises:
            StageFailed: A stage ended without its output.
        """
        name = variant.recipe.name
        candidate = Candidate(variant, self.work / name / variant.name)
        recipe = candidate.folder / "recipe.yaml"
        with replacing(recipe) as temporary:
            text = yaml.safe_dump(variant.values, sort_keys=False, allow_unicode=True)
            temporary.write_text(text, encoding="utf-8")
        section = variant.recipe.eval
        if section is None:
            raise ValueError("a variant without eval was not refused")
        candidate.reference = self._reference(candidate, section)
        self._synthesize(candidate, recipe)
        checkpoint = self._train(candidate, recipe)
        candidate.checkpoint = checkpoint
        self._evaluate(candidate, section, checkpoint)
        self._retain(candidate, section, checkpoint)
        return candidate

    def _reference(self, candidate: Candidate, section: EvalRecipe) -> RunFolder | None:
        reference = reference_of(candidate.variant.recipe)
        if reference is None:
            return None
        if is_run(reference):
            return RunFolder(Path(reference))
        return self._run(candidate, "eval_base", section, reference, section.tasks)

    def _synthesize(self, candidate: Candidate, recipe: Path) -> None:
        stages = synth_stages(candidate.variant.recipe)
        if not stages:
            return
        # A process for each that starts an engine; mixing and auditing start none.
        engines = [name for name in stages if name not in ("mix", "audit")]
        last = " and ".join(stages[len(engines) :])
        made: set[str] = set()
        steps: list[dict[str, Any]] = []
        for until in (*engines, None):
            stage = last if until is None else _TITLES.get(until, until)
            command = synth_command(recipe, self.work, until)
            key = ("synth", str(until), repr(candidate.variant.values["synth"]))
            told, known = self._stage(candidate, stage, command, key)
            steps = told["stages"]
            made |= {step["path"] for step in steps if not (step["reused"] or known)}
        for step in steps:
            candidate.stages.append(synth_stage(step, reused=step["path"] not in made))

    def _train(self, candidate: Candidate, recipe: Path) -> Path:
        made, mixed = candidate.data, candidate.stage("mix")
        file = images = None
        if made is not None and mixed is not None:
            file = (made.folder / "train.jsonl").resolve()
            images = Path(read_record(mixed.folder)["images"])
        values, train = candidate.variant.values, candidate.variant.recipe.train
        key = ("train", str(file), repr([values.get(name) for name in ("base_model", "train")]))
        if train is not None and train.also is not None:
            data = Path(str(train.data)) if file is None else file
            file = write_together(train, data, images or train.images, candidate.folder)
            images = None
        command = train_command(recipe, self.work, file, images)
        root = self.work / candidate.variant.recipe.name
        before = stamps(root, "train-*/stage.json")
        told, known = self._stage(candidate, "train", command, key)
        checkpoint = Path(told["checkpoint"])
        stood = before.items() & stamps(checkpoint.parent, "stage.json").items()
        candidate.stages.append(train_stage(checkpoint.parent, reused=known or bool(stood)))
        return checkpoint

    def _evaluate(self, candidate: Candidate, section: EvalRecipe, checkpoint: Path) -> None:
        name = candidate.variant.candidate
        first = checkpoint.parent / "stage1" / checkpoint.name
        if first.is_dir():
            candidate.first_stage = self._run(
                candidate, AFTER_FIRST, section, str(first), section.tasks, f"{name}-stage1"
            )
        candidate.run = self._run(candidate, "eval", section, str(checkpoint), section.tasks, name)

    def _retain(self, candidate: Candidate, section: EvalRecipe, checkpoint: Path) -> None:
        """General ability, of the checkpoint that was adapted and of the candidate."""
        base = base_of(candidate.variant.recipe)
        if not section.retention or base is None:
            return
        section = retention_section(section)
        name, tasks = candidate.variant.candidate, section.tasks
        before = self._run(candidate, "retention_base", section, base, tasks)
        after = self._run(candidate, "retention", section, str(checkpoint), tasks, name)
        candidate.retention = before, after

    def _run(
        self,
        candidate: Candidate,
        stage: str,
        section: EvalRecipe,
        model: str,
        tasks: Sequence[str],
        name: str | None = None,
    ) -> RunFolder:
        command = eval_command(section, model, tasks, name)
        before = stamps(section.out, "*/results.json")
        # What two variants call the same model is no reason to ask twice.
        key = tuple(part for part in command if not part.startswith("--name="))
        told, known = self._stage(candidate, stage, command, key)
        run = RunFolder(section.out / told["run_id"])
        stood = before.items() & stamps(run.path, "results.json").items()
        candidate.stages.append(run_stage(stage, run, reused=known or bool(stood)))
        return run

    def _stage(
        self, candidate: Candidate, stage: str, command: Sequence[str], key: tuple[str, ...]
    ) -> tuple[Any, bool]:
        """Run a stage's command, or give what it said to an earlier variant; and whether it did."""
        if key in self._known:
            return self._known[key], True
        if key in self._failed:
            raise self._failed[key]
        variant = candidate.variant
        of = f", {variant.name}" if variant.overrides else ""
        note(f"== {stage}  ({variant.recipe.name}{of})")
        began = time.monotonic()
        ended = self.call(command)
        told = ended.json
        if ended.code or not isinstance(told, dict):
            section = variant.recipe.eval
            failure = _failure(stage, variant, candidate.folder.parent, ended, section)
            self._failed[key] = failure
            raise failure
        note(f"== {stage}: {time.monotonic() - began:.1f} s")
        self._known[key] = told
        return told, False


def _failure(
    stage: str, variant: Variant, root: Path, ended: Ended, section: EvalRecipe | None
) -> StageFailed:
    """What a person is told when a stage gives no output."""
    of = f" of {variant.name}" if variant.overrides else ""
    evaluating = section is not None and stage.startswith(("eval", "retention"))
    place = section.out if section is not None and evaluating else root
    kept = f"Finished stages stand in {place}; the same command goes on with {stage}."
    if ended.code > 128:
        number = ended.code - 128
        cause = " (the system does so when memory runs out)" if number == 9 else ""
        return StageFailed(f"{stage}{of} was killed by signal {number}{cause}", kept, 1)
    if ended.code == 0:
        said = ended.text.strip()
        return StageFailed(f"{stage}{of} is still to be done by hand:\n{said}", kept, 1)
    if ended.code == _TOO_MANY and isinstance(ended.json, dict):
        setting = "synth.max_failed" if "stages" in ended.json else "eval.max_failed"
        return StageFailed(
            f"{stage}{of}: more rows failed than {setting} allows; they are listed in {place}",
            f"Run the same command again where the cause has passed, mend the rows, or raise "
            f"{setting}.",
            1,
        )
    return StageFailed(
        f"{stage}{of} ended with exit code {ended.code}; its message is above", kept, ended.code
    )
