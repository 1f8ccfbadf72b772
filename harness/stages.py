"""A stage: inputs in, a folder out. Its `stage.json` is written last, so it means finished."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import digest, write_json
from harness.locks import hold

STAGE_VERSION = 1
_MADE_BY_STAGES = ("generate", "filter", "mix", "audit")


@dataclass
class Counts:
    """Rows in, rows out, and why the others were left behind."""

    rows_in: int = 0
    rows_out: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    """Reason to number of rows."""

    def reject(self, reason: str, rows: int = 1) -> None:
        """Count rows that go no further."""
        self.rejects[reason] = self.rejects.get(reason, 0) + rows

    def check(self) -> None:
        """Every row is somewhere.

        Raises:
            RuntimeError: Rows were lost or made up on the way: a fault of the program.
        """
        known = self.rows_out + sum(self.rejects.values())
        if self.rows_in != known:
            raise RuntimeError(f"{self.rows_in} rows came in, {known} are accounted for")


@dataclass(frozen=True)
class Stage:
    """One stage of one recipe.

    Args:
        root: `work/<recipe>`.
        name: `generate`, `filter`, `mix`, `train`, ...
        config: Everything that determines the output, as JSON values.
        inputs: Name of an input to its fingerprint.
    """

    root: Path
    name: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Of settings and inputs: what the output follows from."""
        return digest([self.name, STAGE_VERSION, dict(self.config), dict(self.inputs)])

    @property
    def path(self) -> Path:
        """`work/<recipe>/<stage>-<hash8>`."""
        return self.root / f"{self.name}-{self.fingerprint[:8]}"

    @property
    def finished(self) -> bool:
        """Whether the output stands."""
        return (self.path / "stage.json").is_file()

    def record(self) -> dict[str, Any]:
        """`stage.json` of a finished stage.

        Raises:
            UserError: It cannot be read, or is another program version's.
        """
        path = self.path / "stage.json"
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        if not isinstance(value, dict) or value.get("schema_version") != STAGE_VERSION:
            raise UserError(f"{path} is of another version", "Remove the folder: it is made again.")
        return value

    def changed_inputs(self) -> str | None:
        """Which inputs from outside the newest finished stage of these settings had others of.

        Inputs that other stages of the recipe made are left out: they are told of there. None
        where nothing has changed, or there is no such stage.
        """
        newest: dict[str, Any] = {"end": ""}
        mine = json.loads(json.dumps(dict(self.config)))
        for path in self.root.glob(f"{self.name}-*/stage.json"):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["config"] == mine and record["end"] >= newest["end"]:
                    newest = {**record, "folder": path.parent.name}
            except (OSError, ValueError, KeyError, TypeError):
                continue  # of another version: it is no stage to compare with
        old = newest.get("inputs")
        if not isinstance(old, dict):
            return None
        other = [
            name
            for name, value in self.inputs.items()
            if old.get(name) != value and name.split("/")[0] not in _MADE_BY_STAGES
        ]
        return f"other {', '.join(other)} than {newest['folder']} had" if other else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; a second live process on it is refused.

        Raises:
            UserError: Another live process holds it.
        """
        with hold(self.path, "Wait for it."):
            yield

    def finish(
        self,
        counts: Counts,
        *,
        outputs: Mapping[str, str],
        seconds: float,
        tokens: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write `stage.json`.

        Args:
            counts: Rows in and out.
            outputs: File or folder name to fingerprint; what later stages take as inputs.
            seconds: Spent in this process.
            tokens: Generated, or trained on.
            more: What else a reader should know.

        Raises:
            RuntimeError: Rows in are not rows out and rejects.
        """
        counts.check()
        record = {
            "schema_version": STAGE_VERSION,
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "config": dict(self.config),
            "inputs": dict(self.inputs),
            "rows_in": counts.rows_in,
            "rows_out": counts.rows_out,
            "rejects": counts.rejects,
            "outputs": dict(outputs),
            "seconds": round(seconds, 3),
            "tokens": tokens,
            "end": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            **(more or {}),
        }
        write_json(self.path / "stage.json", record)
        return record
