"""What the folder of runs holds, while it changes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.store import Store
from leaderboard.store._candidates import columns_of, reported_candidates

Open = Callable[[Path], Store]


def test_runs_are_candidates_and_broken_folders_are_listed(store: Store) -> None:
    found = store.look()
    assert len(found.runs) == 6
    problems = {p.name: (p.kind, p.reason) for p in found.problems}
    assert problems["20260201T000000Z-unfinished"][0] == "unfinished"
    assert "cannot be read" in problems["20260202T000000Z-half"][1]
    assert "version 99" in problems["20260203T000000Z-future"][1]
    assert "damaged" in problems["20260204T000000Z-<b>damaged"][1]
    assert "run.json is missing" in problems["no-json"][1]
    assert len(problems) == 5  # an empty folder and a file are nothing
    marks = {candidate.name: candidate.marks for candidate in store.candidates()}
    assert marks["constant-yes"] == ("baseline",)
    assert marks["Qwen/Qwen2-VL-2B-Instruct"] == ()


def test_a_run_appears_changes_and_goes(own_team: Path, open_store: Open) -> None:
    store = open_store(own_team)
    before = store.look()
    first = next(iter(before.runs))
    shutil.copytree(own_team / first, own_team / "20270101T000000Z-new")
    shutil.rmtree(own_team / "20260102T000000Z-model2-all-00000002")
    results = own_team / "20260103T000000Z-model3-all-00000003" / "results.json"
    results.write_text(results.read_text()[:100])
    time.sleep(0.6)
    after = store.look()
    assert "20270101T000000Z-new" in after.runs
    assert "20260102T000000Z-model2-all-00000002" not in after.runs
    assert "20260103T000000Z-model3-all-00000003" in {p.name for p in after.problems}
    assert store.run(first) is before.runs[first]  # not read again


def test_no_folder_and_links(team: Path, tmp_path: Path, open_store: Open) -> None:
    assert open_store(tmp_path / "nowhere").look().missing
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "a friend's [best]*").symlink_to(team / "20260101T000000Z-model1-all-00000001")
    store = open_store(linked)
    (run,) = store.look().runs.values()
    assert run.folder.id == "a friend's [best]*"
    assert store.candidates()[0].key == run.folder.id


def test_runs_of_one_model_share_a_row(own_team: Path, open_store: Open) -> None:
    one = own_team / "20260101T000000Z-model1-all-00000001"
    other = shutil.copytree(one, own_team / "20260109T000000Z-model1-rest-00000009")
    for path, tasks in ((one, ("slake", "vqa_rad")), (other, ("food101", "nutrition5k"))):
        results = json.loads((path / "results.json").read_text())
        results["results"] = [line for line in results["results"] if line["task"] in tasks]
        (path / "results.json").write_text(json.dumps(results))
    store = open_store(own_team)
    candidate = store.candidate_of(other.name)
    assert candidate is not None
    assert candidate.key == one.name
    assert {column.task for column in columns_of([candidate], "paper")} == {
        "slake", "vqa_rad", "food101", "nutrition5k"
    }  # fmt: skip


def test_reported_rows_keep_their_averages() -> None:
    rows = {c.label: c for c in reported_candidates()}
    base = rows["Qwen2-VL-2B"]
    assert base.facts.family == "Qwen2-VL-2B"
    assert base.facts.parameters == 2e9
    assert base.cells["paper"]["biomed", "slake", "open"].score == 50.0
    assert not base.cells["strict"]
    assert base.cells["paper"]["biomed", None, None].score is not None
    assert rows["AdaMLLM-2B (food)"].cells["paper"].keys() == {
        ("food", task, None) for task in ("recipe1m", "nutrition5k", "food101", "foodseg103", None)
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 20_000), flip=st.integers(0, 20_000), value=st.integers(0, 255))
def test_no_damage_takes_the_folder_down(
    team: Path, tmp_path: Path, cut: int, flip: int, value: int
) -> None:
    source = team / "20260101T000000Z-model1-all-00000001"
    path = tmp_path / "damaged" / "run"
    path.mkdir(parents=True, exist_ok=True)
    for name in ("run.json", "results.json"):
        data = bytearray((source / name).read_bytes())
        data[flip % len(data)] = value
        (path / name).write_bytes(data[: len(data) - cut % len(data)] if cut % 3 else data)
    store = Store(path.parent, tmp_path / "cache")
    found = store.look()
    assert len(found.runs) + len(found.problems) == 1
    store.candidates()
    store.close()
