"""From seed rows to training conversations in the wire format; every choice hangs on the id."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness import images
from harness.errors import RowError
from harness.files import replacing
from harness.recipes import SeedRecipe
from harness.stages import Counts, Stage
from synth._lines import reject_line, writing_lines
from synth._text import CHECKS_VERSION, fraction_of, number_of, shortened
from synth._types import FORMATS, Conversation, Reject, Turn
from synth.generators._blank import blank_picture
from synth.generators._wire import DESCRIBE, INFORMATIVE, NO_CAPTION, PRECISE
from synth.seed._rows import SeedRow, allava_files, images_root, read_seed
from synth.seed._summary import Summary

BLANK = "blank.png"
SEED_VERSION = 1


class Seeded(NamedTuple):
    """What became of the seed rows."""

    counts: Counts
    files: tuple[str, ...]
    """Written into the stage's folder, which pictures' paths start from."""
    more: dict[str, Any]
    """For `stage.json`: rows of either file, blank pictures."""


def seed_config(recipe: SeedRecipe) -> dict[str, Any]:
    """What determines the conversations of given rows, as JSON values."""
    return {
        "version": SEED_VERSION,
        "checks": CHECKS_VERSION,
        "input": recipe.input,
        "blank": recipe.blank,
        "held_out": recipe.held_out,
        "seed": recipe.seed,
    }


def seed_inputs(recipe: SeedRecipe) -> dict[str, str]:
    """Fingerprints of what the conversations are made of.

    Raises:
        UserError: A file is missing.
    """
    from synth.pairs import open_pairs

    # As pairs: the file's content, and sizes and times of the pictures.
    found = {"data": open_pairs(str(recipe.data), images_root(recipe)).fingerprint()}
    if recipe.captions is not None:
        for name, path in zip(("captions", "answers"), allava_files(recipe.captions), strict=True):
            found[name] = open_pairs(str(path)).fingerprint()
    return found


def make_seed(recipe: SeedRecipe, stage: Stage) -> Seeded:
    """Write `train.jsonl` and `validation.jsonl`, `rejects.jsonl`, a summary, and the pictures.

    Pictures are linked into the stage's folder (copied where the file system cannot), so that
    they and the blank one have one root.

    Raises:
        UserError: The seed data cannot be read.
    """
    counts, summary = Counts(), Summary()
    files = ("train.jsonl", "validation.jsonl", "rejects.jsonl")
    (stage.path / "images").mkdir(parents=True, exist_ok=True)
    _write_blank(stage.path / BLANK)
    with writing_lines(*(stage.path / name for name in files)) as (train, validation, rejects):
        for row in _usable(recipe):
            counts.rows_in += 1
            if not isinstance(row, Reject):
                image = BLANK if is_blank(recipe, row.id) else _keep(row, stage.path)
                held_out = is_held_out(recipe, row.id)
                write = validation if held_out else train
                write(conversation(recipe, row, image).to_json())
                counts.rows_out += 1
                summary.add(row, held_out=held_out, blank=image == BLANK)
            else:
                counts.reject(row.reason)
                rejects(reject_line(row))
    summary.write(stage.path)
    return Seeded(counts, (*files, "summary.json", "summary.svg"), summary.counts())


def _usable(recipe: SeedRecipe) -> Iterator[SeedRow | Reject]:
    """Rows whose picture can be decoded, also where a blank one takes its place."""
    for row in read_seed(recipe):
        if isinstance(row, SeedRow):
            try:
                images.load(row.image, FORMATS)
            except RowError as error:
                yield Reject(row.id, row.index, "unusable image", shortened(str(error)))
                continue
        yield row


def is_blank(recipe: SeedRecipe, row_id: str) -> bool:
    """Whether a row's picture is replaced by a blank one.

    Always where the synthesizer is to go by the caption alone; never where it has no caption,
    since nothing would be left to ask about.
    """
    if recipe.input == "caption":
        return True
    if recipe.input == "image":
        return False
    return fraction_of(recipe.seed, row_id, "blank") < recipe.blank


def is_held_out(recipe: SeedRecipe, row_id: str) -> bool:
    """Whether a row is kept for validation; every task gives about the same share."""
    return fraction_of(recipe.seed, row_id, "held out") < recipe.held_out


def conversation(recipe: SeedRecipe, row: SeedRow, image: str) -> Conversation:
    """Description first, then the question with either hint, in an order that the id decides."""
    caption = NO_CAPTION if recipe.input == "image" else row.caption
    described = [Turn("user", f"<image>\n{DESCRIBE}"), Turn("assistant", caption)]
    exchanges = [
        [Turn("user", f"{hint}\n{row.instruction}"), Turn("assistant", answer)]
        for hint, answer in ((PRECISE, row.precise), (INFORMATIVE, row.informative))
    ]
    if number_of(recipe.seed, row.id, "order") % 2:
        exchanges.reverse()
    turns = (*described, *exchanges[0], *exchanges[1])
    return Conversation(row.id, turns, (image,))


def _keep(row: SeedRow, folder: Path) -> str:
    """Put a picture under the stage's folder; gives its path there."""
    name = os.path.normpath(f"images/{row.image.locator}")
    path = folder / name
    real = Path(os.path.realpath(row.image.root / row.image.locator))  # type: ignore[operator]
    if path.is_file() and path.stat().st_size == real.stat().st_size:
        return name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(real)
    except OSError:
        with replacing(path) as temporary:
            shutil.copyfile(real, temporary)
    return name


def _write_blank(path: Path) -> None:
    with replacing(path) as temporary:
        blank_picture().image.save(temporary, "PNG")
