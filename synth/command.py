"""What `harness synth` does with a recipe: run it, preview it, or say what it would cost."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.progress import note, say
from harness.recipes import Recipe
from synth._making import Made
from synth.card import write_card
from synth.funnel import print_funnel, step_of
from synth.pipeline import Result, run_stages, synthesis_of


@dataclass(frozen=True, kw_only=True)
class SynthOptions:
    """The command's options, typed."""

    work: Path = Path("work")
    until: str | None = None
    preview: int | None = None
    dry_run: bool = False
    max_failed: float | None = None
    """None: the recipe's."""
    as_json: bool = False
    report: bool = False
    against: tuple[Path, ...] = ()
    sheet: Path | None = None


def run_synth(recipe: Recipe, options: SynthOptions) -> int:
    """Follow a recipe's `synth:` section; gives the exit code.

    Raises:
        UserError: The recipe cannot be followed.
    """
    if options.dry_run:
        from synth.estimating import describe

        # Libraries print to stdout, which belongs to the results.
        with redirect_stdout(sys.stderr):
            told = describe(synthesis_of(recipe, options.work), as_json=options.as_json)
        say(told)
        return 0
    if options.preview is not None:
        from synth.preview import make_preview

        with redirect_stdout(sys.stderr):
            page = make_preview(synthesis_of(recipe, options.work), options.preview)
        say(f"preview: {page}")
        return 0
    with redirect_stdout(sys.stderr):
        if options.report:
            _check_report(recipe, options)
        result = run_stages(recipe, options.work, options.until)
        if result.train is not None:
            write_card(recipe, result)
        quality = _quality(recipe, result, options) if options.report else None
    _report(recipe, result, quality, as_json=options.as_json)
    stages = [*result.stages, *([quality] if quality else [])]
    most = recipe.synth.max_failed if recipe.synth else 0.0
    most = most if options.max_failed is None else options.max_failed
    return 1 if any(_failed(made.record) > most for made in stages) else 0


def _check_report(recipe: Recipe, options: SynthOptions) -> None:
    from synth.quality import check_report

    check_report(recipe, options.against, options.sheet)


def _quality(recipe: Recipe, result: Result, options: SynthOptions) -> Made:
    from synth.quality import report

    return report(recipe, result, options.work, options.against, options.sheet)


def _failed(record: dict[str, Any]) -> float:
    """Share of rows that an engine failed on."""
    failed: int = record["rejects"].get("failed", 0)
    share: float = failed / max(record["rows_in"], 1)
    return share


def _report(recipe: Recipe, result: Result, quality: Made | None, *, as_json: bool) -> None:
    steps = [step_of(made.record, reused=made.reused) for made in result.stages]
    if as_json:
        stages = [
            {**step._asdict(), "path": str(made.path)}
            for step, made in zip(steps, result.stages, strict=True)
        ]
        train = str(result.train) if result.train else None
        told: dict[str, Any] = {"stages": stages, "train": train, "images": str(result.images)}
        if quality:
            told["report"] = {"path": str(quality.path), "scores": quality.record["scores"]}
        say(json.dumps(told, indent=2))
        return
    print_funnel(steps, f"synth  {recipe.name}")
    for made in result.stages:
        _hint(made)
    if result.train is not None:
        say(f"training file: {result.train}")
        say(f"its pictures:  {result.images}")
        say(f"data card:     {result.train.parent / 'README.md'}")
    if quality:
        from synth.quality import print_scores

        _hint(quality)
        print_scores(quality)


def _hint(made: Made) -> None:
    if made.record.get("to_retry"):
        rows = made.record["to_retry"]
        note(f"{made.stage.name}: {rows} rows failed for a reason that may pass; run it again")
