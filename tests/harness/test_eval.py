"""`harness eval` from the command to the files it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from harness_helpers import Harness, bomb, closed_rows, line_of, picture, write_rows

from harness.runs import RunFolder

CONSTANT = ("eval", "--engine", "constant", "--model")
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "harness" / "results.schema.json").read_text(encoding="utf-8")
)


def only_run(out: Path = Path("runs")) -> RunFolder:
    (path,) = [path for path in out.iterdir() if path.is_dir()]
    return RunFolder(path)


def test_all_tasks_on_sample_rows(harness: Harness) -> None:
    ran = harness(
        *CONSTANT, "yes", "--tasks", "biomed,food,remote_sensing", "--data", "sample", "--json"
    )
    assert ran.code == 0
    jsonschema.validate(ran.json, SCHEMA)
    run = only_run()
    assert run.finished
    assert run.results() == ran.json
    assert line_of(ran.json, "slake", "paper", split="closed")["score"] == 50.0
    assert {g["group"]: g["columns"] for g in ran.json["groups"] if g["protocol"] == "paper"} == {
        "biomed": 7, "food": 4, "remote_sensing": 4,
    }  # fmt: skip
    record = run.read()
    assert record["status"] == "finished"
    assert record["model"]["ref"] == "yes"
    for task in ("slake", "nwpu_captions"):
        folder = run.task_folder(task)
        samples = pq.read_table(folder / "samples.parquet").to_pylist()
        journal = (folder / "responses.jsonl").read_text().splitlines()
        assert len(samples) >= len(journal) > 0
        assert [s["row_index"] for s in samples] == list(range(len(samples)))
        assert all(s["text"] == "yes" and s["pixels"] and s["prompt"] for s in samples)


def test_group_average_is_the_mean_of_its_columns(harness: Harness) -> None:
    results = harness(
        *CONSTANT, "yes, left. (B)", "--tasks", "biomed", "--data", "sample", "--json"
    ).json
    for protocol in ("paper", "strict"):
        scores = [r["score"] for r in results["results"] if r["main"] and r["protocol"] == protocol]
        (group,) = [g for g in results["groups"] if g["protocol"] == protocol]
        assert len(scores) == 7
        assert group["score"] == pytest.approx(sum(scores) / 7)
        assert group["stderr"] > 0


def test_real_images_and_all_three_architectures(
    harness: Harness, tiny_models: dict[str, Path], shared_data: Path
) -> None:
    for family in ("qwen2_vl", "llava_next", "mllama"):
        ran = harness(
            "eval", "--model", tiny_models[family], "--tasks", "biomed,food",
            "--data", shared_data, "--json", "--out", family,
        )  # fmt: skip
        assert ran.code == 0, ran.err
        jsonschema.validate(ran.json, SCHEMA)
        assert {r["task"] for r in ran.json["results"]} == {
            "pathvqa", "vqa_rad", "recipe1m", "nutrition5k",
        }  # fmt: skip
        for skipped in ("slake", "pmc_vqa", "food101", "foodseg103"):
            assert f"skipped {skipped}" in ran.err
        assert all(r["failed"] == 0 for r in ran.json["results"])
        assert line_of(ran.json, "vqa_rad", "paper", split="open")["clusters"] == 9
        (biomed, _) = [g for g in ran.json["groups"] if g["group"] == "biomed"]
        assert biomed["score"] is None
        assert "slake open" in biomed["reason"]
        run = only_run(Path(family))
        engine = run.read()["engine"]
        assert engine["dtype"] == "float32"
        assert engine["attn_implementation"]
        assert engine["template_date"] == ("2024-07-26" if family == "mllama" else None)
        texts = pq.read_table(run.task_folder("vqa_rad") / "samples.parquet")["text"].to_pylist()
        assert len(set(texts)) > 5


def test_same_command_prints_the_finished_run(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 12, pictures=4)
    command = (*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows", "--json")
    first, again = harness(*command), harness(*command)
    assert again.json == first.json
    assert "finished before" in again.err
    only_run()
    fresh = harness(*command, "--fresh")
    assert len(list(Path("runs").iterdir())) == 2
    assert fresh.json["results"] == first.json["results"]


def test_other_settings_are_another_run(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 12, pictures=4)
    command = (*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows", "--json")
    variants: list[tuple[Any, ...]] = [
        (), ("--limit", 3), ("--images", "blank"), ("--images", "none"), ("--max-new-tokens", 3),
    ]  # fmt: skip
    for variant in variants:
        assert harness(*command, *variant).code == 0
    assert len(list(Path("runs").iterdir())) == len(variants)
    (tmp_path / "rows" / "vqa_rad" / "images" / "0.png").write_bytes(picture(99))
    harness(*command)
    assert len(list(Path("runs").iterdir())) == len(variants) + 1


def test_limit_makes_the_run_partial(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 12)
    results = harness(
        *CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows", "--limit", 5, "--json"
    ).json
    assert results["partial"]
    assert line_of(results, "vqa_rad", "paper", split="closed")["n"] == 5


def test_resume(harness: Harness, tmp_path: Path) -> None:
    """A run that was cut off goes on where it stood; nothing that was answered is asked again."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 20, pictures=5)
    command = (*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows", "--json")
    whole = harness(*command).json
    run = only_run()
    (run.path / "results.json").unlink()
    journal = run.task_folder("vqa_rad") / "responses.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:7]) + lines[7][:25])
    resumed = harness(*command)
    assert resumed.json == whole
    assert run.read()["torn_lines"] == 1
    keys = [
        json.loads(line)["key"] for line in journal.read_bytes().splitlines() if line[-1:] == b"}"
    ]
    assert len(keys) == len(set(keys)) == 20
    refused = harness(*command, "--resume", run.path, "--limit", 3)
    assert refused.code == 2
    assert "limit: null in the run, 3 now" in refused.err


def test_a_second_process_is_refused(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 6)
    command = (*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "rows")
    assert harness(*command).code == 0
    run = only_run()
    (run.path / "results.json").unlink()
    with run.locked():
        program = Path(sys.executable).with_name("harness")
        done = subprocess.run([program, *command], capture_output=True, text=True)
    assert done.returncode == 2
    assert "in use by another process" in done.stderr
    assert "Traceback" not in done.stderr
    assert harness(*command).code == 0  # the lock went with its holder


def test_unusable_rows_fail_and_are_listed(harness: Harness, tmp_path: Path) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    good = json.loads((folder / "test.jsonl").read_text().splitlines()[0])
    (tmp_path / "secret.png").write_bytes(picture())
    (folder / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "images" / "half.png").write_bytes(picture(5, (300, 300))[:200])
    (folder / "images" / "text.png").write_text("no picture")
    (folder / "images" / "bomb.png").write_bytes(bomb())
    bad = {
        "missing": "images/none.png", "outside": "../../secret.png", "link": "images/link.png",
        "absolute": str(tmp_path / "secret.png"), "address": "http://localhost/x.png",
        "half": "images/half.png", "text": "images/text.png", "bomb": "images/bomb.png",
    }  # fmt: skip
    rows = [good | {"id": f"good{i}"} for i in range(4)]
    rows += [good | {"id": name, "image": image} for name, image in bad.items()]
    torn = ['{"id": "torn", "image"', json.dumps({"id": "x", "input": "?", "answer_type": "OPEN"}),
            json.dumps(good | {"id": "y", "answer_type": None})]  # fmt: skip
    write_rows(folder, [*rows, *torn])
    ran = harness(*CONSTANT, "no", "--tasks", "vqa_rad", "--data", "rows", "--json")
    assert ran.code == 1
    line = line_of(ran.json, "vqa_rad", "paper", split="closed")
    assert (line["n"], line["failed"]) == (12, len(bad))
    assert line["score"] == pytest.approx(100 * 4 / 12)
    assert ran.json["unreadable"] == {"vqa_rad": 3}
    task = only_run().task_folder("vqa_rad")
    unreadable = [json.loads(x) for x in (task / "unreadable.jsonl").read_text().splitlines()]
    assert [entry["index"] for entry in unreadable] == [12, 13, 14]
    samples = pq.read_table(task / "samples.parquet").to_pylist()
    reasons = {s["row_id"]: s["reason"] for s in samples if s["failed"]}
    assert set(reasons) == set(bad)
    words = {
        "missing": "No such file", "outside": "not a path inside", "link": "link out",
        "absolute": "not a path inside", "address": "address", "half": "decoded",
        "text": "is not JPEG", "bomb": "too many",
    }  # fmt: skip
    for name, word in words.items():
        assert word in reasons[name], (name, reasons[name])
    allowed = harness(
        *CONSTANT, "no", "--tasks", "vqa_rad", "--data", "rows", "--json", "--max-failed", 0.8
    )
    assert allowed.code == 0


def test_label_outside_the_vocabulary_fails_the_row(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "food101"
    closed_rows(folder, 3)
    write_rows(
        folder,
        [{"image": f"images/{i}.png", "input": "What?", "label": label}
         for i, label in enumerate(["pizza", "stew", "apple_pie"])],
    )  # fmt: skip
    ran = harness(*CONSTANT, "pizza", "--tasks", "food101", "--data", "rows", "--json")
    line = line_of(ran.json, "food101", "strict")
    assert (line["n"], line["failed"], line["score"]) == (3, 1, pytest.approx(100 / 3))


def test_images_control_modes(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 8)
    texts = {}
    for mode in ("given", "blank", "shuffled", "none"):
        ran = harness(
            "eval", "--model", tiny_models["qwen2_vl"], "--tasks", "vqa_rad", "--data", "rows",
            "--images", mode, "--out", mode, "--json",
        )  # fmt: skip
        assert ran.json["images"] == mode
        assert line_of(ran.json, "vqa_rad", "paper", split="closed")["clusters"] == 8
        samples = pq.read_table(only_run(Path(mode)).task_folder("vqa_rad") / "samples.parquet")
        assert ("<|image_pad|>" in samples["prompt"][0].as_py()) == (mode != "none")
        texts[mode] = samples["text"].to_pylist()
    assert len({tuple(t) for t in texts.values()}) == 4


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--tasks", "slak"), ("did you mean 'slake'", "nwpu_captions")),
        (("--tasks", ""), ("no task is named",)),
        (("--tasks", "slake", "--data", "nowhere"), ("no such folder",)),
        (("--tasks", "slake", "--data", "empty"), ("no rows", "--data sample")),
        (("--tasks", "slake", "--engine", "vlm"), ("unknown engine", "transformers")),
        (("--tasks", "slake", "--data", "sample", "--engine-arg", "x=1"), ("no such setting",)),
        (("--tasks", "slake", "--data", "sample", "--engine-arg", "x"), ("key=value",)),
        (("--tasks", "slake", "--limt", "3"), ("--limt", "--limit")),
        (("--tasks", "slake", "--limit", "0"), ("--limit",)),
        (("--tasks", "slake", "--images", "blurred"), ("shuffled",)),
        (("--tasks", "slake", "--resume", "nothing", "--data", "sample"), ("not a run",)),
        (("--tasks", "slake", "--resume", "a", "--fresh"), ("exclude",)),
    ],
)
def test_wrong_requests(
    harness: Harness, tmp_path: Path, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    ran = harness(*CONSTANT, "yes", *args)
    assert ran.code == 2
    assert ran.out == ""
    for word in words:
        assert word in ran.err


def test_hub_out_of_reach_is_one_line(harness: Harness) -> None:
    ran = harness(*CONSTANT, "yes", "--tasks", "slake")
    assert ran.code == 2
    assert "cannot read AdaptLLM/biomed-VQA-benchmark from the hub" in ran.err
    assert "--data sample" in ran.err


def test_dry_run_writes_nothing(harness: Harness) -> None:
    ran = harness(*CONSTANT, "yes", "--tasks", "slake", "--data", "sample", "--dry-run")
    assert ran.code == 0
    assert "182 rows" in ran.out
    assert "0 answered" in ran.out
    assert not Path("runs").exists()


def test_table(harness: Harness) -> None:
    ran = harness(*CONSTANT, "yes", "--tasks", "biomed", "--data", "sample")
    assert ran.code == 0
    for word in ("slake open", "accuracy", "50.00", "paper", "strict", "biomed", "average"):
        assert word in ran.out


def test_a_limit_beyond_all_rows(harness: Harness) -> None:
    ran = harness(*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "sample", "--limit", 10**20)
    assert ran.code == 0
    assert only_run().read()["asked"] == 56


def test_a_path_that_cannot_be(harness: Harness) -> None:
    ran = harness(*CONSTANT, "yes", "--tasks", "slake", "--data", "sample", "--out", "x" * 300)
    assert (ran.code, ran.out) == (2, "")
    assert "File name too long" in ran.err


@pytest.mark.parametrize("damage", ["", '{"schema_version": 1', "[]", "typed"])
def test_damaged_results_are_made_again(harness: Harness, damage: str) -> None:
    command = (*CONSTANT, "yes", "--tasks", "vqa_rad", "--data", "sample", "--json")
    whole = harness(*command).json
    path = only_run().path / "results.json"
    path.write_text(json.dumps(whole | {"results": 5}) if damage == "typed" else damage)
    ran = harness(*command)
    assert (ran.code, ran.out) == (2, "")
    assert "Remove it and run the same `harness eval` command" in ran.err
    path.unlink()
    again = harness(*command)
    assert again.json == whole
    assert "nothing to ask" in again.err
