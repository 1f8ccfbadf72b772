"""A task's card: what it measures, how it is scored, what has been published."""

from __future__ import annotations

import textwrap
from typing import Any

from harness.progress import printable
from tasks import Task
from tasks._reference import Published, published_scores

_WIDTH = 96


def task_facts(task: Task) -> dict[str, Any]:
    """Everything about a task as one JSON object."""
    card = task.card
    return {
        "id": task.id,
        "version": task.version,
        "group": task.group,
        "title": card.title,
        "measures": card.measures,
        "rows": card.rows,
        "prompt": card.prompt,
        "max_new_tokens": task.max_new_tokens,
        "cluster": task.cluster,
        "source": None if task.source is None else task.source._asdict(),
        "columns": [column._asdict() for column in task.scorer.columns],
        "needs": sorted(task.scorer.needs),
        "paper": card.paper,
        "strict": card.strict,
        "notes": list(card.notes),
        "published": [row._asdict() for row in published_scores() if row.task == task.id],
    }


def card_text(task: Task) -> str:
    """The same for people."""
    card = task.card
    source = "rows of your own" if task.source is None else f"hub {task.source.repo}, config "
    source += "" if task.source is None else " or ".join(task.source.configs)
    parts = [
        f"{card.title}  ({task.id}, version {task.version}, group {task.group})",
        _item("measures", card.measures),
        _item("rows", card.rows),
        _item("source", source),
        _item("a row", _row_fields(task)),
        _item("prompt", card.prompt),
        _item("answer", f"{_drawn(task)}, at most {task.max_new_tokens} new tokens"),
        _item("paper", card.paper),
        _item("strict", card.strict),
        *(_item("note", note) for note in card.notes),
    ]
    published = [row for row in published_scores() if row.task == task.id]
    if published:
        parts += ["", *_table(published)]
    return printable("\n".join(parts))


def _drawn(task: Task) -> str:
    temperature = task.generation.temperature
    return f"temperature {temperature:g}" if temperature else "greedy"


def _row_fields(task: Task) -> str:
    if task.borrowed is not None:
        return "a document of that data set, with any number of pictures"
    fields = {"answer_type": "answer_type (OPEN or CLOSED)", "options": "A, B, ... (options)"}
    label = "label (a list)" if task.scorer.needs & {"labels", "references"} else "label"
    needed = [fields[need] for need in sorted(task.scorer.needs) if need in fields]
    return ", ".join(["image", "input", label, *needed]) + "; optional id, image_id"


def _item(name: str, text: str) -> str:
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, _WIDTH - 12) or [""]]
    first, *rest = lines
    return "\n".join([f"  {name:<10}{first}", *(f"  {'':<10}{line}" for line in rest)])


def _table(rows: list[Published]) -> list[str]:
    """Published rows, a model a line, a split a column."""
    splits = list(dict.fromkeys(row.split for row in rows))
    lines: dict[tuple[str, ...], dict[str | None, str]] = {}
    for row in rows:
        table = row.source.rpartition("v4 ")[2].replace("arXiv:2411.19930v1 ", "v1 ")
        key = (row.model, row.base_model, row.method, row.image_caption_source, table)
        lines.setdefault(key, {})[row.split] = f"{row.score:.1f}"
    heads = [split or rows[0].metric for split in splits]
    out = [f"  published  {'model':<34}{'method':<34}" + "".join(f"{h:>9}" for h in heads)]
    for (model, base, method, source, table), scores in lines.items():
        name = model if base in ("", model) else f"{model} ({base})"
        how = f"{method}, {source}" if source and source not in model else method
        cells = "".join(f"{scores.get(split, '-'):>9}" for split in splits)
        out.append(f"  {table:<11}{_cut(name, 33):<34}{_cut(how, 33):<34}{cells}")
    return out


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
