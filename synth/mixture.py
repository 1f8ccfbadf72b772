"""The mixture: usable pairs and kept triplets become training conversations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.files import replacing, write_json
from harness.recipes import SynthRecipe
from harness.stages import Counts
from synth._conversing import (
    Exchange,
    Task,
    Wording,
    caption_exchange,
    converse,
    fault,
    in_order,
    task_exchange,
)
from synth._lines import read_lines, reject_line, writing_lines
from synth._text import CHECKS_VERSION
from synth._types import Conversation, Pair, Reason, Reject
from synth._wording import WORDING_VERSION

__all__ = ["Mixed", "Wording", "mix", "wording_config", "wording_of"]

FILES = {
    "all": ("train", "captions", "tasks", "tasks_and_captions"),
    "tasks": ("train", "tasks"),
    "captions": ("train", "captions"),
}
"""What is written beside `train.jsonl`, by the recipe's `content`: stages of two-stage training."""


class Mixed(NamedTuple):
    """What became of the pairs."""

    counts: Counts
    files: tuple[str, ...]
    tasks: int
    """Conversations with a task."""
    captions: int
    """Conversations with a caption."""


def wording_of(recipe: SynthRecipe) -> Wording:
    """What a recipe says about conversations."""
    return Wording(recipe.seed, recipe.answers, recipe.content, recipe.caption_position)


def wording_config(wording: Wording) -> dict[str, Any]:
    """What determines the conversations that pairs and triplets become."""
    return {**wording._asdict(), "wording_version": WORDING_VERSION, "checks": CHECKS_VERSION}


class Rows(NamedTuple):
    """One pair's conversations: the training row, and its parts for two-stage training."""

    train: Conversation
    caption: Conversation | None
    task: Conversation | None


def rows_of(row: str, image: str, caption: str, task: Task | None, wording: Wording) -> Rows | None:
    """The conversations of one pair: a pure function of its words, the seed and the row's id.

    Args:
        row: The pair's id.
        image: Path of the picture.
        caption: What was written about it.
        task: Its kept triplet.
        wording: What the recipe says.

    Returns:
        None if the pair has nothing of what the recipe wants.
    """
    told = None if wording.content == "tasks" else caption_exchange(caption, wording.seed, row)
    asked = task_exchange(task, wording, row) if task and wording.content != "captions" else None

    def alone(exchange: Exchange | None) -> Conversation | None:
        return None if exchange is None else converse(row, image, [exchange])

    if told is not None and asked is not None:
        whole: Conversation | None = converse(row, image, in_order(told, asked, wording, row))
    else:
        whole = alone(told or asked)
    return None if whole is None else Rows(whole, alone(told), alone(asked))


def mix(
    pairs: Iterable[Pair],
    triplets: Path | None,
    lost: Mapping[int, Reason],
    wording: Wording,
    out: Path,
    name: str,
) -> Mixed:
    """Write `train.jsonl`, the files of two-stage training, and `rejects.jsonl`.

    Args:
        pairs: Usable ones, in their source's order.
        triplets: Kept ones; None where no task is wanted.
        lost: Index of a pair to the reason why it has no kept triplet.
        wording: What the recipe says.
        out: Folder of the outputs.
        name: The recipe's, for `dataset_info.json`.
    """
    files = FILES[wording.content]
    parts = tuple(file for file in files if file in ("captions", "tasks"))
    counts, tasks, captions = Counts(), 0, 0
    task_of = _by_index(triplets)
    paths = [out / f"{part}.jsonl" for part in ("train", *parts, "rejects")]
    with writing_lines(*paths) as (train, *others, reject):
        for pair in pairs:
            counts.rows_in += 1
            rows = _rows_or_reject(pair, task_of(pair.index), lost, wording)
            if isinstance(rows, Reject):
                counts.reject(rows.reason)
                reject(reject_line(rows))
                continue
            counts.rows_out += 1
            tasks += rows.task is not None
            captions += rows.caption is not None
            train(rows.train.to_json())
            for part, write in zip(parts, others, strict=True):
                conversation = rows.caption if part == "captions" else rows.task
                if conversation is not None:
                    write(conversation.to_json())
    if "tasks_and_captions" in files:
        _same_file(out / "train.jsonl", out / "tasks_and_captions.jsonl")
    write_json(out / "dataset_info.json", {f"{name}_{file}": _described(file) for file in files})
    return Mixed(counts, tuple(f"{file}.jsonl" for file in files), tasks, captions)


def _rows_or_reject(
    pair: Pair, task: Task | None, lost: Mapping[int, Reason], wording: Wording
) -> Rows | Reject:
    rows = rows_of(pair.id, pair.image.locator, pair.caption, task, wording)
    if rows is None:
        reason = lost.get(pair.index, "no matching pair")
        return Reject(pair.id, pair.index, reason, "no task was kept, and captions are not wanted")
    for conversation in rows:
        if conversation is not None and (problem := fault(conversation)) is not None:
            return Reject(pair.id, pair.index, "malformed", problem)
    return rows


def _by_index(triplets: Path | None) -> Callable[[int], Task | None]:
    """Finds the task of a pair; pairs must be asked for in the order of their index."""
    lines = read_lines(triplets) if triplets else iter(())
    ahead = next(lines, None)

    def find(index: int) -> Task | None:
        nonlocal ahead
        while ahead is not None and ahead["index"] < index:
            ahead = next(lines, None)
        if ahead is None or ahead["index"] != index:
            return None
        return Task(ahead["instruction"], ahead["informative"], ahead["precise"])

    return find


def _same_file(path: Path, other: Path) -> None:
    """Give a file a second name, or copy it where the file system has no links."""
    with replacing(other) as temporary:
        temporary.unlink()
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


def _described(file: str) -> dict[str, Any]:
    """An entry of LLaMA-Factory's `dataset_info.json`."""
    return {
        "file_name": f"{file}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    }


def lost_reasons(*rejects: Path) -> dict[int, Reason]:
    """Index of a pair to the reason why it has no kept triplet."""
    return {line["index"]: line["reason"] for path in rejects for line in read_lines(path)}
