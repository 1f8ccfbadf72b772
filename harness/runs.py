"""A run is a folder: one model, some tasks. Its name ends in a hash of what determines it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import digest, write_json
from harness.locks import hold

SCHEMA_VERSION = 1
_MENDED = {
    "run.json": "A run without it cannot be used: start it anew with `harness eval --fresh`.",
    "results.json": "Remove it and run the same `harness eval` command: it is made again from the "
    "journal, and no answered row is asked again.",
}
"""What to do about a damaged file."""


def hash8(settings: dict[str, Any]) -> str:
    """The eight hex digits that stand for everything that determines rows and answers."""
    return digest(settings)[:8]


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def finished(self) -> bool:
        """`results.json` is written last."""
        return (self.path / "results.json").is_file()

    def task_folder(self, task_id: str) -> Path:
        """Where a task's journal and samples are."""
        return self.path / "tasks" / task_id

    def read(self) -> dict[str, Any]:
        """`run.json`.

        Raises:
            UserError: This is no run, or a damaged one, or one of a later version.
        """
        return self._json("run.json", {"settings": dict, "tasks": list})

    def results(self) -> dict[str, Any]:
        """`results.json`.

        Raises:
            UserError: The run is not finished, or the file is damaged.
        """
        fields = {"results": list, "unreadable": dict, "groups": list, "model": dict}
        return self._json("results.json", fields)

    def _json(self, name: str, fields: Mapping[str, type]) -> dict[str, Any]:
        path = self.path / name
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UserError(
                f"{self.path} is not a {'finished ' if name == 'results.json' else ''}run: "
                f"{name} is missing"
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path} cannot be read: {error}", _MENDED[name]) from error
        version = value.get("schema_version") if isinstance(value, dict) else None
        if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version}; this program reads up to {SCHEMA_VERSION}",
                "Update the program." if isinstance(version, int) else _MENDED[name],
            )
        if missing := [field for field in fields if field not in value]:
            raise UserError(f"{path} is damaged: it has no {', '.join(missing)}", _MENDED[name])
        if wrong := [field for field, kind in fields.items() if not isinstance(value[field], kind)]:
            text = f"{path} is damaged: {', '.join(wrong)} cannot be read"
            raise UserError(text, _MENDED[name])
        return dict(value)

    def write(self, record: dict[str, Any]) -> None:
        """Replace `run.json`."""
        write_json(self.path / "run.json", record)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the operating system lets go when the process ends, however it ends.

        Raises:
            UserError: Another live process holds it.
        """
        with hold(self.path, "Wait for it, or start another run with --fresh."):
            yield


def find_runs(out: Path, hash_: str) -> list[RunFolder]:
    """Runs of these settings under `out`, newest first."""
    if not out.is_dir():
        return []
    paths = [path for path in out.glob(f"*-{hash_}*") if (path / "run.json").is_file()]
    matching = [path for path in paths if re.search(rf"-{hash_}(\.\d+)?$", path.name)]
    return [RunFolder(path) for path in sorted(matching, key=_age, reverse=True)]


def _age(path: Path) -> tuple[str, int]:
    """Time in the name, then the count of runs begun in one second."""
    _, _, count = path.name.partition(".")
    return path.name.split("-")[0], int(count) if count.isdigit() else 0


def new_run(out: Path, model: str, tasks: list[str], hash_: str) -> RunFolder:
    """A folder that does not exist yet: `<utc>-<model>-<tasks>-<hash8>`."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    stem = f"{now}-{_slug(model, 48)}-{_slug('+'.join(tasks), 48)}-{hash_}"
    path, count = out / stem, 1
    while path.exists():
        count += 1
        path = out / f"{stem}.{count}"
    return RunFolder(path)


def _slug(text: str, most: int) -> str:
    return re.sub(r"[^A-Za-z0-9_+]+", "_", text).strip("_")[:most] or "x"


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What two settings disagree on, a line each."""
    lines = []
    for key in sorted({*old, *new}):
        mine, theirs = old.get(key), new.get(key)
        name = f"{prefix}{key}"
        if isinstance(mine, dict) and isinstance(theirs, dict):
            lines += differences(mine, theirs, f"{name}.")
        elif mine != theirs:
            lines.append(f"{name}: {json.dumps(mine)} in the run, {json.dumps(theirs)} now")
    return lines
