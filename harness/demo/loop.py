"""The demo's loop: drawn scans and their captions in, a compared candidate out."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path

from harness.adapt import AdaptOptions, Tools, run_adapt
from harness.comparison import compare_runs, print_comparison
from harness.demo.world import write_pairs, write_seed
from harness.files import replacing
from harness.progress import note, say
from harness.recipes import read_recipe

_HERE = Path(__file__).parent
_PAIRS = 1_500
_SEED_ROWS = 4_000
_NEXT = """
Your own data next:
  harness tasks new my_task --from rows/        # test rows: image, input and label, one a line
  harness adapt my-recipe.yaml --dry-run        # like {recipe}, with your captions
  harness adapt my-recipe.yaml
docs/adapting.md goes from a folder of images to a compared candidate."""


def run_loop(workspace: Path, tools: Tools, seed: int = 0) -> int:
    """Adapt the shipped base to drawn scans, and compare it with base and control.

    Finished stages are reused, so that the same call goes on where it was stopped.

    Args:
        workspace: Folder for everything that is made.
        tools: What synthesis and training check and plan.
        seed: Of pictures, texts and training; each seed is a loop of its own.

    Returns:
        The exit code.

    Raises:
        UserError: The workspace holds something else.
    """
    began = time.monotonic()
    recipe = prepare(workspace, seed)
    code = run_adapt(read_recipe(recipe), AdaptOptions(work=workspace / "work"), tools)
    runs = runs_of(workspace)
    if {"adapted", "captions_only"} <= runs.keys():
        say("\nThe candidate against its control, which learnt the same pictures' captions alone:")
        print_comparison(compare_runs((runs["captions_only"], runs["adapted"]), rows=0))
    say(f"\nThe loop took {(time.monotonic() - began) / 60:.1f} minutes; a second call reuses it.")
    say(_NEXT.format(recipe=recipe))
    return code


def prepare(workspace: Path, seed: int = 0) -> Path:
    """Put checkpoints, pictures and recipe into the workspace; gives the recipe.

    Args:
        workspace: Gets `models/`, `pairs/`, `seed/` and `recipe.yaml`.
        seed: Of pictures, texts and training.

    Raises:
        UserError: The workspace holds something else.
    """
    for name in ("base", "judge"):
        _copy(_HERE / "checkpoints" / name, workspace / "models" / name)
    note(f"drawing {_PAIRS:,} scans, and {_SEED_ROWS:,} pictures of other domains")
    write_pairs(workspace / "pairs", _PAIRS, seed)
    write_seed(workspace / "seed", _SEED_ROWS, seed)
    recipe = workspace / "recipe.yaml"
    text = (_HERE / "recipe.yaml").read_text(encoding="utf-8")
    with replacing(recipe) as temporary:
        folder = json.dumps(str(workspace), ensure_ascii=False)[1:-1]  # stands between quotes
        filled = {"{folder}": folder, "{seed}": str(seed), "{parallel}": _parallel()}
        for mark, value in filled.items():
            text = text.replace(mark, value)
        temporary.write_text(text, encoding="utf-8")
    return recipe


def _parallel() -> str:
    """DeepSpeed on two processes where it is installed."""
    found = importlib.util.find_spec("deepspeed") and (os.cpu_count() or 1) > 1
    return "parallel: zero2\n  gpus: 2" if found else "parallel: none"


def _copy(shipped: Path, folder: Path) -> None:
    """Copy a checkpoint's files; those that are there as they were shipped stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in shipped.iterdir():
        target = folder / file.name
        if not target.is_file() or target.read_bytes() != file.read_bytes():
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)


def runs_of(workspace: Path) -> dict[str, Path]:
    """The evaluation of each variant that is finished, and of the base under `base`."""
    path = workspace / "work" / "scans" / "sweep.json"
    if not path.is_file():
        return {}
    rows = [row for group in json.loads(path.read_text())["groups"] for row in group["rows"]]
    return {row["variant"] or "base": Path(row["run"]) for row in rows}
