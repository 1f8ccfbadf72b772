"""A user's own task: a folder with rows and a ten-line `task.yaml`, no Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks._errors import UserError
from tasks._types import Card, Scorer, Task
from tasks.scorers import (
    ClassChoice,
    ExactVqa,
    MultiLabel,
    MultipleChoice,
    OpenClosedVqa,
    RougeL,
    SceneClass,
)
from tasks.scorers._base import spoken

SCORERS: Mapping[str, str] = {
    "open_closed_vqa": "open and closed questions (rows carry answer_type OPEN or CLOSED)",
    "exact_vqa": "short answers, equal after normalising",
    "multiple_choice": "lettered options A, B, ... in each row; label is a letter",
    "class_choice": "one class of `names`; a free-standing number is read as its index (Food-101)",
    "scene_class": "one class of `names`, by whole words",
    "multi_label_f1": "several of `names`, F1 (rows' label is a list)",
    "multi_label_recall": "several of `names`, recall (rows' label is a list)",
    "rouge_l": "free text against one reference or the best of several",
    "rouge_l_mean": "free text against the mean of several references",
}
_NEED_NAMES = frozenset(("class_choice", "scene_class", "multi_label_f1", "multi_label_recall"))
_KEYS = frozenset(
    ("id", "version", "title", "measures", "group", "scorer", "names", "max_new_tokens",
     "cluster", "image_formats")
)  # fmt: skip
_MOST_SHOWN = 80
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")


def load_task(path: Path) -> Task:
    """Read a task from its folder or its `task.yaml`.

    Raises:
        UserError: The file is missing or says something that cannot be used; the message names
            the key.
    """
    file = path if path.name == "task.yaml" else path / "task.yaml"
    return check_settings(_read(file), file)


def scoring_settings(file: Path) -> dict[str, Any]:
    """What in a `task.yaml` moves scores, beside its version and its token limit.

    Raises:
        UserError: As `load_task`.
    """
    settings = _read(file)
    task = check_settings(settings, file)
    return {
        "scorer": settings["scorer"],
        "names": settings.get("names"),
        "image_formats": sorted(task.image_formats),
        "cluster": task.cluster,
    }


def _read(file: Path) -> dict[Any, Any]:
    from tasks._yaml import load_yaml

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    try:
        settings = load_yaml(text)
    # PyYAML lets ValueError (a date with a 13th month), RecursionError and more through.
    except Exception as error:
        raise UserError(f"{file} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise UserError(f"{file} must hold keys and values, such as `id: my_task`")
    return settings


def check_settings(settings: dict[Any, Any], file: Path) -> Task:
    """Make the task that a `task.yaml` describes.

    Args:
        settings: The file's keys and values.
        file: Where it is, or will be.

    Raises:
        UserError: A setting cannot be used; the message names the key.
    """
    from tasks._registry import GROUPS, TASKS, nearest

    def fail(message: str) -> UserError:
        return UserError(f"{file}: {message}", "`harness tasks new --help` shows a whole file.")

    for key in settings:
        if key not in _KEYS:
            near = nearest(key[:_MOST_SHOWN], _KEYS) if isinstance(key, str) else ""
            raise fail(f"unknown key {_shown(key)}{near} Keys: {', '.join(sorted(_KEYS))}")
    task_id = settings.get("id")
    if not isinstance(task_id, str) or not task_id.replace("_", "a").isalnum():
        raise fail("`id` must be letters, digits and underscores")
    if not task_id.isascii() or task_id in TASKS or task_id in GROUPS:
        raise fail(
            f"`id: {_shown(task_id)}` is the name of a built-in task or group, or not plain ASCII"
        )
    scorer_name = settings.get("scorer")
    if not isinstance(scorer_name, str) or scorer_name not in SCORERS:
        known = "; ".join(f"{name}: {text}" for name, text in SCORERS.items())
        near = nearest(scorer_name[:_MOST_SHOWN], SCORERS) if isinstance(scorer_name, str) else ""
        raise fail(f"unknown scorer {_shown(scorer_name)}{near} {known}")
    names = settings.get("names")
    if scorer_name in _NEED_NAMES:
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise fail(
                f"scorer {scorer_name} needs `names`: a list of texts (words such as yes and no "
                "in quotes)"
            )
        _check_names(names, scorer_name, fail)
    elif names is not None:
        raise fail(f"scorer {scorer_name} takes no `names`")
    tokens = settings.get("max_new_tokens", 256)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise fail("`max_new_tokens` must be a whole number above 0")
    version = settings.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise fail("`version` must be a whole number above 0")
    cluster = settings.get("cluster", "image")
    if cluster not in ("image", "row"):
        raise fail("`cluster` must be image or row: what makes rows dependent on each other")
    formats = settings.get("image_formats", ["JPEG", "PNG", "WEBP"])
    if not isinstance(formats, list) or not formats or any(f not in _FORMATS for f in formats):
        raise fail(f"`image_formats` must be a list out of {', '.join(_FORMATS)}")
    texts = {"group": "own", "title": task_id, "measures": "a task of your own"}
    texts |= {key: settings[key] for key in texts if key in settings}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise fail(f"`{key}` must be a text")
    return Task(
        id=task_id,
        group=texts["group"],
        source=None,
        scorer=_scorer(scorer_name, lambda: tuple(names or ())),
        max_new_tokens=tokens,
        version=version,
        cluster=cluster,
        image_formats=tuple(formats),
        folder=file.resolve().parent,
        card=Card(
            title=texts["title"],
            measures=texts["measures"],
            prompt="as the rows have it",
            rows="as many as the folder holds",
            paper=SCORERS[scorer_name],
            strict="the strict form of the same scorer",
        ),
    )


def _shown(value: object) -> str:
    """A text, shortened; of anything else, which may be huge or endless, its kind."""
    if not isinstance(value, str):
        return f"of type {type(value).__name__}"
    return repr(value if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]}...")


def _check_names(names: list[str], scorer: str, fail: Callable[[str], UserError]) -> None:
    """Refuse names that an answer could not tell apart: one of them would never be right."""
    read = str.lower if scorer.startswith("multi_label") else spoken
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip():
            raise fail("`names` holds an empty text")
        if read(name) in seen:
            both = f"{_shown(seen[read(name)])} and {_shown(name)}"
            raise fail(f"`names` holds {both}, which read the same")
        seen[read(name)] = name


def _scorer(name: str, names: Callable[[], tuple[str, ...]]) -> Scorer:
    makers: Mapping[str, Callable[[], Scorer]] = {
        "open_closed_vqa": OpenClosedVqa,
        "exact_vqa": ExactVqa,
        "multiple_choice": MultipleChoice,
        "class_choice": lambda: ClassChoice(names),
        "scene_class": lambda: SceneClass(names),
        "multi_label_f1": lambda: MultiLabel(names, "f1"),
        "multi_label_recall": lambda: MultiLabel(names, "recall"),
        "rouge_l": lambda: RougeL("best"),
        "rouge_l_mean": lambda: RougeL("mean"),
    }
    return makers[name]()
