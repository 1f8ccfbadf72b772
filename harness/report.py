"""What a person sees at the end: the table of scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.progress import printable
from harness.results import failed_share
from tasks import PROTOCOLS
from tasks._reference import published_for, reproduction

_PAGE = 120


def print_results(results: dict[str, Any], notes: Iterable[str] = ()) -> None:
    """Print scores with their intervals, flags, published numbers and group averages.

    Args:
        results: The run's results.
        notes: More to say below the table.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PAGE)
    model = results["model"]
    published = any(published_for(model["name"], r["task"], r["split"]) for r in results["results"])
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("task", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for protocol in PROTOCOLS:
        table.add_column(protocol, justify="right", no_wrap=True)
        table.add_column("95 %", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("clusters", justify="right", no_wrap=True)
    if published:
        table.add_column("published", no_wrap=True)
    table.add_column("notes", overflow="fold")
    for pair in _pairs(results["results"]):
        cells = _row(pair, model["name"], published=published)
        main = next(iter(pair.values()))["main"]
        table.add_row(*(Text(printable(cell), style="" if main else "dim") for cell in cells))
    for group, lines in _groups(results["groups"]):
        cells = [group, "average"]
        for line in lines:
            cells += [_number(line["score"]), _plus_minus(line)]
        table.add_row(*(Text(printable(cell), style="bold") for cell in cells))
    title = printable(f"{model['name']}  {results['run_id']}")
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(table)
    for text in [*_footnotes(results), *notes]:
        console.print(Text(printable(text)))


def _pairs(lines: Iterable[dict[str, Any]]) -> list[dict[str, dict[str, Any]]]:
    """Lines of one task, split and metric under both protocols side by side."""
    rows: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for line in lines:
        key = (line["task"], line["split"], line["metric"])
        rows.setdefault(key, {})[line["protocol"]] = line
    return list(rows.values())


def _row(pair: dict[str, dict[str, Any]], model: str, *, published: bool) -> list[str]:
    line = pair.get("paper") or pair["strict"]
    label = " ".join(part for part in (line["task"], line["split"]) if part)
    cells = [label if line["main"] else "", line["metric"]]
    for protocol in PROTOCOLS:
        one = pair.get(protocol)
        cells += [_number(one["score"]), _interval(one)] if one else ["", ""]
    if not line["main"]:
        return cells
    cells += [f"{line['n']:,}", f"{line['clusters']:,}"]
    if published:
        rows = published_for(model, line["task"], line["split"])
        cells.append(", ".join(f"{row.score:g} {row.model}" for row in rows))
    strict = pair.get("strict", line)
    flags = {"unparsed": strict["unparsed"], "guessed": line["guessed"], "failed": line["failed"]}
    return [*cells, ", ".join(f"{count:,} {name}" for name, count in flags.items() if count)]


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _interval(line: dict[str, Any]) -> str:
    if line["ci95"] is None:
        return ""
    return f"{line['ci95'][0]:.1f} to {line['ci95'][1]:.1f}"


def _plus_minus(line: dict[str, Any]) -> str:
    return "" if line["stderr"] is None else f"s.e. {line['stderr']:.1f}"


def _groups(lines: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if line["score"] is not None:
            groups.setdefault(line["group"], []).append(line)
    return list(groups.items())


def _footnotes(results: dict[str, Any]) -> list[str]:
    notes = []
    if results["partial"]:
        notes.append(
            "Partial: rows were left out by --limit; not comparable with published scores."
        )
    if results["images"] != "given":
        notes.append(f"Control run: images {results['images']}.")
    failed, rows = failed_share(results)
    unreadable = {task: n for task, n in results["unreadable"].items() if n}
    if failed:
        share = 100 * failed / rows
        text = f"{failed:,} of {rows:,} rows failed or were unreadable ({share:.1f} %)"
        names = ", ".join(f"{task} {n}" for task, n in unreadable.items())
        notes.append(text + (f"; unreadable lines: {names}" if names else "") + ".")
    for group in results["groups"]:
        if group["score"] is None and group["protocol"] == "paper":
            notes.append(f"No average for {group['group']}: {group['reason']}.")
    notes += _reproduced(results)
    rules = {(line["task"], line["protocol"], line["rule"]) for line in results["results"]}
    notes += [
        f"{task} ({protocol}): {rule}." for task, protocol, rule in sorted(rules, key=str) if rule
    ]
    seen = {(line["task"], line["may_have_seen"]) for line in results["results"]}
    notes += [
        f"{task}: the model may have seen it. {why}." for task, why in sorted(seen, key=str) if why
    ]
    notes.append("Intervals are clustered by image. unparsed: under strict; guessed: under paper.")
    return notes


def _reproduced(results: dict[str, Any]) -> list[str]:
    """Whether a published model's printed scores lie in the intervals of the measured ones."""
    if results["partial"] or results["images"] != "given":
        return []
    said: dict[str, list[str]] = {}
    for line in results["results"]:
        if not line["main"] or line["protocol"] != "paper":
            continue
        held = reproduction(
            results["model"]["name"],
            line["task"],
            line["split"],
            score=line["score"],
            ci95=line["ci95"],
            n=line["n"],
        )
        if held is not None and held.inside is not None:
            name = " ".join(part for part in (line["task"], line["split"]) if part)
            text = f"{name} {'yes' if held.inside else 'no'} ({held.difference:+.1f})"
            said.setdefault(held.published.source, []).append(text)
    return [
        f"Reproduces {source} (the printed score lies in the interval): {', '.join(columns)}."
        for source, columns in said.items()
    ]
