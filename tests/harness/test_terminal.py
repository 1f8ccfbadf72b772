"""What a terminal is shown, and how a command ends when a path cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from harness_helpers import Harness, closed_rows, write_rows

from harness.progress import note, printable
from harness.report import print_results

ESC = "\x1b[2J\x1b]0;owned\x07"
ASK = ("eval", "--engine", "constant", "--model", "yes", "--tasks")


def test_printable() -> None:
    assert printable("\x1b[31m\x07\r\x7f\x9b") == r"\x1b[31m\x07\x0d\x7f\x9b"
    assert printable("Länder\tof\nthe 世界") == "Länder\tof\nthe 世界"


def test_note(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"row {ESC}")
    assert capsys.readouterr().err == "row \\x1b[2J\\x1b]0;owned\\x07\n"


def test_rows_and_titles_of_strangers(harness: Harness, tmp_path: Path) -> None:
    rows = closed_rows(tmp_path / "rows" / "clrs", 1)
    row = {"id": ESC, "image": "images/0.png", "input": "?", "label": ESC}
    write_rows(rows, [row, row | {"id": "b"}])
    checked = harness("tasks", "validate", rows)
    assert checked.code == 1
    assert r"(\x1b[2J" in checked.out + checked.err
    settings = {"id": "own", "scorer": "exact_vqa", "title": ESC, "measures": ESC}
    (rows / "task.yaml").write_text(yaml.safe_dump(settings))
    shown = harness("tasks", "show", rows)
    assert shown.code == 0
    assert r"\x1b[2J" in shown.out
    ran = harness(*ASK, rows)
    assert ran.code == 0, ran.err
    missing = harness("tasks", "show", ESC)
    unknown = harness(ESC)
    assert (missing.code, unknown.code) == (2, 2)
    for each in (checked, shown, ran, missing, unknown):
        assert "\x1b" not in each.out + each.err
        assert "\x07" not in each.out + each.err


def test_table(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    results = harness(*ASK, "slake", "--data", "sample", "--json").json
    results["model"]["name"] = results["results"][0]["rule"] = ESC
    results["results"][0]["metric"] = ESC
    print_results(results)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count(r"\x1b[2J") >= 2


def test_paths_that_cannot_be_used(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/runs"):
        ran = harness(*ASK, "slake", "--data", "sample", "--out", out)
        assert (ran.code, ran.out) == (2, "")
        assert "error: " in ran.err.lower()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.evaluate.ask_engine", full)
    assert harness(*ASK, "slake", "--data", "sample").code == 1
