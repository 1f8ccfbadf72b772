"""What is compared: recipes, stages' folders, files of triplets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError
from harness.recipes import Recipe, parse, read_recipe
from synth.pipeline import Result, run_stages
from synth.quality._types import Source

_RECIPES = (".yaml", ".yml", ".json")


def check_source(recipe: Recipe) -> None:
    """Refuse a recipe that will have no triplets.

    Raises:
        UserError: It wants captions only, or has no `synth:` section.
    """
    if recipe.synth is None:
        raise UserError(f"{recipe.name} has no synth section", "Add `synth:` with `pairs:`.")
    if recipe.synth.content == "captions":
        raise UserError(
            f"{recipe.name} wants captions only: there are no triplets to report on",
            "Leave out --captions-only, or --report.",
        )


def check_others(against: Sequence[Path]) -> None:
    """Refuse what is neither a recipe nor triplets, before any work.

    Raises:
        UserError: One is neither.
    """
    for path in against:
        if path.suffix in _RECIPES and path.is_file():
            check_source(parse(Recipe, read_recipe(path)))
        else:
            _file_of(path)


def source_of(recipe: Recipe, result: Result, work: Path) -> Source:
    """A recipe's triplets.

    Raises:
        UserError: It wants captions only, and has none.
    """
    check_source(recipe)
    stages = {made.stage.name: made.path for made in result.stages}
    kept = stages["filter"] / "triplets.jsonl" if "filter" in stages else None
    triplets = stages["generate"] / "triplets.jsonl"
    return Source(recipe.name, triplets, kept, result.images, work / recipe.name)


def others(against: Sequence[Path], first: Source, work: Path) -> list[Source]:
    """What a recipe is compared with.

    Args:
        against: Recipes (whose stages up to the filter are made if they are not there), folders
            with `triplets.jsonl`, or such files.
        first: The recipe's own; its pictures and journals serve where another has none.
        work: Folder of stages.

    Raises:
        UserError: One is none of these.
    """
    sources: list[Source] = []
    names = {first.name}
    for path in against:
        source = _source(path, first, work)
        name, number = source.name, 2
        while name in names:
            name, number = f"{source.name} ({number})", number + 1
        names.add(name)
        sources.append(Source(name, source.triplets, source.kept, source.images, source.root))
    return sources


def _source(path: Path, first: Source, work: Path) -> Source:
    if path.suffix in _RECIPES and path.is_file():
        recipe = parse(Recipe, read_recipe(path))
        check_source(recipe)
        until = "filter" if recipe.synth and recipe.synth.filter else "generate"
        return source_of(recipe, run_stages(recipe, work, until), work)
    file = _file_of(path)
    name = path.resolve().stem if path.is_file() else path.resolve().name
    return Source(name, file, None, _images(file, first), first.root)


def _file_of(path: Path) -> Path:
    file = path / "triplets.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"--against {path}: neither a recipe nor triplets",
            "Name a recipe, a folder with triplets.jsonl, or such a file.",
        )
    return file


def _images(file: Path, first: Source) -> Path:
    """Where a stage says its pictures are; else where the recipe's own are."""
    try:
        record = json.loads((file.parent / "stage.json").read_text(encoding="utf-8"))
        named = record["images"]
    except (OSError, ValueError, KeyError, TypeError):
        return first.images
    return Path(named) if isinstance(named, str) else first.images
