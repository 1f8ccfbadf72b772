"""The audit as the last stage of synthesis."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.recipes import SynthRecipe
from harness.stages import Counts, Stage
from synth.audit._audit import AuditOptions, audit
from synth.audit._report import write_audit
from synth.audit._tests import Source
from synth.audit._training import NoTraining, Training, TrainingFile

_Key = tuple[str, tuple[str, ...]]


def audit_stage(
    train_file: Path,
    recipe: SynthRecipe,
    stage: Stage,
    *,
    images: Path | None = None,
    source: Source | None = None,
) -> Counts:
    """Audit a mixture's `train.jsonl`, and write it without what was found into the stage's folder.

    The other conversation files beside it (`captions.jsonl`, `tasks.jsonl`, ...) lose the same
    conversations. Also written: `rejects.jsonl`, `found.jsonl`, `audit.json`, `audit.md`.

    Args:
        train_file: The mixture's file.
        recipe: Says which tasks, where their rows are, and whether rows are removed.
        stage: Its folder is written to; locking and `stage.json` are the caller's.
        images: Folder that pictures' paths start from; default: the recipe's.
        source: The test rows, if they are open already.

    Returns:
        Rows in, rows out, and rejects by reason.

    Raises:
        UserError: The recipe names no task, or test rows or training data cannot be read.
    """
    if not recipe.audit:
        raise UserError("audit: no task is named", "List tasks under `synth: audit:`.")
    folder = images or recipe.images or Path(recipe.pairs).expanduser().parent
    options = AuditOptions(train_file, recipe.audit, recipe.audit_data, folder, recipe.audit_action)
    outcome = audit(options, source)
    made = write_audit(outcome, stage.path)
    # With `report` every row stays, and the later stages still find their file here.
    removed: set[_Key] = set()
    if recipe.audit_action == "remove":
        left_out = {row.index for row in outcome.rejects}
        removed = {_key(row) for row in outcome.file.read() if row.index in left_out}
    else:
        TrainingFile(train_file).write_without((), stage.path / train_file.name)
    for other in sorted(train_file.parent.glob("*.jsonl")):
        if other.name not in (train_file.name, "rejects.jsonl", "found.jsonl"):
            _clean(other, removed, stage.path / other.name)
    return Counts(made["rows_in"], made["rows_out"], made["rejects"])


def _key(row: Training | NoTraining) -> _Key:
    """What finds a conversation in the files beside: pairs may share an id, less so a picture."""
    pictures = row.pictures if isinstance(row, Training) else ()
    return row.id, tuple(picture.locator for picture in pictures)


def _clean(path: Path, removed: set[_Key], target: Path) -> None:
    """Write a file without these conversations."""
    file = TrainingFile(path)
    file.write_without({row.index for row in file.read() if _key(row) in removed}, target)
