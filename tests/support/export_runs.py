"""Finished runs for export: a baseline's run on drawn rows, relabelled as a model's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness_helpers import Harness

HOSTILE = "evil|name\n`x` [l](http://e.c) <b>&_%$#{}~^\\ --- www.e.c =1"


def baseline(harness: Harness, answer: str, tasks: str = "biomed", *more: object) -> Path:
    """A real run of the constant engine on drawn rows."""
    before = set(Path("runs").glob("*"))
    command = ("eval", "--engine", "constant", "--model", answer, "--tasks", tasks)
    assert harness(*command, "--data", "sample", *more).code == 0
    (path,) = set(Path("runs").glob("*")) - before
    return path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def as_model(run: Path, to: str, name: str, score: Callable[[dict[str, Any]], float]) -> Path:
    """A copy of a run as if a model on the hub's rows had been measured.

    Args:
        run: The run to copy.
        to: The copy's folder.
        name: The model's name.
        score: Line to score; its interval is four points wide.
    """
    target = Path(to)
    shutil.copytree(run, target)
    model = {"ref": name, "name": name, "revision": None, "fingerprint": f"of {name}"}

    def record(value: dict[str, Any]) -> None:
        value |= {"model": model, "engine": {"name": "vllm"}}
        value["data"]["source"] = dict.fromkeys(value["tasks"], "hub:org/rows/test")
        value["settings"] |= {"model": model["fingerprint"], "answers": {"dtype": "bfloat16"}}

    def results(value: dict[str, Any]) -> None:
        value["model"] = model
        for line in value["results"]:
            mean = score(line)
            line |= {"score": mean, "stderr": 1.0, "ci95": [mean - 2, mean + 2], "clusters": 90}
            line |= {"reason": None, "unparsed": 0, "guessed": 0}
        for group in value["groups"]:
            main = [x["score"] for x in value["results"]
                    if x["main"] and x["protocol"] == group["protocol"]]  # fmt: skip
            if group["score"] is not None:
                group |= {"score": sum(main) / len(main), "stderr": 0.5, "reason": None}

    edit(target / "run.json", record)
    edit(target / "results.json", results)
    return target
