"""Stage folders: reused when nothing changed, whole or absent, and no row lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.stages import Counts, Stage


def stage(root: Path, **config: object) -> Stage:
    return Stage(root, "filter", {"model": "m", **config}, {"triplets": "0123"})


def finished(made: Stage) -> Stage:
    made.path.mkdir(parents=True, exist_ok=True)
    counts = Counts(rows_in=5, rows_out=3)
    counts.reject("open")
    counts.reject("open")
    made.finish(counts, outputs={"triplets.jsonl": "45"}, seconds=1.23456, tokens=7)
    return made


def test_a_finished_stage_is_known_again_and_another_setting_is_another(tmp_path: Path) -> None:
    made = finished(stage(tmp_path))
    assert stage(tmp_path).finished
    assert stage(tmp_path).record()["rejects"] == {"open": 2}
    assert made.path.name == f"filter-{made.fingerprint[:8]}"
    assert not stage(tmp_path, threshold=0.5).finished
    assert not Stage(tmp_path, "filter", {"model": "m"}, {"triplets": "changed"}).finished
    assert not Stage(tmp_path, "mix", {"model": "m"}, {"triplets": "0123"}).finished


def test_lost_rows_are_a_fault(tmp_path: Path) -> None:
    made = stage(tmp_path)
    made.path.mkdir(parents=True)
    with pytest.raises(RuntimeError, match="5 rows came in, 4 are accounted for"):
        made.finish(Counts(5, 3, {"open": 1}), outputs={}, seconds=0)
    assert not made.finished


def test_one_live_process(tmp_path: Path) -> None:
    made = stage(tmp_path)
    with (
        made.locked(),
        pytest.raises(UserError, match=r"in use by another process \(pid \d+\)"),
        stage(tmp_path).locked(),
    ):
        pass
    with stage(tmp_path).locked():
        pass


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"schema_version": 99})])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    made = finished(stage(tmp_path))
    (made.path / "stage.json").write_text(text)
    with pytest.raises(UserError, match=r"stage\.json"):
        made.record()
