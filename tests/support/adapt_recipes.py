"""Small recipes of the whole loop: a tiny model, rules, a few real steps, drawn rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from synth_pairs import write_pairs

from harness.adapt._processes import Ended

PAIRS = 8


def write_recipe(folder: Path, base: Path | str, **sections: Any) -> Path:
    """A recipe that takes seconds; `train={...}` and the like add settings to a section."""
    data = folder / "data"
    if not data.exists():
        write_pairs(data, PAIRS)
    recipe: dict[str, Any] = {
        "name": "soup",
        "base_model": str(base),
        "synth": {
            "pairs": str(data / "pairs.jsonl"),
            "generator": "rules",
            "filter": {"model": "yes", "engine": "constant"},
            "audit": ["nutrition5k"],
            "audit_data": "sample",
        },
        "train": {
            "preset": "qwen2_vl", "max_steps": 2, "global_batch": 4, "device_batch": 4,
            "max_length": 1024, "workers": 0, "lr": 1e-3,
        },
        "eval": {
            "tasks": ["vqa_rad"], "data": "sample", "limit": 8, "max_new_tokens": 4,
            "engine": "transformers",
        },
    }  # fmt: skip
    for name, settings in sections.items():
        if isinstance(settings, dict) and name != "sweep":
            recipe[name] = {**recipe.get(name, {}), **settings}
        else:
            recipe[name] = settings
    path = folder / "soup.yaml"
    path.write_text(json.dumps(recipe, indent=1))
    return path


class InProcess:
    """Runs stages' commands in this process, and writes down which they were."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self.commands: list[tuple[str, ...]] = []
        self.failing: dict[str, int] = {}
        """An argument, such as the command's name, to the exit code that it is to end with."""

    def __call__(self, arguments: Sequence[str]) -> Ended:
        self.commands.append(tuple(arguments))
        for argument in {*arguments} & self.failing.keys():
            return Ended(self.failing[argument], "")
        ran = self._harness(*arguments)
        return Ended(ran.code, ran.out)

    def count(self, word: str) -> int:
        return sum(command[0] == word for command in self.commands)


@pytest.fixture
def stages(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Makes `harness adapt` run its stages in this process."""
    calls = InProcess(harness)
    monkeypatch.setattr("harness.adapt._run.run_command", calls)
    return calls
