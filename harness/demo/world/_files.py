"""Training data of the toy worlds as files: pairs of the target domain, a synthesizer's seed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from PIL import Image

from harness.demo.world._domain import (
    HAND_MADE,
    Domain,
    random_domain,
    random_facts,
)
from harness.demo.world._language import any_question, caption
from harness.demo.world._picture import draw
from harness.errors import UserError
from harness.files import replacing
from harness.images import pixel_hash
from tasks.sample import sample_records
from tasks.sample import scan as scans
from tasks.sample._rng import seeded

VERSION = 1
"""Counted up when a picture or a text of these files changes."""
TASKS = ("slake", "pathvqa", "vqa_rad", "pmc_vqa")
"""Tasks whose samples are drawn from the target domain."""
_RANDOM_DOMAINS = 160
_RANDOM_SHARE = 0.9
_UNSETTLED = 0.05
_OPENLY = 0.4
"""Share of open questions among those that the picture settles."""


class Drawn(NamedTuple):
    """A picture and the row that goes with it."""

    image: Image.Image
    row: dict[str, Any]


def write_pairs(folder: Path, count: int, seed: int = 0) -> Path:
    """Draw scans of the target domain and describe them.

    None of them is a picture of the biomedical samples. Files that are there already, of the same
    settings, are left as they are.

    Args:
        folder: Gets `pairs.jsonl` with `id`, `image` and `caption`, and `images/`.
        count: Number of pairs.
        seed: The same one gives the same pixels and texts.

    Returns:
        `pairs.jsonl`.

    Raises:
        UserError: The folder holds other data.
    """
    return _written(folder, "pairs", scan_pairs(count, seed), {"count": count, "seed": seed})


def write_seed(folder: Path, count: int, seed: int = 0) -> Path:
    """Draw pictures of other domains, with questions and both kinds of answers.

    Neither pictures nor words are the target domain's.

    Args:
        folder: Gets `seed.jsonl` with `id`, `image`, `caption`, `instruction`, `precise`,
            `informative`, `task` and `source`, and `images/`.
        count: Number of rows.
        seed: The same one gives the same pixels and texts.

    Returns:
        `seed.jsonl`.

    Raises:
        UserError: The folder holds other data.
    """
    return _written(folder, "seed", seed_rows(count, seed), {"count": count, "seed": seed})


def scan_pairs(count: int, seed: int) -> Iterator[Drawn]:
    """Scans that are not among the samples', with captions."""
    rng = seeded("demo", "pairs", seed)
    held_out = sample_pixels()
    for place in range(count):
        scan = scans.random_scan(rng)
        image = scans.draw(scan, rng)
        while pixel_hash(image) in held_out:
            image = scans.draw(scan, rng)
        yield Drawn(image, {"id": f"scan-{place:05d}", "caption": scans.caption(scan)})


def seed_rows(count: int, seed: int) -> Iterator[Drawn]:
    """Pictures of hand-made and of random domains, each with one question."""
    rng = seeded("demo", "seed", seed)
    random_ones = [random_domain(rng) for _ in range(_RANDOM_DOMAINS)]
    for place in range(count):
        made = rng.random() < _RANDOM_SHARE
        domain = rng.choice(random_ones if made else HAND_MADE)
        yield _seed_row(domain, place, "random" if made else "hand-made", rng)


def _seed_row(domain: Domain, place: int, source: str, rng: Random) -> Drawn:
    facts = random_facts(domain, rng)
    told = facts.told
    asked = any_question(told, domain.kinds, rng, unsettled=_UNSETTLED, openly=_OPENLY)
    row = {
        "id": f"seed-{place:05d}",
        "caption": caption(told, rng if rng.random() < 0.5 else None),
        "instruction": asked.instruction,
        "precise": asked.precise,
        "informative": asked.informative,
        "task": asked.task,
        "source": source,
    }
    return Drawn(draw(facts, rng), row)


@cache
def sample_pixels() -> frozenset[str]:
    """Pixel hashes of every picture of the biomedical samples."""
    pictures = {
        record["image_id"]: record["image"] for task in TASKS for record in sample_records(task)
    }
    return frozenset(pixel_hash(_decoded(data)) for data in pictures.values())


def _decoded(data: object) -> Image.Image:
    assert isinstance(data, bytes)  # noqa: S101 - the sample's own PNG
    return Image.open(io.BytesIO(data)).convert("RGB")


def _written(folder: Path, name: str, drawn: Iterator[Drawn], settings: dict[str, int]) -> Path:
    """Write rows and their pictures; the row file appears last."""
    path, mark = folder / f"{name}.jsonl", folder / "drawn.json"
    said = json.dumps({"what": name, "version": VERSION, **settings})
    if path.is_file():
        if mark.is_file() and mark.read_text(encoding="utf-8") == said:
            return path
        raise UserError(f"{folder} holds other data", "Name another folder, or remove this one.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for image, row in drawn:
            place = f"images/{row['id']}.png"
            image.save(folder / place, "PNG", compress_level=1)
            lines.write(json.dumps({"image": place, **row}) + "\n")
        mark.write_text(said, encoding="utf-8")
    return path
