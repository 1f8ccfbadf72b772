"""The recipes of a sweep: each variant's overrides, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.recipes import Recipe, Source, parse
from tasks import nearest

PLAIN = "recipe"
"""Name of the variant that overrides nothing."""
_NAME = re.compile(r"[A-Za-z][\w-]{0,59}")
_STAGE = re.compile(r"(answers|[a-z]+-[0-9a-f]{8})")


@dataclass(frozen=True)
class Variant:
    """One recipe to follow."""

    name: str
    source: Source
    recipe: Recipe
    overrides: Mapping[str, Any]

    @property
    def candidate(self) -> str:
        """What the adapted model is called."""
        return self.recipe.name if not self.overrides else f"{self.recipe.name}-{self.name}"

    @property
    def values(self) -> dict[str, Any]:
        """The recipe as it is followed."""
        return {key: value for key, value in self.source.values.items() if key != "sweep"}

    def where(self, name: str) -> str:
        """`recipe.yaml, line 7: train.preset`, for messages."""
        return f"{self.source.where(tuple(name.split('.')))}: {name}"


def read_variants(source: Source) -> list[Variant]:
    """The recipe as it is written, and its `sweep:` section's variants.

    A variant that overrides nothing stands for the recipe as it is written, which else comes first
    under the name `recipe`.

    Args:
        source: The recipe's values.

    Raises:
        UserError: Every mistake in every variant, each with its line.
    """
    whole = parse(Recipe, source)
    plain = _without_sweep(source)
    found, wrong = [], []
    for name, overrides in whole.sweep.items():
        try:
            found.append(_variant(source, name, overrides))
        except UserError as error:
            wrong.append(error.message)
    if wrong:
        raise UserError("\n  ".join(wrong))
    if all(variant.overrides for variant in found):
        found.insert(0, Variant(PLAIN, plain, parse(Recipe, plain), {}))
    return found


def _without_sweep(source: Source) -> Source:
    return source.with_values({"sweep": {}}, source.name)


def _variant(source: Source, name: str, overrides: Mapping[str, Any]) -> Variant:
    where = source.where(("sweep", name))
    if not _NAME.fullmatch(name) or _STAGE.fullmatch(name):
        raise UserError(f"{where}: a variant's name is letters, digits, - and _: {name!r}")
    if name == PLAIN and overrides:
        raise UserError(f"{where}: {PLAIN} is the recipe without overrides; take another name")
    for key in overrides:
        head = key.split(".")[0]
        if head in ("name", "sweep") or head not in Recipe.model_fields:
            known = ("base_model", "synth", "train", "eval")
            place = source.where(("sweep", name, key))
            raise UserError(f"{place}: sweep.{name}: {key} cannot be overridden"
                            f"{nearest(head, known)} ({', '.join(known)} can)")  # fmt: skip
    origin = f"{where}: sweep.{name}"
    varied = _without_sweep(source.with_values(overrides, origin, at=("sweep", name)))
    try:
        return Variant(name, varied, parse(Recipe, varied), overrides)
    except UserError as error:
        told = error.message.replace("\n  ", f"\n  sweep.{name}: ")
        raise UserError(f"sweep.{name}: {told}") from error
