"""The report of a variant, as JSON values; the pages are made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.adapt._inputs import base_of
from harness.adapt._loop import Candidate
from harness.adapt._stages import StageDone, read_record
from harness.adapt._verdict import (
    Compared,
    compare,
    contamination,
    general_ability,
    headline,
)
from harness.runs import RunFolder

REPORT_VERSION = 1


def make_report(candidate: Candidate) -> dict[str, Any]:
    """Everything that is known of a finished variant.

    Args:
        candidate: With its runs.

    Raises:
        UserError: The runs cannot be compared.
    """
    variant = candidate.variant
    main = compare(candidate.reference, candidate.run)
    first = compare(candidate.reference, candidate.first_stage) if candidate.first_stage else None
    kept = compare(*candidate.retention) if candidate.retention else None
    audit = audit_of(candidate)
    return {
        "schema_version": REPORT_VERSION,
        "name": variant.recipe.name,
        "variant": variant.name,
        "candidate": variant.candidate,
        "base_model": base_of(variant.recipe),
        "overrides": dict(variant.overrides),
        "recipe": variant.values,
        "verdict": {
            "tasks": {protocol: headline(main, protocol) for protocol in _protocols(main)},
            "first_stage": headline(first) if first else None,
            "general_ability": general_ability(kept),
            "test_rows": contamination(
                audit, others=unaudited(candidate), tasks=_measured(candidate)
            ),
        },
        "comparisons": {
            "tasks": main.found,
            "first_stage": first.found if first else None,
            "retention": kept.found if kept else None,
        },
        "reason": main.reason,
        "stages": [stage.to_json() for stage in candidate.stages],
        "cost": cost_of(candidate.stages),
        "audit": audit,
        "runs": {
            "reference": _place(candidate.reference),
            "candidate": _place(candidate.run),
            "first_stage": _place(candidate.first_stage),
            "retention": [_place(run) for run in candidate.retention or ()],
        },
        "checkpoint": str(candidate.checkpoint) if candidate.checkpoint else None,
        "data": str(candidate.data.folder) if candidate.data else None,
    }


def _protocols(compared: Compared) -> Sequence[str]:
    return compared.protocols or ("paper",)


def _place(run: RunFolder | None) -> str | None:
    return str(run.path) if run else None


def audit_of(candidate: Candidate) -> dict[str, Any] | None:
    """Counts of the audit; None if there was none."""
    stage = candidate.stage("audit")
    if stage is None:
        return None
    found = read_record(stage.folder).get("audit")
    return dict(found) if isinstance(found, Mapping) else None


def unaudited(candidate: Candidate) -> list[str]:
    """Training data that the recipe's audit has not seen, in words."""
    train = candidate.variant.recipe.train
    if train is None:
        return []
    two = train.stages != "single"
    files = {"data": train.data, "captions": train.captions if two else None, "also": train.also}
    return [f"train.{name} ({file})" for name, file in files.items() if file is not None]


def _measured(candidate: Candidate) -> list[str]:
    """Tasks that the candidate was evaluated on."""
    lines = candidate.run.results()["results"] if candidate.run else []
    return list(dict.fromkeys(line["task"] for line in lines))


def cost_of(stages: Sequence[StageDone]) -> dict[str, Any]:
    """Sums over all stages."""
    gpu = [stage.gpu_seconds for stage in stages if stage.gpu_seconds is not None]
    return {
        "seconds": round(sum(stage.seconds or 0.0 for stage in stages), 3),
        "tokens": sum(stage.tokens or 0 for stage in stages),
        "gpu_seconds": round(sum(gpu), 3) if gpu else None,
    }


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What travels with the candidate: `candidate.json`, `adapt.json`, `run.json`'s `adapt`."""
    funnel = [
        {name: stage[name] for name in ("stage", "rows_in", "rows_out", "rejects")}
        for stage in report["stages"]
        if stage["stage"] in ("seed_data", "generate", "filter", "mix", "audit", "train")
    ]
    names = (
        "schema_version", "name", "variant", "candidate", "base_model", "overrides", "recipe",
        "verdict", "audit", "cost", "runs", "checkpoint", "data",
    )  # fmt: skip
    return {
        **{name: report[name] for name in names},
        "funnel": funnel,
        "stages": {stage["stage"]: stage["folder"] for stage in report["stages"]},
    }
