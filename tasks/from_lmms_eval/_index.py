"""Which tasks lmms-eval has, read from its YAML files: the package itself is not imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tasks._errors import UserError

VERSION = "0.7.3"
"""The release whose task files and task objects these modules know."""
_INSTALL = f"Install it: pip install 'lmms-eval=={VERSION}' (the extra `lmms-eval`)."


class Entry(NamedTuple):
    """One name that lmms-eval knows."""

    kind: Literal["task", "group", "tag", "code"]
    """`code` is a task that is a Python class, not a declaration."""
    path: Path | None
    """Its YAML file; None for a tag."""
    members: tuple[Any, ...] = ()
    """Names, or nested declarations, of a group or tag."""


def package_folder() -> Path:
    """Where lmms-eval is installed.

    Raises:
        UserError: It is not.
    """
    found = importlib.util.find_spec("lmms_eval")
    if found is None or not found.submodule_search_locations:
        raise UserError("lmms-eval is not installed", _INSTALL)
    return Path(found.submodule_search_locations[0])


@cache
def known() -> Mapping[str, Entry]:
    """Every task, group and tag of the installed package, by name."""
    found: dict[str, Entry] = {}
    tags: dict[str, list[str]] = {}
    for path in sorted((package_folder() / "tasks").rglob("*.yaml")):
        config = read_simple(path)
        task = config.get("task")
        if isinstance(task, list):
            if isinstance(name := config.get("group"), str):
                found[name] = Entry("group", path, tuple(task))
        elif isinstance(task, str):
            found[task] = Entry("code" if "class" in config else "task", path)
            for tag in _tags(config):
                tags.setdefault(tag, []).append(task)
    for tag, members in tags.items():
        found.setdefault(tag, Entry("tag", None, tuple(members)))
    return found


def _tags(config: Mapping[str, Any]) -> Iterator[str]:
    for key in ("tag", "group"):
        value = config.get(key)
        yield from [value] if isinstance(value, str) else value or []


@cache
def read_simple(path: Path) -> Mapping[str, Any]:
    """A task file with what it includes; functions are left out. Empty if it cannot be read."""
    import yaml

    try:
        config = yaml.load(path.read_bytes(), _loader())  # noqa: S506 - a safe loader
    # A file that is no YAML, of which the package has some, is no task.
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(config, dict):
        return {}
    included = config.pop("include", None) or []
    merged: dict[str, Any] = {}
    for name in reversed([included] if isinstance(included, str) else included):
        if isinstance(name, str):
            merged |= read_simple(path.parent / name)
    return merged | config


@cache
def _loader() -> type:
    from tasks._yaml import FastLoader

    # The C loader reads their 2,000 files in 0.4 s, Python's in 3.
    loader: type = type("_Loader", (FastLoader,), {})
    loader.add_multi_constructor("!", lambda *_: None)  # type: ignore[attr-defined]
    return loader
