"""Stages' row files: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import replacing
from synth._types import Pair, Reject, Triplet
from tasks import ImageRef

Write = Callable[[dict[str, Any]], None]


@contextmanager
def writing_lines(*paths: Path) -> Iterator[tuple[Write, ...]]:
    """Give a function a file that adds a line; the files appear once the block has ended well."""
    with ExitStack() as stack:
        writers = []
        for path in paths:
            temporary = stack.enter_context(replacing(path))
            file = stack.enter_context(temporary.open("w", encoding="utf-8", errors="replace"))
            writers.append(_writer(file.write))
        yield tuple(writers)


def _writer(write: Callable[[str], Any]) -> Write:
    def line(fields: dict[str, Any]) -> None:
        write(json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n")

    return line


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of every line of a stage's own file.

    Raises:
        UserError: The file is missing, or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                fields = json.loads(line)
                if not isinstance(fields, dict):
                    raise UserError(f"{path}, line {number}: not a JSON object")
                yield fields
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def read_pairs(path: Path, root: Path) -> Iterator[Pair]:
    """The pairs of a `pairs.jsonl`.

    Args:
        path: The file.
        root: Folder that the pictures' paths start from.
    """
    return (_pair(fields, root) for fields in read_lines(path))


def read_triplets(path: Path, root: Path) -> Iterator[Triplet]:
    """The triplets of a `triplets.jsonl`.

    Args:
        path: The file.
        root: Folder that the pictures' paths start from.
    """
    for fields in read_lines(path):
        yield Triplet(
            _pair(fields, root), fields["instruction"], fields["informative"], fields["precise"]
        )


def read_rejects(path: Path) -> Iterator[Reject]:
    """The rejects of a `rejects.jsonl`."""
    for fields in read_lines(path):
        yield Reject(fields["id"], fields["index"], fields["reason"], fields["detail"])


def _pair(fields: dict[str, Any], root: Path) -> Pair:
    image = ImageRef(fields["image"], root=root)
    return Pair(fields["index"], fields["id"], image, fields["caption"])


def pair_line(pair: Pair) -> dict[str, Any]:
    """A pair, as a line has it."""
    fields = {"id": pair.id, "index": pair.index, "image": pair.image.locator}
    return {**fields, "caption": pair.caption}


def triplet_line(triplet: Triplet, generator: str) -> dict[str, Any]:
    """A triplet, as a line has it."""
    return {
        **pair_line(triplet.pair),
        "instruction": triplet.instruction,
        "informative": triplet.informative,
        "precise": triplet.precise,
        "generator": generator,
    }


def reject_line(reject: Reject) -> dict[str, Any]:
    """A reject, as a line has it."""
    fields = {"id": reject.id, "index": reject.index}
    return {**fields, "reason": reject.reason, "detail": reject.detail}
