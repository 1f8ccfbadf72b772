"""Making and checking tasks of a user's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import images
from harness.errors import RowError, UserError
from harness.files import replacing
from harness.progress import note, say
from tasks import TASKS, LabelError, Task, Unreadable, UnreadableRow, nearest
from tasks.custom import SCORERS, check_settings, load_task
from tasks.sources import folder_rows, read_jsonl

_MOST_NAMES = 1_000
_MOST_SHOWN = 10
_CLASS_PROMPT = "Which of these does the image show: {options}? Answer with one of them."


def make_task(
    name: str, source: Path, *, scorer: str | None, prompt: str | None, target: Path | None
) -> Path:
    """Write a `task.yaml` for a folder of rows.

    Rows without `input` get the prompt; then the rows are written anew (the old file is kept as
    `test.jsonl.before`), or into `target`.

    Args:
        name: The task's id.
        source: Folder with `test.jsonl`.
        scorer: Name of a scorer; None takes what the rows suggest.
        prompt: For rows without `input`.
        target: Another folder to write into.

    Returns:
        The path of the `task.yaml`.

    Raises:
        UserError: No rows, an existing task.yaml, or rows that suggest no scorer.
    """
    import yaml

    path = source / "test.jsonl"
    if not path.is_file():
        raise UserError(f"{path} is missing: --from needs a folder with one row a line in it")
    folder = source if target is None or target.resolve() == source.resolve() else target
    taken = ("task.yaml",) if folder == source else ("task.yaml", "test.jsonl")
    for file in taken:
        if (folder / file).exists():
            raise UserError(f"{folder / file} exists already", "Remove it, or choose --to DIR.")
    lines = list(read_jsonl(path))
    records = [record for record in lines if not isinstance(record, UnreadableRow)]
    if not records:
        raise UserError(f"{path} holds no rows")
    kind = scorer or _suggest(records)
    if kind not in SCORERS:
        known = ", ".join(SCORERS)
        raise UserError(f"unknown scorer {kind!r}{nearest(kind, SCORERS)}", f"Scorers: {known}")
    settings: dict[str, Any] = {
        "id": name,
        "title": name,
        "measures": SCORERS[kind],
        "scorer": kind,
        "max_new_tokens": 512 if kind.startswith("rouge") else 64,
    }
    if kind in ("class_choice", "scene_class", "multi_label_f1", "multi_label_recall"):
        settings["names"] = _names(records)
    formats = sorted(
        {_format(record) for record in records} - {None, "JPEG", "PNG", "WEBP"}, key=str
    )
    if formats:
        settings["image_formats"] = ["JPEG", "PNG", "WEBP", *formats]
    check_settings(settings, folder / "task.yaml")  # before anything is written
    written = _write_rows(records, path, folder, settings, prompt)
    if len(lines) > len(records):
        what = "are no JSON objects" + (" and were left out" if written else "")
        note(f"{path}: {len(lines) - len(records)} of {len(lines)} lines {what}")
    with replacing(folder / "task.yaml") as temporary:
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(text, encoding="utf-8")
    return folder / "task.yaml"


def _suggest(records: list[dict[str, Any]]) -> str:
    first = records[0]
    if "answer_type" in first:
        return "open_closed_vqa"
    if "A" in first and "B" in first:
        return "multiple_choice"
    if isinstance(first.get("label"), list):
        return "multi_label_f1"
    if "options" in first:
        return "scene_class"
    labels = [record["label"] for record in records if isinstance(record.get("label"), str)]
    if not labels:
        raise UserError("the rows have no `label`", "Each line needs a label (text or list).")
    if sum(len(label.split()) for label in labels) > 6 * len(labels):
        return "rouge_l"
    distinct = {label.lower() for label in labels}
    return "scene_class" if len(distinct) <= len(labels) // 2 else "exact_vqa"


def _names(records: list[dict[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for record in records:
        for field in ("options", "label"):
            value = record.get(field)
            values = value if isinstance(value, list) else [value]
            found.update(dict.fromkeys(v for v in values if isinstance(v, str)))
    # Labels that differ in case alone are one class.
    names = sorted({name.lower(): name for name in sorted(found) if name.strip()}.values())
    if len(names) > _MOST_NAMES:
        raise UserError(f"{len(names):,} different labels: too many to be classes", "Use --scorer.")
    return names


def _format(record: Mapping[str, Any]) -> str | None:
    suffix = Path(str(record.get("image", ""))).suffix.lower()
    return {".tif": "TIFF", ".tiff": "TIFF"}.get(suffix)


def _write_rows(
    records: list[dict[str, Any]],
    path: Path,
    folder: Path,
    settings: dict[str, Any],
    prompt: str | None,
) -> bool:
    """Write the rows with their prompts; False if they can stay as they are."""
    names = settings.get("names", [])
    complete = all(isinstance(record.get("input"), str) for record in records)
    if complete and prompt is not None:
        note("--prompt has no effect: every row has its `input`")
    if not complete:
        template = prompt or (_CLASS_PROMPT if names else None)
        if template is None:
            raise UserError("rows have no `input`", "Give their question with --prompt TEXT.")
        for record in records:
            if not isinstance(record.get("input"), str):
                options = record.get("options")
                options = options if isinstance(options, list) and options else names
                record["input"] = template.replace("{options}", ", ".join(map(str, options)))
    if complete and folder == path.parent:
        return False
    if folder != path.parent:
        folder.mkdir(parents=True, exist_ok=True)
        for record in records:
            _copy_image(record, path.parent, folder)
    else:
        shutil.copyfile(path, path.with_suffix(".jsonl.before"))
    with replacing(folder / "test.jsonl") as temporary:
        lines = (json.dumps(record) + "\n" for record in records)
        temporary.write_text("".join(lines), encoding="utf-8")
    return True


def _copy_image(record: Mapping[str, Any], source: Path, folder: Path) -> None:
    locator = record.get("image")
    if not isinstance(locator, str):
        return
    from tasks import ImageRef

    try:
        data = images.read(ImageRef(locator, root=source))
    except RowError as error:
        note(f"not copied: {error}")
        return
    with replacing(folder / locator) as temporary:
        temporary.write_bytes(data)


def validate_folder(path: Path) -> int:
    """Read every row of a task's folder, open its picture and check its label.

    Returns:
        0, or 1 if a row is unusable.

    Raises:
        UserError: There is no task or no rows.
    """
    task, folder = _task_of(path)
    usable, faults = 0, []
    for row in folder_rows(folder, task.id).read(task.scorer):
        if isinstance(row, Unreadable):
            faults.append(f"row {row.index}: no row: {row.reason}")
            continue
        try:
            task.scorer.check(row)
            if not row.images:
                raise RowError("the row has no image")
            for ref in row.images:
                images.load(ref, task.image_formats)
            usable += 1
        except (RowError, LabelError) as error:
            faults.append(f"row {row.index} ({row.id}): {error}")
    for fault in faults[:_MOST_SHOWN]:
        say(fault)
    if len(faults) > _MOST_SHOWN:
        say(f"... and {len(faults) - _MOST_SHOWN} more")
    say(f"{task.id}: {usable} usable rows, {len(faults)} unusable")
    return int(bool(faults) or not usable)


def _task_of(path: Path) -> tuple[Task, Path]:
    if path.name == "task.yaml" or (path / "task.yaml").is_file():
        task = load_task(path)
        return task, task.folder or path
    name = path.resolve().name
    if path.is_dir() and name in TASKS:
        return TASKS[name], path
    raise UserError(
        f"{path} holds no task.yaml, and no built-in task is named {path.name!r}",
        "`harness tasks new ID --from DIR` makes a task.yaml.",
    )
