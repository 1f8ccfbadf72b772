"""What `harness adapt` does with a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.adapt._attach import attach
from harness.adapt._checks import check_variants
from harness.adapt._inputs import Tools
from harness.adapt._loop import Candidate, Loop
from harness.adapt._processes import StageFailed, run_command
from harness.adapt._report import make_report
from harness.adapt._screen import print_report
from harness.adapt._variants import Variant, read_variants
from harness.errors import UserError
from harness.locks import hold
from harness.progress import note, say
from harness.recipes import Source


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """The command's options, typed."""

    work: Path = Path("work")
    dry_run: bool = False
    as_json: bool = False


def run_adapt(source: Source, options: AdaptOptions, tools: Tools) -> int:
    """Follow a recipe from captions to a compared candidate; gives the exit code.

    Args:
        source: The recipe's values.
        options: The command's.
        tools: What synthesis and training check and plan.

    Raises:
        UserError: The recipe cannot be followed.
        StageFailed: The only variant's stage failed; it says with which exit code.
    """
    variants = read_variants(source)
    missing = check_variants(variants, tools)
    if options.dry_run:
        from harness.adapt._plan import make_plan, print_plan

        plan = make_plan(variants, options.work, tools)
        if options.as_json:
            say(json.dumps({**plan, "missing": missing}, indent=2))
        else:
            print_plan(plan, missing)
        return 0
    if missing:
        raise UserError("\n  ".join(missing), "Nothing was started. --dry-run shows the plan.")
    root = options.work / variants[0].recipe.name
    with hold(root, "Another `harness adapt` works there: wait for it."):
        if len(variants) == 1:
            return _one(variants[0], options)
        return _many(variants, options, root)


def _one(variant: Variant, options: AdaptOptions) -> int:
    report = _finish(Loop(options.work, run_command).follow(variant))
    if options.as_json:
        say(json.dumps(report, indent=2))
    else:
        print_report(report)
    return 0


def _finish(candidate: Candidate) -> dict[str, Any]:
    note(f"== compare  ({candidate.variant.candidate})")
    report = make_report(candidate)
    attach(candidate, report)
    return report


def _many(variants: Sequence[Variant], options: AdaptOptions, root: Path) -> int:
    """Every variant in turn; one that fails does not keep the others from being made."""
    from harness.adapt._sweep import groups_of
    from harness.adapt._sweep_pages import print_sweep, write_sweep

    loop = Loop(options.work, run_command)
    done: list[Candidate] = []
    reports: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    codes = [0]
    for variant in variants:
        try:
            candidate = loop.follow(variant)
            reports[variant.name] = _finish(candidate)
            done.append(candidate)
        except UserError as error:
            failed[variant.name] = error.message
            codes.append(error.code if isinstance(error, StageFailed) else 1)
            note(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
    if not done:
        raise StageFailed("every variant failed", "The messages above say why.", max(codes))
    groups = groups_of(done)
    told = write_sweep(root, variants[0].recipe.name, groups, reports, failed)
    if options.as_json:
        say(json.dumps(told, indent=2))
    else:
        print_sweep(groups, failed)
    note(f"table: {root / 'sweep.md'}")
    return 1 if failed else 0
