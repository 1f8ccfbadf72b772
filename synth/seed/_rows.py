"""Seed rows: a picture with caption, question and both answers, of either accepted form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import UserError
from harness.recipes import SeedRecipe
from synth._text import fault_of, shortened, tidy
from synth._types import Reject
from synth.generators._base import MOST_ANSWER, MOST_INSTRUCTION, MOST_PRECISE
from synth.pairs._json import Broken, read_records
from synth.pairs._record import Refused, checked_caption, described, id_of, image_of, turns_of
from tasks import ImageRef

_PLACE = re.compile(r"\s*<image>\s*")
_QUESTION_FIELDS = ("instruction", "question")


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One picture's conversation to be."""

    index: int
    id: str
    image: ImageRef
    caption: str
    instruction: str
    precise: str
    informative: str
    task: str
    """Name of its task; rows without one share a name."""
    source: str
    """Data set the picture comes from, as far as its name says."""


def read_seed(recipe: SeedRecipe) -> Iterator[SeedRow | Reject]:
    """Read seed rows in their source's order.

    Raises:
        UserError: A file is missing or cannot be read.
    """
    root = images_root(recipe)
    records = enumerate(read_records(recipe.data))
    if recipe.captions is None:
        for index, record in records:
            yield _generic(record, index, root)
    else:
        yield from _joined(records, recipe.captions, root)


def images_root(recipe: SeedRecipe) -> Path:
    """Folder that the pictures' paths start from.

    Raises:
        UserError: The data or the folder is missing.
    """
    if not recipe.data.is_file():
        raise UserError(f"seed_data: no such file: {recipe.data}")
    if recipe.images is not None and not recipe.images.is_dir():
        raise UserError(f"seed_data: images: {recipe.images} is no folder")
    return recipe.images or recipe.data.parent


def allava_files(captions: Path) -> tuple[Path, Path]:
    """ALLaVA's two files on VisionFLAN's pictures: captions, and informative answers.

    Args:
        captions: The folder that holds them, or one of them.

    Raises:
        UserError: There is not exactly one of each.
    """
    folder = captions if captions.is_dir() else captions.parent
    files = [path for path in sorted(folder.glob("*.json")) if "vflan" in path.name.lower()]
    found = [
        [path for path in files if kind in path.name.lower()] for kind in ("caption", "instruct")
    ]
    if any(len(paths) != 1 for paths in found):
        raise UserError(
            f"seed_data: captions: {folder} must hold one ALLaVA-Caption-VFLAN-4V.json and one "
            "ALLaVA-Instruct-VFLAN-4V.json",
            "`captions` names the folder of both files.",
        )
    return found[0][0], found[1][0]


def _generic(record: Mapping[str, Any] | Broken, index: int, root: Path) -> SeedRow | Reject:
    if isinstance(record, Broken):
        return Reject(str(index), index, "malformed", str(record))
    row_id = id_of(record, index)
    question = next((record[n] for n in _QUESTION_FIELDS if record.get(n) is not None), None)
    task = record.get("task", record.get("task_name"))
    try:
        image = image_of(record, index, root)
        return SeedRow(
            index,
            row_id,
            image,
            checked_caption(record.get("caption")),
            _checked("instruction", question, MOST_INSTRUCTION),
            _checked("precise answer", record.get("precise"), MOST_PRECISE),
            _checked("informative answer", record.get("informative"), MOST_ANSWER),
            _name(task),
            _name(record.get("source")),
        )
    except Refused as refusal:
        return Reject(row_id, index, refusal.reason, shortened(refusal.detail))


def _checked(name: str, given: object, most: int) -> str:
    """A text that may stand in a training row; the picture's place is no part of it."""
    if not isinstance(given, str):
        raise Refused("malformed", f"{name}: no text")
    text = tidy(_PLACE.sub("\n", given))
    if (fault := fault_of(text, most)) is not None:
        raise Refused("malformed", f"{name}: {fault}: {text}")
    return text


def _name(given: object) -> str:
    return shortened(given.strip(), 100) if isinstance(given, str) and given.strip() else "unnamed"


def _joined(
    records: Iterator[tuple[int, Mapping[str, Any] | Broken]], captions: Path, root: Path
) -> Iterator[SeedRow | Reject]:
    """VisionFLAN's questions and precise answers, with what ALLaVA says of the same picture.

    A picture's first record that asks what ALLaVA answered makes its conversation.
    """
    caption_file, answer_file = allava_files(captions)
    told = {name: caption for name, _, caption in _allava(caption_file)}
    answered: dict[str, dict[str, str]] = {}
    for name, question, answer in _allava(answer_file):
        answered.setdefault(name, {}).setdefault(_plain(question), answer)
    done: set[str] = set()
    for index, record in records:
        if isinstance(record, Broken):
            yield Reject(str(index), index, "malformed", str(record))
            continue
        row = _vision_flan(record, index, root, told, answered, done)
        if isinstance(row, SeedRow):
            done.add(row.id)
        yield row


def _allava(path: Path) -> Iterator[tuple[str, str, str]]:
    """Picture's file name, question and answer of every record that has them."""
    for record in read_records(path):
        if isinstance(record, Broken):
            continue
        turns = turns_of(record)
        image, answer = record.get("image"), described(turns)
        if isinstance(image, str) and answer is not None:
            yield PurePosixPath(image).name, turns[0].text, answer


def _vision_flan(
    record: Mapping[str, Any],
    index: int,
    root: Path,
    told: Mapping[str, str],
    answered: Mapping[str, Mapping[str, str]],
    done: set[str],
) -> SeedRow | Reject:
    row_id = str(index)
    try:
        image = image_of(record, index, root)
        name = PurePosixPath(image.locator).name
        # Many of its records share an id; the picture's name is what is joined by.
        row_id = shortened(name, 200)
        turns = turns_of(record)
        if [turn.speaker for turn in turns[:2]] != ["user", "assistant"]:
            raise Refused("malformed", "no question with its answer")
        if row_id in done:
            raise Refused("duplicate", "the picture has its conversation already")
        informative = answered.get(name, {}).get(_plain(turns[0].text))
        if informative is None:
            why = "with another question" if name in answered else "nowhere"
            raise Refused("no matching pair", f"answered informatively {why}")
        task = record.get("task_name")
        return SeedRow(
            index,
            row_id,
            image,
            checked_caption(told.get(name)),
            _checked("instruction", turns[0].text, MOST_INSTRUCTION),
            _checked("precise answer", turns[1].text, MOST_PRECISE),
            _checked("informative answer", informative, MOST_ANSWER),
            _name(task),
            _name(name.partition("+")[0] if "+" in name else None),
        )
    except Refused as refusal:
        return Reject(row_id, index, refusal.reason, shortened(refusal.detail))


def _plain(question: str) -> str:
    """What two spellings of one question have in common."""
    return " ".join(_PLACE.sub(" ", question).split()).lower()
