"""Controls from the command to what stands beside the model's score."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from choice_rows import choice_row, choice_rows, parquet_rows
from harness_helpers import Harness, closed_rows, line_of, picture, write_rows

from harness.comparison import compare_runs
from harness.runs import RunFolder, hash8

MAJORITY = ("eval", "--engine", "majority", "--data", "rows", "--tasks")
CONSTANT = ("eval", "--engine", "constant", "--data", "rows", "--tasks", "pmc_vqa", "--model")


def runs() -> list[RunFolder]:
    return [RunFolder(path) for path in sorted(Path("runs").iterdir())]


def the_run(**settings: Any) -> RunFolder:
    """The one run that has these settings."""
    read = [(run, run.read()["settings"]) for run in runs()]
    (found,) = [run for run, has in read if all(has.get(k) == v for k, v in settings.items())]
    return found


def newest(task: str) -> list[dict[str, Any]]:
    path = max(runs(), key=lambda run: run.path.stat().st_ctime_ns).task_folder(task)
    return pq.read_table(path / "samples.parquet").to_pylist()


def test_new_settings_leave_old_hashes_alone(harness: Harness, tmp_path: Path) -> None:
    """Runs made before these options existed are found again."""
    choice_rows(tmp_path / "rows" / "pmc_vqa", 4)
    assert harness(*CONSTANT, "A").code == 0
    (run,) = runs()
    settings = run.read()["settings"]
    assert set(settings) == {"model", "answers", "images", "limit", "tasks"}
    assert hash8(settings) == run.id[-8:]
    assert harness(*CONSTANT, "A", "--option-order", "given", "--repeat", 1).code == 0
    assert len(runs()) == 1
    for more in (("--option-order", "reversed"), ("--repeat", 2), ("--repeat", 3)):
        assert harness(*CONSTANT, "A", *more).code == 0
    assert harness(*CONSTANT, "A", "--option-order", "rotated").code == 0
    assert harness(*CONSTANT, "A", "--option-order", "rotated:1").code == 0
    assert len(runs()) == 5


def test_majority_answers_the_commonest_label_of_each_column(
    harness: Harness, tmp_path: Path
) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 9, pictures=3)
    ran = harness(*MAJORITY, "vqa_rad", "--json")
    assert ran.code == 0
    assert ran.json["model"]["name"] == "majority"
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["score"] == pytest.approx(600 / 9)
    (run,) = runs()
    assert run.read()["controls"]["majority"] == {"vqa_rad": {"closed": "yes"}}
    assert {sample["text"] for sample in newest("vqa_rad")} == {"yes"}
    assert "read from the test labels" in harness(*MAJORITY, "vqa_rad").out


def test_majority_is_kept_apart_where_two_columns_ask_the_same(
    harness: Harness, tmp_path: Path
) -> None:
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    row = json.loads((folder / "test.jsonl").read_text())
    open_ = row | {"id": "open", "answer_type": "OPEN", "label": "two lesions"}
    write_rows(folder, [row, open_])
    assert harness(*MAJORITY, "vqa_rad", "--json").code == 0
    assert [sample["text"] for sample in newest("vqa_rad")] == ["no", "two lesions"]


def test_majority_on_all_tasks(harness: Harness) -> None:
    ran = harness(
        "eval", "--engine", "majority", "--tasks", "biomed,food,remote_sensing",
        "--data", "sample", "--json",
    )  # fmt: skip
    assert ran.code == 0
    assert all(line["failed"] == 0 for line in ran.json["results"])
    assert line_of(ran.json, "foodseg103", "paper")["score"] > 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--engine", "majority", "--model", "x"), ("no model", "constant")),
        (("--engine", "majority", "--replicas", 2), ("not for majority",)),
        ((), ("Missing option '--model'",)),
        (("--model", "A", "--engine", "constant", "--repeat", 0), ("--repeat",)),
        (("--model", "A", "--engine", "constant", "--option-order", "up"), ("rotated:N",)),
        (("--model", "A", "--engine", "constant", "--option-order", "rotated:0"), ("rotated:N",)),
        (
            ("--model", "A", "--engine", "constant", "--option-order", "reversed"),
            ("no task asked for has lettered options (slake)", "multiple_choice"),
        ),
    ],
)
def test_wrong_requests(harness: Harness, args: tuple[Any, ...], words: tuple[str, ...]) -> None:
    ran = harness("eval", "--tasks", "slake", "--data", "sample", *args)
    assert ran.code == 2
    for word in words:
        assert word in ran.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("order", ["reversed", "rotated:2", "shuffled"])
def test_option_order_moves_texts_and_the_label_follows(
    harness: Harness, tmp_path: Path, order: str
) -> None:
    choice_rows(tmp_path / "rows" / "pmc_vqa", 8)
    # Whoever names the option's text is right wherever it stands.
    said = [harness(*CONSTANT, "left lung", *more, "--json").json
            for more in ((), ("--option-order", order))]  # fmt: skip
    for results in said:
        assert line_of(results, "pmc_vqa", "strict")["score"] == 50.0
    for sample in newest("pmc_vqa"):
        options = json.loads(sample["options"])
        assert options != ["left lung", "right lung", "liver", "spleen"]
        assert sorted(options) == ["left lung", "liver", "right lung", "spleen"]
        for letter, text in zip("ABCD", options, strict=True):
            assert f"\n({letter}) {text}" in sample["prompt"]
    # Whoever always says A is right where the label has come to stand there.
    letters = harness(*CONSTANT, "(A)", "--option-order", order, "--json").json
    share = sum(json.loads(sample["label"]) == "A" for sample in newest("pmc_vqa")) / 8
    assert line_of(letters, "pmc_vqa", "strict")["score"] == pytest.approx(100 * share)
    assert any(json.loads(sample["label"]) != "A" for sample in newest("pmc_vqa")[::2])


def test_row_without_its_options_in_the_prompt_fails(harness: Harness, tmp_path: Path) -> None:
    folder = choice_rows(tmp_path / "rows" / "pmc_vqa", 3)
    good = choice_row(0)
    rows = [
        good,
        good | {"id": "none", "input": "Which organ?"},
        good | {"id": "twice", "input": f"{good['input']}\n{good['input']}"},
        good | {"id": "label", "label": "E"},
    ]
    write_rows(folder, rows)
    ran = harness(*CONSTANT, "left lung", "--option-order", "reversed", "--json")
    assert ran.code == 1
    assert line_of(ran.json, "pmc_vqa", "strict")["failed"] == 3
    reasons = {sample["row_id"]: sample["reason"] for sample in newest("pmc_vqa")}
    assert reasons["q0"] is None
    assert "does not hold the row's options" in reasons["none"]
    assert "more than once" in reasons["twice"]
    assert "'E' is none of the row's options" in reasons["label"]
    assert harness(*CONSTANT, "left lung", "--json").code == 1  # the label alone fails as given


def test_tasks_without_options_are_named(harness: Harness) -> None:
    ran = harness(
        "eval", "--engine", "constant", "--model", "A", "--tasks", "slake,pmc_vqa",
        "--data", "sample", "--option-order", "shuffled",
    )  # fmt: skip
    assert ran.code == 0
    assert "slake: no lettered options" in ran.err
    assert "pmc_vqa: no lettered" not in ran.err


def test_rescoring_a_permuted_run_changes_nothing(harness: Harness, tmp_path: Path) -> None:
    choice_rows(tmp_path / "rows" / "pmc_vqa", 6)
    first = harness(*CONSTANT, "liver", "--option-order", "shuffled", "--json").json
    again = harness("score", runs()[0].path, "--json").json
    assert again["results"] == first["results"]


def test_answers_by_letter(harness: Harness, tmp_path: Path) -> None:
    choice_rows(tmp_path / "rows" / "pmc_vqa", 8)
    ran = harness(*CONSTANT, "(B)")
    assert "answered A 0.0 %, B 100.0 %" in " ".join(ran.out.split())
    (run,) = runs()
    letters = run.read()["controls"]["letters"]["pmc_vqa"]
    assert letters["strict"] == letters["paper"]
    assert letters["strict"]["B"] == {"rows": 2, "right": 2, "answered": 8}
    assert letters["strict"]["A"] == {"rows": 4, "right": 0, "answered": 0}


def test_shuffled_pictures_of_parquet_rows(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    """Each row is shown another picture, from a file that is gone afterwards."""
    parquet_rows(tmp_path / "rows" / "vqa_rad", [picture(i % 3) for i in range(6)])
    command = (
        "eval", "--model", tiny_models["qwen2_vl"], "--tasks", "vqa_rad", "--data", "rows",
        "--max-new-tokens", 4,
    )  # fmt: skip
    assert harness(*command, "--images", "shuffled", "--json").code == 0
    (run,) = runs()
    journal = run.task_folder("vqa_rad") / "responses.jsonl"
    names = {"responses.jsonl", "samples.parquet"}
    assert {path.name for path in journal.parent.iterdir()} == names
    before = journal.read_text()
    (run.path / "results.json").unlink()
    assert harness(*command, "--images", "shuffled", "--json").code == 0
    assert journal.read_text() == before  # the same pictures again, so nothing was asked


def test_controls_stand_beside_the_model(
    harness: Harness, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    choice_rows(tmp_path / "rows" / "pmc_vqa", 12)
    command = (
        "eval", "--model", tiny_models["qwen2_vl"], "--tasks", "pmc_vqa", "--data", "rows",
        "--max-new-tokens", 4,
    )  # fmt: skip
    given = harness(*command)
    assert "Control:" not in given.out
    blank = harness(*command, "--images", "blank")
    assert "Image benefit over blank (paper): pmc_vqa" in blank.out
    model = the_run(images="given")
    assert f"Ordinary run: {model.id}" in " ".join(blank.out.split())
    for more in (("--option-order", "reversed"), ("--repeat", 2)):
        assert harness(*command, *more).code == 0
    assert harness(*MAJORITY, "pmc_vqa").code == 0
    out = " ".join(harness(*command).out.split())
    assert "Image benefit over blank (paper): pmc_vqa" in out
    assert "Effect of option order (given - reversed)" in out
    assert "Repeat noise (paper): pmc_vqa +0.0 (no interval); 0 of 12 answers changed" in out
    assert "Gain over the commonest label" in out
    siblings = [the_run(images="blank"), the_run(option_order="reversed"), the_run(repeat=2),
                the_run(answers={"baseline": "majority"})]  # fmt: skip
    scores = [line_of(run.results(), "pmc_vqa", "paper")["score"] for run in (model, *siblings)]
    assert f"over blank (paper): pmc_vqa {scores[0] - scores[1]:+.1f} (" in out
    assert f"over the commonest label (paper): pmc_vqa {scores[0] - scores[4]:+.1f} (" in out
    titles = [compare_runs([model.path, run.path]).pairs[0].title for run in siblings]
    assert titles == ["image benefit over blank", "effect of option order (given - reversed)",
                      "repeat noise", "gain over the commonest label"]  # fmt: skip
    _damage(siblings)
    damaged = harness(*command)
    assert damaged.code == 0
    assert "No image benefit over blank" in damaged.out
    assert "Gain over" not in damaged.out


def _damage(siblings: list[RunFolder]) -> None:
    blank, order, repeat, majority = siblings
    (blank.task_folder("pmc_vqa") / "samples.parquet").write_bytes(b"PAR1 and no more")
    (order.path / "run.json").write_text("[" * 100_000)
    shutil.rmtree(repeat.path / "tasks")
    record = json.loads((majority.path / "run.json").read_text())
    record["settings"]["tasks"] = ["pmc_vqa"]
    (majority.path / "run.json").write_text(json.dumps(record))


def test_unfinished_siblings_and_other_data_do_not_count(harness: Harness, tmp_path: Path) -> None:
    choice_rows(tmp_path / "rows" / "pmc_vqa", 4)
    assert harness(*CONSTANT, "A", "--limit", 3).code == 0
    assert harness(*CONSTANT, "A", "--images", "blank").code == 0
    (the_run(images="blank").path / "results.json").unlink()
    assert harness(*CONSTANT, "A", "--images", "none", "--limit", 3).code == 0
    out = harness(*CONSTANT, "A").out
    assert "Control:" not in out
    assert "Controls were left out" not in out
