"""What a recipe would do and cost (`--dry-run`)."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.engines import Plan
from harness.journal import survey
from harness.recipes import ModelUse
from harness.stages import Stage
from synth._judging import prompt
from synth._lines import read_lines
from synth._making import Made
from synth._tuning import NotTuned, tuned_synthesizer
from synth._types import Pair
from synth._usage import Estimate, duration, project
from synth.filtering import Judge, open_judge
from synth.generating import plan_generator
from synth.generators import make_generator
from synth.pipeline import Synthesis
from tasks import resolve

_SAMPLE = 200
# Table of the published recipe: hours for 100,000 pairs on one A100 with 80 GB.
_PUBLISHED_HOURS = {"generate": 10.0, "filter": 2.5}


class Planned(NamedTuple):
    """One stage that is to come, or stands."""

    stage: str
    path: Path | None
    """None where it hangs on what an earlier stage gives."""
    state: str
    """`reused`, `continues`, `new`, `later`."""
    rows: int | None
    answered: int
    model: str | None
    estimate: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            **self._asdict(),
            "path": str(self.path) if self.path else None,
            "estimate": self.estimate._asdict() if self.estimate else None,
        }


def plan_stages(synthesis: Synthesis) -> list[Planned]:
    """Every stage of a recipe, with what it would cost. Nothing is written or asked.

    Raises:
        UserError: The recipe cannot be followed.
    """
    recipe = synthesis.recipe
    if recipe.audit:
        resolve(recipe.audit)
    planned: list[Planned] = []
    stands_in = None
    try:
        tuned, tuning = tuned_synthesizer(synthesis, make=False)
        planned += [Planned(m.stage.name, m.path, "reused", None, 0, None, None) for m in tuning]
    except NotTuned:
        base = recipe.tune.base_model if recipe.tune else ""
        planned.append(Planned("tune", None, "new", None, 0, base, None))
        # What tuning gives has no fingerprint yet; the base stands in for it.
        tuned = stands_in = ModelUse(model=base)
    plan = plan_generator(synthesis.recipe, tuned)
    stage = synthesis.generate_stage(plan)
    journal = synthesis.generate_answers(plan)
    planned.append(_generation(synthesis, plan, stage, journal))
    ready = stage if stage.finished and stands_in is None else None
    if recipe.filter is not None and synthesis.wants_tasks():
        planned.append(_filtering(synthesis, open_judge(recipe.filter), ready))
    return [*planned, *_mixing(synthesis, ready, planned[-1])]


def _mixing(synthesis: Synthesis, generated: Stage | None, last: Planned) -> list[Planned]:
    """The mixture and its audit, which stand only where all before them does."""
    names = ("mix", *(("audit",) if synthesis.recipe.audit else ()))
    later = [Planned(name, None, "later", None, 0, None, None) for name in names]
    if generated is None or last.state != "reused":
        return later
    made = Made(generated, generated.record(), True)
    filtered = None
    if last.stage == "filter" and last.path is not None:
        stage = Stage(synthesis.root, "filter", {}, {})
        record = json.loads((last.path / "stage.json").read_text(encoding="utf-8"))
        filtered = Made(stage, record, True)
    mix = synthesis.mix_stage(made, filtered)
    if not mix.finished:
        return [Planned("mix", mix.path, "new", None, 0, None, None), *later[1:]]
    mixed = Made(mix, mix.record(), True)
    rows = mixed.record["rows_out"]
    found = [Planned("mix", mix.path, "reused", rows, rows, None, None)]
    if len(later) > 1:
        found.append(_auditing(synthesis, mixed) or later[1])
    return found


def _auditing(synthesis: Synthesis, mixed: Made) -> Planned | None:
    """An audit of this mixture; whether its test rows have changed is seen when it runs."""
    for path in sorted(synthesis.root.glob("audit-*/stage.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        audited = {n.removeprefix("rows/") for n in record["inputs"] if n.startswith("rows/")}
        if (
            record["inputs"].get("mix/train.jsonl") == mixed.record["outputs"]["train.jsonl"]
            and record["config"]["action"] == synthesis.recipe.audit_action
            and audited == {task.id for task in resolve(synthesis.recipe.audit)}
        ):
            rows = record["rows_out"]
            return Planned("audit", path.parent, "reused", rows, rows, None, None)
    return None


def _generation(synthesis: Synthesis, plan: Plan | None, stage: Stage, journal: Path) -> Planned:
    rows = synthesis.pairs.count()
    if stage.finished:
        return Planned("generate", stage.path, "reused", rows, rows, _name(plan), None)
    if plan is None:
        return Planned("generate", stage.path, "new", rows, 0, None, None)
    known = survey(journal)
    recipe = synthesis.recipe
    pairs = islice((p for p in synthesis.pairs if isinstance(p, Pair)), _SAMPLE)
    generator = make_generator(recipe)
    lengths = (sum(len(turn.text) for turn in generator.ask(pair).messages) for pair in pairs)
    left = max(rows - known.rows, 0)
    estimate = project(left, known, lengths, recipe.sampling.max_new_tokens)
    state = "continues" if known.rows else "new"
    return Planned("generate", stage.path, state, rows, known.rows, _name(plan), estimate)


def _filtering(synthesis: Synthesis, judge: Judge, generated: Stage | None) -> Planned:
    name = _name(judge.plan)
    known = survey(synthesis.filter_answers(judge))
    if generated is None:
        rows: int | None = synthesis.pairs.count()
        lengths = [len(turn.text) for turn in prompt(judge.style, "", "", "")]
        estimate = project(max((rows or 0) - known.rows, 0), known, [sum(lengths)], _new(judge))
        return Planned("filter", None, "later", rows, known.rows, name, estimate)
    record = generated.record()
    fingerprint = record["outputs"]["triplets.jsonl"]
    stage = Stage(synthesis.root, "filter", judge.config, {"generate/triplets.jsonl": fingerprint})
    rows = record["rows_out"]
    if stage.finished:
        return Planned("filter", stage.path, "reused", rows, rows, name, None)
    lines = islice(read_lines(generated.path / "triplets.jsonl"), _SAMPLE)
    lengths = [sum(len(turn.text) for turn in judge.request(line).messages) for line in lines]
    estimate = project(max((rows or 0) - known.rows, 0), known, lengths, _new(judge))
    state = "continues" if known.rows else "new"
    return Planned("filter", stage.path, state, rows, known.rows, name, estimate)


def _new(judge: Judge) -> int:
    line = {"id": "", "instruction": "", "informative": "", "precise": ""}
    return judge.request(line).sampling.max_new_tokens


def _name(plan: Plan | None) -> str | None:
    return f"{plan.model.ref} ({plan.name})" if plan else None


def describe(synthesis: Synthesis, *, as_json: bool) -> str:
    """The plan, for people or as JSON."""
    planned = plan_stages(synthesis)
    if as_json:
        return json.dumps([stage.to_json() for stage in planned], indent=2)
    lines = [f"would make {synthesis.root} from {synthesis.pairs.describe()}"]
    for stage in planned:
        lines.append(_line(stage))
        lines += [f"    {told}" for told in _costs(stage)]
    return "\n".join(lines)


def _line(stage: Planned) -> str:
    parts = [stage.state if stage.state != "later" else "after the stages before it"]
    if stage.rows is not None:
        most = "at most " if stage.state == "later" else ""
        parts.append(f"{most}{stage.rows:,} rows")
    if stage.state in ("continues", "later") and stage.answered:
        parts.append(f"{stage.answered:,} answered")
    if stage.model:
        parts.append(stage.model)
    if stage.path:
        parts.append(str(stage.path))
    return f"  {stage.stage}: {', '.join(parts)}"


def _costs(stage: Planned) -> list[str]:
    estimate = stage.estimate
    if estimate is None or not estimate.rows:
        return []
    tokens = (
        f"{estimate.prompt_tokens:,} prompt and {estimate.tokens:,} new tokens ({estimate.source})"
    )
    if estimate.seconds is not None:
        return [tokens, f"about {duration(estimate.seconds)} of the engine's time"]
    hours = _PUBLISHED_HOURS[stage.stage] * estimate.rows / 100_000
    return [
        tokens,
        f"time unknown before the first answers (--preview tells); published: about "
        f"{duration(hours * 3600)} on one A100-80GB",
    ]
