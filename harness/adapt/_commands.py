"""The command that each stage is: what a user could type to make it alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_json
from harness.recipes import EvalRecipe, Recipe, TrainRecipe


def eval_command(
    recipe: EvalRecipe, model: str, tasks: Sequence[str], name: str | None = None
) -> tuple[str, ...]:
    """`harness eval` of one model, with a recipe's settings.

    Args:
        recipe: The `eval:` section.
        model: Folder or hub id.
        tasks: Names of tasks.
        name: What the model is called; None: by its folder or hub id.
    """
    given: dict[str, object | None] = {
        "model": model,
        "tasks": ",".join(tasks),
        "name": name,
        "engine": recipe.engine,
        "replicas": recipe.replicas,
        "ray": recipe.ray,
        "data": recipe.data,
        "limit": recipe.limit,
        "max-new-tokens": recipe.max_new_tokens,
        "images": recipe.images,
        "max-failed": recipe.max_failed,
        "out": recipe.out,
    }
    settings = [f"--engine-arg={key}={value}" for key, value in recipe.engine_args.items()]
    options = [f"--{key}={value}" for key, value in given.items() if value is not None]
    return ("eval", *options, *settings, "--json")


def retention_section(recipe: EvalRecipe) -> EvalRecipe:
    """The `eval:` section as it is for retention tasks: their rows may be elsewhere."""
    borrowed = any(task.startswith("lmms_eval:") for task in recipe.retention)
    data = recipe.retention_data or (None if borrowed else recipe.data)
    return recipe.model_copy(update={"data": data, "tasks": recipe.retention})


def synth_command(recipe: Path, work: Path, until: str | None) -> tuple[str, ...]:
    """`harness synth`, up to a stage or to its end."""
    stage = () if until is None else (f"--stage={until}",)
    return ("synth", str(recipe), f"--work={work}", *stage, "--json")


def train_command(
    recipe: Path, work: Path, data: Path | None, images: Path | None
) -> tuple[str, ...]:
    """`harness train`, on what synthesis made or on the recipe's own data."""
    given = {"train.data": data, "train.images": images}
    # JSON is YAML: a path may hold what YAML reads otherwise.
    sets = [f"--set={k}={json.dumps(str(v))}" for k, v in given.items() if v is not None]
    return ("train", str(recipe), f"--work={work}", *sets, "--json")


def write_together(train: TrainRecipe, data: Path, images: Path | None, folder: Path) -> Path:
    """Write the list of what is trained on together: synthesis' conversations and others.

    Args:
        train: The `train:` section, with `also`.
        data: What synthesis made, or the recipe's own.
        images: Folder that its pictures' paths start from.
        folder: Of the variant.
    """
    others = train.also_images.expanduser().resolve() if train.also_images else None
    parts = [
        {"data": _absolute(str(data)), "images": str(images) if images else None},
        {"data": _absolute(str(train.also)), "images": str(others) if others else None},
    ]
    path = (folder / "train.together.json").resolve()
    write_json(path, parts)
    return path


def _absolute(name: str) -> str:
    """A path from anywhere; a hub id as it stands."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name


def synth_stages(recipe: Recipe) -> tuple[str, ...]:
    """The stages of a recipe's synthesis, by the names of `harness synth`."""
    synth = recipe.synth
    if synth is None:
        return ()
    asks = synth.content != "captions"
    tune = ("tune",) if asks and synth.tune and synth.generator == "synthesizer" else ()
    filter_ = ("filter",) if asks and synth.filter else ()
    audit = ("audit",) if synth.audit else ()
    return (*tune, "generate", *filter_, "mix", *audit)
