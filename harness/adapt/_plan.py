"""`--dry-run`: every stage of every variant, what stands, and what the rest would cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.adapt._commands import retention_section, synth_stages
from harness.adapt._evaluations import Evaluation, briefly, plan_evaluation
from harness.adapt._inputs import Tools, base_of, is_run, reference_of
from harness.adapt._pages import duration
from harness.adapt._variants import Variant
from harness.errors import UserError
from harness.recipes import EvalRecipe

PLAN_VERSION = 1
_NO_TIME = ("reused", "shared")
_NO_MODEL = "no model"
_LONG = ("tune_synthesizer", "generate", "filter", "train", "eval_base", "eval_first_stage",
         "eval", "retention_base", "retention")  # fmt: skip
"""Stages that a model takes part in; the others are a matter of minutes."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One line of the plan."""

    variant: str
    stage: str
    state: str
    """`reused`, `continues`, `new`; `later`: follows from stages before it; `shared`: with an
    earlier variant; `unknown`: the note says why."""
    folder: str | None = None
    rows: int | None = None
    at_most: bool = False
    """Whether fewer rows may come of the stages before it."""
    tokens: int | None = None
    seconds: float | None = None
    note: str = ""


def make_plan(variants: Sequence[Variant], work: Path, tools: Tools) -> dict[str, Any]:
    """Plan every variant; nothing is written, asked or fetched.

    Args:
        variants: Checked.
        work: Root of all recipes' stages.
        tools: Plans of synthesis and training.
    """
    planner = Planner(work, tools)
    lines = [line for variant in variants for line in planner.lines(variant)]
    to_come = [line for line in lines if _takes_time(line)]
    timed = [line.seconds for line in to_come if line.seconds is not None]
    return {
        "schema_version": PLAN_VERSION,
        "name": variants[0].recipe.name,
        "stages": [asdict(line) for line in lines],
        "seconds": sum(timed) if timed else None,
        "untimed": len(to_come) - len(timed),
        "to_come": len(to_come),
    }


def _takes_time(line: Planned) -> bool:
    return line.state not in _NO_TIME and line.stage in _LONG and line.note != _NO_MODEL


class Planner:
    """Plans variants in turn, and knows which stages they share.

    Args:
        work: Root of all recipes' stages.
        tools: Plans of synthesis and training.
    """

    def __init__(self, work: Path, tools: Tools) -> None:
        self._work = work
        self._tools = tools
        self._known: dict[str, str] = {}
        self._evaluations: dict[str, Evaluation] = {}
        self._synths: dict[str, list[Any] | UserError] = {}

    def lines(self, variant: Variant) -> Iterator[Planned]:
        """A variant's stages, in their order."""
        section = variant.recipe.eval
        if section is None:
            raise ValueError("a variant without eval was not refused")
        reference, base = reference_of(variant.recipe), base_of(variant.recipe)
        if reference is not None and is_run(reference):
            yield Planned(variant=variant.name, stage="eval_base", state="reused",
                          folder=reference)  # fmt: skip
        elif reference is not None:
            yield self._evaluation(variant, "eval_base", section, reference, section.tasks)
        synth = [self._shared(line, variant) for line in self._synthesis(variant)]
        yield from synth
        training, checkpoint = self._training(variant, synth)
        yield (training := self._shared(training, variant))
        stands = str(checkpoint) if checkpoint and training.state != "new" else None
        train = variant.recipe.train
        if train is not None and train.stages != "single":
            first = checkpoint.parent / "stage1" / checkpoint.name if checkpoint else None
            yield self._candidate(variant, "eval_first_stage", section, section.tasks, base,
                                  str(first) if first and first.is_dir() else None)  # fmt: skip
        yield self._candidate(variant, "eval", section, section.tasks, base, stands)
        if section.retention and base is not None:
            kept = retention_section(section)
            yield self._evaluation(variant, "retention_base", kept, base, kept.tasks)
            yield self._candidate(variant, "retention", kept, kept.tasks, base, stands)
        yield Planned(variant=variant.name, stage="compare", state="later", note=_NO_MODEL)

    def _shared(self, line: Planned, variant: Variant) -> Planned:
        """The line, or that an earlier variant has the same stage."""
        key = f"{line.stage} {line.folder or self._follows(line.stage, variant)}"
        first = self._known.setdefault(key, variant.name)
        if first == variant.name or line.state == "reused":
            return line
        return replace(line, state="shared", tokens=None, seconds=None, note=f"with {first}")

    def _follows(self, stage: str, variant: Variant) -> str:
        """What a stage without a folder yet follows from."""
        values = variant.values
        names = {"train": ("base_model", "synth", "train")}
        if stage.startswith(("eval", "retention")):
            return repr([values.get(n) for n in ("base_model", "synth", "train", "eval")])
        synth = dict(values.get("synth") or {})
        later = _LATER.get(stage, ())
        if stage in names:
            return repr([values.get(name) for name in names[stage]])
        return repr({name: value for name, value in synth.items() if name not in later})

    def _evaluation(
        self,
        variant: Variant,
        stage: str,
        section: EvalRecipe,
        model: str,
        tasks: Sequence[str],
    ) -> Planned:
        found = self._looked(section, model, tasks)
        line = Planned(
            variant=variant.name, stage=stage, state=found.state, folder=found.folder,
            rows=found.rows, tokens=found.tokens, seconds=found.seconds, note=found.note,
        )  # fmt: skip
        key = f"{stage} {section!r} {model} {tasks}"
        first = self._known.setdefault(key, variant.name)
        if first == variant.name or line.state == "reused":
            return line
        return replace(line, state="shared", tokens=None, seconds=None, note=f"with {first}")

    def _looked(self, section: EvalRecipe, model: str, tasks: Sequence[str]) -> Evaluation:
        key = f"{section!r} {model} {tasks}"
        if key not in self._evaluations:
            self._evaluations[key] = plan_evaluation(section, model, tasks)
        return self._evaluations[key]

    def _candidate(
        self,
        variant: Variant,
        stage: str,
        section: EvalRecipe,
        tasks: Sequence[str],
        base: str | None,
        checkpoint: str | None,
    ) -> Planned:
        """Of a checkpoint; while it is to come, by what the base costs."""
        if checkpoint is not None:
            return self._evaluation(variant, stage, section, checkpoint, tasks)
        like = self._looked(section, base, tasks) if base is not None else Evaluation("unknown")
        line = Planned(
            variant=variant.name, stage=stage, state="later", rows=like.rows,
            tokens=like.whole_tokens, seconds=like.whole_seconds,
            note="as the base" if like.whole_seconds is not None else like.note,
        )  # fmt: skip
        return self._shared(line, variant)

    def _synthesis(self, variant: Variant) -> Iterator[Planned]:
        if variant.recipe.synth is None:
            return
        key = repr(variant.values.get("synth"))
        if key not in self._synths:
            self._synths[key] = _caught(lambda: self._tools.plan_synth(variant.recipe, self._work))
        found = self._synths[key]
        if isinstance(found, UserError):
            rows = self._pairs(variant)
            for stage in _expected(variant):
                yield Planned(
                    variant=variant.name, stage=stage, state="unknown", note=briefly(found),
                    rows=None if stage == "tune_synthesizer" else rows,
                    at_most=stage != "generate",
                )  # fmt: skip
            return
        for each in found:
            yield _of_synthesis(variant, each)

    def _pairs(self, variant: Variant) -> int | None:
        """Number of pairs; None where they are not to be had."""
        synth = variant.recipe.synth
        if synth is None:
            return None
        pairs = _caught(lambda: self._tools.open_pairs(synth))
        count = pairs if isinstance(pairs, UserError) else _caught(pairs.count)
        return None if isinstance(count, UserError) else int(count)

    def _training(self, variant: Variant, synth: Sequence[Planned]) -> tuple[Planned, Path | None]:
        """The line, and the checkpoint's folder where it is known."""
        rows = next((line.rows for line in reversed(synth) if line.rows is not None), None)
        standing = all(line.state == "reused" for line in synth) and bool(synth)
        data = Path(synth[-1].folder) if standing and synth[-1].folder else None
        fallback = Planned(variant=variant.name, stage="train", state="later", rows=rows,
                           at_most=rows is not None)  # fmt: skip
        rate = _caught(lambda: self._tools.plan_train(variant.recipe, self._work, data, rows))
        if isinstance(rate, UserError):
            return replace(fallback, note=briefly(rate)), None
        line = Planned(
            variant=variant.name, stage="train", state=rate.state, folder=rate.folder,
            rows=rate.rows if rate.rows is not None else rows,
            at_most=rate.state == "later" and rows is not None,
            tokens=rate.tokens, seconds=rate.seconds, note=rate.note,
        )  # fmt: skip
        checkpoint = Path(rate.folder) / "checkpoint" if rate.folder else None
        return line, checkpoint if rate.state == "reused" else None


_LATER: Mapping[str, tuple[str, ...]] = {
    "tune_synthesizer": ("filter", "answers", "caption_position", "audit", "audit_data",
                         "audit_action", "content"),
    "generate": ("filter", "answers", "caption_position", "audit", "audit_data", "audit_action"),
    "filter": ("answers", "caption_position", "audit", "audit_data", "audit_action"),
    "mix": ("audit", "audit_data", "audit_action"),
}  # fmt: skip
"""Settings of `synth:` that a stage does not follow from."""


def _expected(variant: Variant) -> list[str]:
    return [_STAGES.get(name, name) for name in synth_stages(variant.recipe)]


_STAGES = {"tune": "tune_synthesizer", "seed": "seed_data"}


def _of_synthesis(variant: Variant, each: Any) -> Planned:
    """A line of `synth.estimating.Planned`."""
    estimate = each.estimate
    tokens = estimate.prompt_tokens + estimate.tokens if estimate else None
    seconds = estimate.seconds if estimate else None
    if each.model is None and each.stage in ("generate", "mix", "audit"):
        note = _NO_MODEL
    elif seconds is None and estimate is not None and estimate.rows:
        note = "no rate measured yet (`harness synth --preview` measures one)"
    else:
        note = each.model or ""
    return Planned(
        variant=variant.name,
        stage=_STAGES.get(each.stage, each.stage),
        state=each.state,
        folder=str(each.path) if each.path else None,
        rows=each.rows,
        at_most=each.state == "later",
        tokens=tokens,
        seconds=seconds,
        note=note,
    )


def _caught(call: Any) -> Any:
    """What a planner gives, or why it cannot tell."""
    try:
        return call()
    except UserError as error:
        return error


def print_plan(plan: Mapping[str, Any], missing: Sequence[str]) -> None:
    """Print the plan on stdout."""
    from harness.adapt._screen import add_row, console, grid, line

    screen = console()
    heads = ("state", "rows", "tokens", "hours", "note")
    shown = grid(plan["name"], heads, left=("state", "note"))
    for variant in dict.fromkeys(each["variant"] for each in plan["stages"]):
        mine = [each for each in plan["stages"] if each["variant"] == variant]
        add_row(shown, (variant, "", "", "", "", ""), ["bold"] * 6)
        for first, stages in _shared_stages(mine).items():
            add_row(shown, (f"  as {first}", "shared", "", "", "", ", ".join(stages)))
        for each in (each for each in mine if each["state"] != "shared"):
            rows = f"{'≤ ' if each['at_most'] else ''}{each['rows']:,}" if each["rows"] else "-"
            tokens = f"{each['tokens']:,}" if each["tokens"] is not None else "-"
            told = (each["state"], rows, tokens, _hours(each), each["note"])
            add_row(shown, (f"  {each['stage']}", *told))
    screen.print(shown)
    screen.print()
    line(screen, _total(plan))
    if missing:
        line(screen, "Missing, so it cannot start:", "yellow")
        for text in missing:
            line(screen, f"  {text}", "yellow")


def _shared_stages(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Name of an earlier variant to the stages that are its too."""
    found: dict[str, list[str]] = {}
    for each in lines:
        if each["state"] == "shared":
            found.setdefault(each["note"].removeprefix("with "), []).append(each["stage"])
    return found


def _hours(each: Mapping[str, Any]) -> str:
    if each["state"] in ("reused", "shared"):
        return ""
    return "-" if each["seconds"] is None else f"{each['seconds'] / 3600:.2f}"


def _total(plan: Mapping[str, Any]) -> str:
    if not plan["to_come"]:
        return "Everything stands: only the comparison is made anew."
    if plan["seconds"] is None:
        return "No time is known yet: nothing like it has run here."
    untimed = f", and {plan['untimed']} stages without a rate" if plan["untimed"] else ""
    return f"To come: about {duration(plan['seconds'])} by rates measured here{untimed}."
