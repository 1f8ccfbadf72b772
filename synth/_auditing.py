"""The audit as the last stage of a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import write_json
from harness.stages import Stage
from synth._making import Done, Made, made

if TYPE_CHECKING:
    from synth.pipeline import Synthesis


def audited(synthesis: Synthesis, mixed: Made, images: Path) -> Made:
    """The mixture without conversations that hold test rows, or with a report of them.

    Args:
        synthesis: Its recipe names the tasks.
        mixed: The finished mixture.
        images: Folder that the pictures' paths start from.

    Raises:
        UserError: A task is unknown, or has no rows to compare with.
    """
    from synth.audit import audit_stage
    from synth.audit._report import method_fingerprint
    from synth.audit._tests import open_tests

    recipe = synthesis.recipe
    tests = open_tests(recipe.audit, recipe.audit_data)
    files = [name for name in mixed.record["outputs"] if name != "rejects.jsonl"]
    config = {"action": recipe.audit_action, "method": method_fingerprint()}
    # The pairs' fingerprint knows of pictures that have changed where no text has.
    rows = {f"rows/{task}": value for task, value in tests.fingerprints().items()}
    inputs = {**mixed.outputs(*files), "pairs": synthesis.source, **rows}
    stage = Stage(synthesis.root, "audit", config, inputs)

    def work() -> Done:
        counts = audit_stage(mixed.path / "train.jsonl", recipe, stage, images=images, source=tests)
        (stage.path / "rejects.jsonl").touch()  # with `report` there are none
        described = (mixed.path / "dataset_info.json").read_text(encoding="utf-8")
        write_json(stage.path / "dataset_info.json", json.loads(described))
        return Done(counts, (*files, "rejects.jsonl"), 0, {"audit": _summary(stage.path)})

    return made(stage, work)


def _summary(folder: Path) -> dict[str, Any]:
    """What the data card says of an audit; `audit.json` has the rest."""
    found = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    names = ("action", "rows_in", "contaminated", "unusable", "pictures", "tasks", "cannot_find")
    return {name: found[name] for name in names}
