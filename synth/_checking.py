"""What a synthesis refuses, as early as it can be known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from synth._lines import read_rejects
from synth._making import Made
from synth._text import shortened
from synth.funnel import reasons
from synth.pairs import open_pairs

if TYPE_CHECKING:
    from synth.pipeline import Synthesis


def check_asked(synthesis: Synthesis, until: str | None) -> None:
    """A stage that the recipe does not have cannot be the last one.

    Raises:
        UserError: It is asked for.
    """
    recipe = synthesis.recipe
    there = {
        "tune": synthesis.tunes,
        "filter": recipe.filter is not None and synthesis.wants_tasks(),
        "audit": bool(recipe.audit),
    }
    if until is not None and not there.get(until, True):
        raise UserError(f"--stage {until}: the recipe has no such stage", f"Give it `{until}:`.")


def check_usable(synthesis: Synthesis, generated: Made) -> None:
    """Pairs of which none has picture and caption make no training file, not even of captions.

    Raises:
        UserError: With the reasons, and what is wrong with the first.
    """
    if (generated.path / "pairs.jsonl").stat().st_size:
        return
    path = generated.path / "rejects.jsonl"
    first = next(read_rejects(path))
    detail = f": {shortened(first.detail, 200)}" if first.detail else ""
    raise UserError(
        f"pairs: {synthesis.pairs.describe()}: none can be used "
        f"({reasons(generated.record['rejects'])}); row {first.id}: {first.reason}{detail}",
        f"Every reject is in {path}.",
    )


def check_unchanged(synthesis: Synthesis) -> None:
    """Pairs are read twice, hours apart: answers belong to positions in one and the same file.

    Raises:
        UserError: The file is another by now.
    """
    recipe = synthesis.recipe
    if not Path(recipe.pairs).expanduser().exists():
        return  # a hub's data set, read from its copy
    again = open_pairs(recipe.pairs, recipe.images, recipe.limit)
    if again.fingerprint() != synthesis.source:
        raise UserError(
            f"pairs: {again.describe()} or its pictures changed while they were read",
            "Run it again: what was answered is kept.",
        )
