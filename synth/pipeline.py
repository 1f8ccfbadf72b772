"""The stages of synthesis, one after the other: generate, filter, mix, audit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from harness.engines import Plan
from harness.errors import UserError
from harness.files import digest
from harness.progress import note
from harness.recipes import ModelUse, Recipe, SynthRecipe
from harness.stages import Stage
from synth._auditing import audited
from synth._checking import check_asked, check_unchanged, check_usable
from synth._lines import read_pairs
from synth._making import Done, Made, journal_held, made
from synth._text import CHECKS_VERSION
from synth._tuning import tuned_synthesizer
from synth._unique import Unique
from synth.filtering import Judge, filter_triplets, open_judge
from synth.generating import generate, generator_config, plan_generator
from synth.mixture import lost_reasons, mix, wording_config, wording_of
from synth.pairs import Pairs, open_pairs
from tasks import resolve

__all__ = ["STAGES", "Result", "Synthesis", "run_stages", "synthesis_of"]

STAGES = ("tune", "generate", "filter", "mix", "audit")


class Result(NamedTuple):
    """What a recipe's synthesis has made."""

    stages: list[Made]
    images: Path
    """Folder that the pictures' paths start from."""

    @property
    def train(self) -> Path | None:
        """The training file; None if synthesis was stopped before it."""
        last = self.stages[-1] if self.stages else None
        return (
            last.path / "train.jsonl" if last and "train.jsonl" in last.record["outputs"] else None
        )


@dataclass
class Synthesis:
    """One recipe's stages under one work folder.

    Args:
        recipe: With a `synth:` section.
        work: Root of all recipes' stages.
        name: The recipe's.
    """

    recipe: SynthRecipe
    work: Path
    name: str

    @property
    def root(self) -> Path:
        """`work/<name>`."""
        return self.work / self.name

    @cached_property
    def pairs(self) -> Pairs:
        """The recipe's pairs."""
        return open_pairs(self.recipe.pairs, self.recipe.images, self.recipe.limit)

    @cached_property
    def source(self) -> str:
        """Fingerprint of the pairs.

        Raises:
            UserError: There are none.
        """
        if not self.pairs.count():
            raise UserError(f"pairs: {self.pairs.describe()} holds no records")
        return self.pairs.fingerprint()

    @property
    def tunes(self) -> bool:
        """Whether the synthesizer is made first."""
        recipe = self.recipe
        return recipe.tune is not None and recipe.generator == "synthesizer" and self.wants_tasks()

    def wants_tasks(self) -> bool:
        """Whether triplets are wanted: without, pairs are only checked."""
        return self.recipe.content != "captions"

    def answers(self, kind: str, model: object) -> Path:
        """A model's journal: shared by all of the recipe's stages that ask it the same way.

        A changed limit or threshold is another stage's folder, and asks nothing again.
        """
        return self.root / "answers" / f"{kind}-{digest(model)[:8]}" / "responses.jsonl"

    def generate_stage(self, plan: Plan | None) -> Stage:
        """The stage of generation, made or not."""
        config = {
            **generator_config(self.recipe, plan),
            "dedup": dedup_config(self.recipe),
            "checks": CHECKS_VERSION,
        }
        return Stage(self.root, "generate", config, {"pairs": self.source})

    def generate_answers(self, plan: Plan | None) -> Path:
        """Journal of generation."""
        config = generator_config(self.recipe, plan)
        return self.answers(config["generator"], config)

    def generate(self, tuned: ModelUse | None = None) -> Made:
        """Pairs to triplets."""
        if not self.wants_tasks():
            note("captions only: no model is asked, pairs are checked")
        plan = plan_generator(self.recipe, tuned)
        stage = self.generate_stage(plan)

        def work() -> Done:
            unique = Unique(self.pairs, self.recipe.dedup)
            with journal_held(self.generate_answers(plan)) as answers:
                found = generate(
                    unique,
                    self.recipe,
                    stage,
                    plan,
                    root=self.pairs.root,
                    total=self.pairs.count(),
                    answers=answers,
                )
            check_unchanged(self)
            more = {
                "model": _told(plan),
                "engine": found.engine,
                # The journal may know of rows that are not of this stage.
                "to_retry": min(found.to_retry, found.counts.rejects.get("failed", 0)),
                "images": str(found.images.resolve()),
                "repeated_pictures": unique.repeated_pictures,
            }
            return Done(
                found.counts, ("pairs.jsonl", "triplets.jsonl", "rejects.jsonl"), found.tokens, more
            )

        return made(stage, work)

    def images(self, generated: Made) -> Path:
        """Folder that the pictures' paths start from."""
        return (self.pairs.root or generated.path).resolve()

    def filter_stage(self, judge: Judge, generated: Made) -> Stage:
        """The filter's stage, made or not."""
        return Stage(self.root, "filter", judge.config, generated.outputs("triplets.jsonl"))

    def filter_answers(self, judge: Judge) -> Path:
        """Journal of the filter; the threshold moves no answer."""
        return self.answers("filter", {**judge.config, "threshold": None})

    def filter(self, judge: Judge, generated: Made) -> Made:
        """Triplets to consistent ones."""
        stage = self.filter_stage(judge, generated)

        def work() -> Done:
            with journal_held(self.filter_answers(judge)) as answers:
                found = filter_triplets(
                    judge, generated.path / "triplets.jsonl", stage.path, answers
                )
            more = {
                "model": _told(judge.plan),
                "engine": found.engine,
                "to_retry": found.to_retry,
                "prompt_tokens": found.prompt_tokens,
                "p_yes": found.histogram,
            }
            return Done(found.counts, ("triplets.jsonl", "rejects.jsonl"), found.tokens, more)

        return made(stage, work)

    def mix_stage(self, generated: Made, filtered: Made | None) -> Stage:
        """The mixture's stage, made or not."""
        wording, kept = wording_of(self.recipe), filtered or generated
        inputs = {
            **generated.outputs("pairs.jsonl", "rejects.jsonl"),
            **kept.outputs("triplets.jsonl", "rejects.jsonl"),
        }
        # Its record says where the pictures are: with those moved, it would say what was.
        images = str(self.images(generated))
        config = {**wording_config(wording), "name": self.name, "images": images}
        return Stage(self.root, "mix", config, inputs)

    def mix(self, generated: Made, filtered: Made | None) -> Made:
        """Pairs and kept triplets to conversations."""
        wording, kept = wording_of(self.recipe), filtered or generated
        stage = self.mix_stage(generated, filtered)

        def work() -> Done:
            rejects = {made_.path / "rejects.jsonl" for made_ in (generated, kept)}
            images = self.images(generated)
            found = mix(
                read_pairs(generated.path / "pairs.jsonl", images),
                kept.path / "triplets.jsonl" if self.wants_tasks() else None,
                lost_reasons(*sorted(rejects)),
                wording,
                stage.path,
                self.name,
            )
            more = {"tasks": found.tasks, "captions": found.captions, "images": str(images)}
            return Done(found.counts, (*found.files, "rejects.jsonl"), 0, more)

        return made(stage, work)


def run_stages(recipe: Recipe, work: Path, until: str | None = None) -> Result:
    """Make what a recipe's `synth:` section says, or reuse it where it stands.

    Args:
        recipe: With a `synth:` section.
        work: Root of all recipes' stages.
        until: Last stage to make; None: all.

    Raises:
        UserError: The recipe cannot be followed.
    """
    synthesis = synthesis_of(recipe, work)
    stages: list[Made] = []
    check_asked(synthesis, until)
    # What later stages need is checked before the generator spends hours.
    if synthesis.recipe.audit:
        resolve(synthesis.recipe.audit)
    judge = None
    if synthesis.recipe.filter is not None and synthesis.wants_tasks() and until != "tune":
        judge = open_judge(synthesis.recipe.filter)
    tuned, tuning = tuned_synthesizer(synthesis)
    stages += tuning
    if until == "tune":
        return Result(stages, synthesis.root)
    generated = synthesis.generate(tuned)
    stages.append(generated)
    check_usable(synthesis, generated)
    images = synthesis.images(generated)
    if until == "generate":
        return Result(stages, images)
    filtered = synthesis.filter(judge, generated) if judge is not None else None
    stages += [filtered] if filtered else []
    if until == "filter":
        return Result(stages, images)
    stages.append(synthesis.mix(generated, filtered))
    if until != "mix" and synthesis.recipe.audit:
        stages.append(audited(synthesis, stages[-1], images))
    return Result(stages, images)


def synthesis_of(recipe: Recipe, work: Path) -> Synthesis:
    """The synthesis of a recipe.

    Raises:
        UserError: The recipe has none.
    """
    if recipe.synth is None:
        raise UserError("the recipe has no synth section", "Add `synth:` with `pairs:`.")
    return Synthesis(recipe.synth, work, recipe.name)


def _told(plan: Plan | None) -> dict[str, Any] | None:
    """What a record says of a model."""
    if plan is None:
        return None
    return {**plan.model._asdict(), "engine": plan.name, "settings": plan.identity}


def dedup_config(recipe: SynthRecipe) -> dict[str, Any] | None:
    """What determines which pairs are left out as repetitions."""
    return recipe.dedup.model_dump() if recipe.dedup else None
