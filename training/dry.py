"""What `--dry-run` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from training.commands import commands_of
from training.job import batches_of, split_of, steps_of
from training.launch import FIRST, Plan, Run
from training.memory import Memory, estimate, gib, space_of
from training.presets import Settings
from training.survey import Survey

_HIDDEN = ("origins", "on_gpu", "check_all", "device")
_TABLE = ("none", "zero1", "zero2", "zero3", "zero3_offload")


def facts_of(plan: Plan, folder: Path) -> dict[str, Any]:
    """Everything that is known before the first step, as JSON values."""
    return {
        "base_model": plan.base.ref,
        "folder": str(folder),
        "warnings": plan.warnings,
        "parameters": plan.sizes,
        "runs": [_run_facts(plan, run, folder) for run in plan.runs],
    }


def _run_facts(plan: Plan, run: Run, folder: Path) -> dict[str, Any]:
    settings = run.settings
    place = folder / FIRST if run.name == FIRST else folder
    known = _survey(place)
    facts: dict[str, Any] = {"name": run.name, "data": run.rows.describe(), "rows": len(run.rows)}
    if known is not None:
        batches = batches_of(settings, known)
        facts.update(
            rows=len(split_of(settings, known)[0]),
            tokens_an_epoch=known.counts["tokens"],
            longest=known.counts["longest"],
            padding=round(batches.padding(), 4),
        )
    elif isinstance(settings.held_out, float):
        facts["rows"] -= max(1, round(settings.held_out * facts["rows"]))
    steps_an_epoch = -(-facts["rows"] // settings.global_batch)
    facts["steps"] = steps_of(settings, steps_an_epoch)
    longest = facts.get("longest")
    facts["memory"] = estimate(plan.sizes, plan.base.config, settings, longest)._asdict()
    facts["disk"] = space_of(plan.sizes, plan.base.config, settings, 2)._asdict()
    facts["settings"] = {
        name: {"value": value, "from": settings.origins.get(name, "recipe")}
        for name, value in settings.to_json().items()
        if name not in _HIDDEN
    }
    facts["commands"] = commands_of(settings, place)
    return facts


def _survey(folder: Path) -> Survey | None:
    try:
        return Survey.load(folder)
    except UserError:
        return None


def told(plan: Plan, folder: Path) -> str:
    """The same for people."""
    lines = [f"base model    {plan.base.ref}", f"folder        {folder}"]
    sizes = ", ".join(f"{part} {size / 1e6:,.1f} M" for part, size in plan.sizes.items())
    lines.append(f"parameters    {sizes}")
    lines += [f"warning       {warning}" for warning in plan.warnings]
    for run in plan.runs:
        lines += ["", *_run_lines(plan, run, folder)]
    return "\n".join(lines)


def _run_lines(plan: Plan, run: Run, folder: Path) -> list[str]:
    facts = _run_facts(plan, run, folder)
    settings = run.settings
    spread = f"{settings.device_batch} x {settings.ranks} processes x {settings.accumulation}"
    lines = [f"{run.name}: {facts['rows']:,} conversations of {facts['data']}"]
    lines.append(
        f"  {facts['steps']:,} steps of {settings.global_batch} conversations ({spread} "
        "micro-steps)"
    )
    if "tokens_an_epoch" in facts:
        lines.append(
            f"  {facts['tokens_an_epoch']:,} tokens an epoch, the longest {facts['longest']:,}; "
            f"{facts['padding']:.1%} of a batch is padding"
        )
    else:
        lines.append("  tokens are not counted yet: the first run looks at all rows")
    lines.append("  settings")
    for name, entry in facts["settings"].items():
        lines.append(f"    {name:24} {_shown(entry['value']):24} {entry['from']}")
    lines += _memory_lines(plan, settings, facts.get("longest"))
    disk = facts["disk"]
    lines.append(
        f"  disk: about {gib(disk['checkpoint'])} for the checkpoint, {gib(disk['states'])} for "
        "states while it runs"
    )
    if settings.nodes == 1:
        lines.append("  `harness train` starts it itself")
    else:
        lines += ["  `harness train` prepares the folder; then start it with one of", ""]
    for way, command in facts["commands"].items():
        lines += [f"    # {way}", *(f"    {line}" for line in command.splitlines()), ""]
    return lines[:-1] if facts["commands"] else lines


def _memory_lines(plan: Plan, settings: Settings, longest: int | None) -> list[str]:
    import dataclasses

    lines = [
        f"  memory of a GPU, estimated, with {settings.ranks} "
        f"{'processes' if settings.ranks > 1 else 'process'}",
        f"    {'':15} {'weights':>11} {'gradients':>11} {'optimizer':>11} {'activations':>12} "
        f"{'total':>11}",
    ]
    for parallel in dict.fromkeys((*_TABLE, settings.parallel)):
        other = dataclasses.replace(settings, parallel=parallel)
        memory = estimate(plan.sizes, plan.base.config, other, longest)
        chosen = "*" if parallel == settings.parallel else " "
        lines.append(f"   {chosen}{parallel:15} {_row(memory)}")
    return lines


def _row(memory: Memory) -> str:
    parts = (memory.weights, memory.gradients, memory.optimizer)
    row = " ".join(f"{gib(part):>11}" for part in parts)
    row += f" {gib(memory.activations):>12} {gib(memory.total):>11}"
    return row + (f" + {gib(memory.offloaded)} in RAM" if memory.offloaded else "")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value) if value else "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
