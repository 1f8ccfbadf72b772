"""Runs that cannot be exported, and places that cannot be written."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from export_runs import baseline, edit
from harness_helpers import Harness

from harness.cli.export import export
from harness.export import FORMATS, INTERVALS


@pytest.fixture
def run(harness: Harness) -> Path:
    return baseline(harness, "yes", "vqa_rad")


def test_choices_of_the_command_are_those_of_the_package() -> None:
    choices = {p.name: getattr(p.type, "choices", None) for p in export.params}
    assert tuple(choices["to"] or ()) == FORMATS
    assert tuple(choices["interval"] or ()) == INTERVALS


@pytest.mark.parametrize("form", FORMATS)
def test_unfinished_damaged_and_later(harness: Harness, run: Path, form: str) -> None:
    whole = json.loads((run / "results.json").read_text())
    first = whole["results"][0]
    bad: list[tuple[Any, str]] = [
        (whole | {"schema_version": 99}, "Update the program"),
        (whole | {"results": []}, "holds no results"),
        (whole | {"results": 5}, "is damaged"),
        (whole | {"results": [5]}, "is damaged"),
        (whole | {"results": [first | {"score": math.nan}]}, "is no number"),
        (whole | {"results": [first | {"score": "5"}]}, "is no number"),
        (whole | {"results": [first | {"ci95": [1]}]}, "is damaged"),
        (whole | {"results": [first | {"task": "../../x"}]}, "is no task"),
        (whole | {"results": [first | {"protocol": "other"}]}, "unknown protocol"),
        (whole | {"results": [{"task": "slake"}]}, "is damaged"),
        (whole | {"model": {"name": "x"}}, "is damaged"),
        (whole | {"unreadable": 3}, "is damaged"),
        ([], "schema version"),
    ]
    for value, words in bad:
        (run / "results.json").write_text(json.dumps(value))
        ran = harness("export", run, "--to", form, "--out", "out")
        assert (ran.code, ran.out) == (2, ""), value
        assert words in ran.err
        ways_out = ("harness score RUN", "`harness eval` command", "Update the program")
        assert any(way in ran.err for way in ways_out), value
        assert not Path("out").exists()
    (run / "results.json").unlink()
    ran = harness("export", run, "--to", form)
    assert (ran.code, ran.out) == (2, "")
    assert "is not finished" in ran.err
    assert "`harness eval` command" in ran.err


def test_wrong_requests(harness: Harness, run: Path) -> None:
    Path("folder").mkdir()
    cases: list[tuple[tuple[object, ...], str]] = [
        (("export", "--to", "csv"), "RUN..."),
        (("export", run), "--to"),
        (("export", run, "--to", "pdf"), "'pdf' is not one of"),
        (("export", "nowhere", "--to", "csv"), "is not a run"),
        (("export", run, f"./{run}", "--to", "csv"), "given twice"),
        (("export", run, "--to", "csv", "--tasks", "vqarad"), "did you mean 'vqa_rad'"),
        (("export", run, "--to", "csv", "--tasks", "slake"), "They hold: vqa_rad"),
        (("export", run, "--to", "csv", "--out", "folder"), "is a folder"),
        (("export", run, "--to", "csv", "--out", run / "results.json"), "would overwrite a run"),
        (("export", run, "--to", "model-index", "--published"), "--published is for tables"),
    ]
    before = (run / "results.json").read_text()
    for args, words in cases:
        ran = harness(*args)
        assert (ran.code, ran.out) == (2, ""), args
        assert words in ran.err
    assert (run / "results.json").read_text() == before


def test_no_scores(harness: Harness, run: Path) -> None:
    """A task of another harness has no strict scores, and some have none at all."""

    def borrowed(value: dict[str, Any]) -> None:
        lines = [line for line in value["results"] if line["protocol"] == "paper"]
        for line in lines:
            line |= {"task": "lmms_eval:mmmu_val", "score": None, "ci95": None}
            line |= {"stderr": None, "reason": "lower is better, so it is no score: 3"}
        value |= {"results": lines, "groups": [], "unreadable": {}}

    edit(run / "results.json", borrowed)
    ran = harness("export", run, "--to", "latex", "--protocol", "strict")
    assert (ran.code, ran.out) == (2, "")
    assert "no score under the strict protocol" in ran.err
    ran = harness("export", run, "--to", "markdown")
    assert "no score for lmms_eval:mmmu_val open, lmms_eval:mmmu_val closed (lower is" in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("| `constant-yes`"))
    assert row.endswith("| \N{EN DASH} | \N{EN DASH} |")
    ran = harness("export", run, "--to", "csv")
    assert ",0.0," not in ran.out


def test_run_json_of_little_use(harness: Harness, run: Path) -> None:
    """A run.json that says next to nothing costs its facts, and no traceback."""
    shutil.copytree(run, "bare")

    def strip(value: dict[str, Any]) -> None:
        for name in [name for name in value if name not in ("schema_version", "tasks")]:
            del value[name]
        value["settings"] = {"tasks": 5}
        value["data"] = value["engine"] = "?"

    edit(Path("bare/run.json"), strip)
    for form in ("markdown", "latex", "csv", "lmms-eval", "model-index"):
        ran = harness("export", "bare", "--to", form)
        assert ran.code == 0, ran.err
    edit(Path("bare/run.json"), lambda value: value.update(settings=[]))
    assert "damaged" in harness("export", "bare", "--to", "csv").err
