"""Our tasks run by stock lmms-eval: the scores are those of `harness eval`, to the last digit.

So are those of a task of lmms-eval's own, with the same tiny model on both sides.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from chat_server import serving
from harness_helpers import Harness, Ran, write_rows
from lmms_world import said_to, write_stock

from tasks import GROUPS, TASKS, UserError
from tasks.lmms_eval import FOLDER, stock
from tasks.lmms_eval.__main__ import files
from tasks.sample import sample_records

PARQUET = ("pathvqa", "pmc_vqa", "foodseg103")
ROWS = 8
TOKENS = 12


class TheirRun(NamedTuple):
    """What lmms-eval's command left behind."""

    scores: dict[str, dict[str, float]]
    answers: dict[str, dict[int, str]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn rows of every task in a folder, as `--data` and HARNESS_DATA take them."""
    root = tmp_path_factory.mktemp("rows")
    for task in TASKS:
        records = _records(task)
        (root / task / "images").mkdir(parents=True)
        if task in PARQUET:
            _write_parquet(root / task / "test.parquet", records)
            continue
        for place, record in enumerate(records):
            (root / task / "images" / f"{place}.png").write_bytes(record["image"])
            record["image"] = f"images/{place}.png"
        write_rows(root / task, records)
    return write_stock(root)


def _write_parquet(path: Path, records: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    for record in records:
        record["image"] = {"bytes": record["image"], "path": None}
    pq.write_table(pa.Table.from_pylist(records), path)


def _half_knowing(body: dict[str, Any]) -> str:
    """Says a label of the asked prompt to about half of the questions."""
    said = said_to(body)
    asked = body["messages"][-1]["content"][-1]["text"]
    labels = _labels()[asked]
    label = labels[len(said) % len(labels)]
    known = ", ".join(label) if isinstance(label, list) else label
    return said if len(said) % 2 else known


@cache
def _labels() -> dict[str, list[Any]]:
    labels: dict[str, list[Any]] = {}
    for task in TASKS:
        for record in _records(task):
            labels.setdefault(record["input"], []).append(record["label"])
    return labels


def _records(task: str) -> list[dict[str, Any]]:
    return [dict(record) for record in islice(sample_records(task), ROWS)]


def _lmms_eval(rows: Path, out: Path, *options: object) -> TheirRun:
    environment = {
        **os.environ, "PYTHONSAFEPATH": "1", "HARNESS_DATA": str(rows), "OPENAI_API_KEY": "none",
        "HF_HOME": str(out / "hf"), "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }  # fmt: skip
    command = [
        shutil.which("lmms-eval", path=Path(sys.executable).parent), "--include_path", FOLDER,
        "--output_path", out / "out", "--log_samples", "--batch_size", 1, *options,
    ]  # fmt: skip
    done = subprocess.run(
        [str(part) for part in command], cwd=rows, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = (out / "out").rglob("*_results.json")
    scores = {
        task.removeprefix("harness_"): {
            key.split(",")[0]: value
            for key, value in found.items()
            if isinstance(value, (int, float))
        }
        for task, found in json.loads(results.read_text())["results"].items()
    }
    answers = {}
    for path in (out / "out").rglob("*_samples_*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        task = path.stem.partition("_samples_")[2].removeprefix("harness_")
        # Answers that the filters leave as they are stand there once.
        answers[task] = {
            line["doc_id"]: _first(line.get("resps", line["filtered_resps"])) for line in lines
        }
    return TheirRun(scores, answers)


def _first(value: Any) -> str:
    while isinstance(value, list):
        value = value[0]
    return str(value)


def _assert_equal(ran: Ran, theirs: TheirRun, tasks: list[str]) -> list[float]:
    assert ran.code == 0, ran.err
    for task in tasks:
        (path,) = Path("runs").glob(f"*/tasks/{task}/samples.parquet")
        ours = {row["row_index"]: row["text"] for row in pq.read_table(path).to_pylist()}
        assert theirs.answers[task.removeprefix("lmms_eval:")] == ours, task
    compared = []
    for line in ran.json["results"]:
        borrowed = line["task"].startswith("lmms_eval:")
        parts = (None if borrowed else line["protocol"], line["split"], line["metric"])
        name = "_".join(part for part in parts if part)
        found = theirs.scores[line["task"].removeprefix("lmms_eval:")]
        if not line["n"]:
            assert name not in found
            continue
        assert found[name] * (100 if borrowed else 1) == line["score"], (line["task"], name)
        compared.append(line["score"])
    return compared


def test_a_served_models_scores_equal_on_all_tasks(
    harness: Harness, rows: Path, tmp_path: Path
) -> None:
    groups = ",".join(GROUPS)
    with serving(answer=_half_knowing) as server:
        theirs = _lmms_eval(
            rows, tmp_path, "--model", "openai", "--tasks",
            ",".join(f"harness_{group}" for group in GROUPS),
            "--model_args", f"model=said,base_url={server.url},api_key=none",
        )  # fmt: skip
        ran = harness(
            "eval", "--model", "said", "--engine", "openai", "--base-url", server.url,
            "--tasks", groups, "--data", rows, "--json",
        )  # fmt: skip
    scores = _assert_equal(ran, theirs, list(TASKS))
    assert len(scores) > 30
    assert len(set(scores)) > 10  # not all of them nought


@pytest.mark.vllm
def test_the_same_tiny_models_scores_equal(
    harness: Harness, rows: Path, tmp_path: Path, tiny_models: dict[str, Path]
) -> None:
    model = tiny_models["qwen2_vl"]
    theirs = _lmms_eval(
        rows, tmp_path, "--model", "vllm", "--tasks", "harness_slake,harness_pmc_vqa,pope",
        "--model_args", f"model={model},dtype=float32,enforce_eager=True,max_model_len=1024,"
        # It takes the greater of the task's and the model's token limit.
        f"max_new_tokens={TOKENS},disable_log_stats=True",
        "--gen_kwargs", f"max_new_tokens={TOKENS}",
    )  # fmt: skip
    ran = harness(
        "eval", "--model", model, "--engine", "transformers", "--tasks",
        "slake,pmc_vqa,lmms_eval:pope", "--data", rows, "--max-new-tokens", TOKENS, "--json", "--engine-arg", "dtype=float32",
    )  # fmt: skip
    assert len(_assert_equal(ran, theirs, ["slake", "pmc_vqa", "lmms_eval:pope"])) >= 11


def test_the_files_are_as_they_are_generated() -> None:
    wanted = {file.name: file.text for file in files()}
    found = {
        path.name: path.read_text() for path in FOLDER.iterdir()
        if path.suffix == ".yaml" or path.name == "_common"
    }  # fmt: skip
    assert found == wanted, "run `python -m tasks.lmms_eval`"


def test_rows_that_cannot_be_scored(monkeypatch: pytest.MonkeyPatch, rows: Path) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(rows))
    score = stock.slake_results
    row = {"input": "?", "label": "yes", "answer_type": "CLOSED", "row_index": 0}
    assert score(row, ["yes"]) == {"paper_closed_accuracy": 1.0, "strict_closed_accuracy": 1.0}
    assert score({**row, "answer_type": None}, ["yes"]) == {}
    choice = {"input": "?", "label": "Z", "A": "a", "B": "b", "row_index": 0}
    assert stock.pmc_vqa_results(choice, ["A"]) == {"paper_accuracy": 0, "strict_accuracy": 0}
    with pytest.raises(UserError, match="not a path inside"):
        stock.slake_visual({"image": "../pmc_vqa/test.parquet"})
    with pytest.raises(AttributeError):
        stock.nothing_results  # noqa: B018


def test_the_command_prints_the_folder(harness: Harness) -> None:
    ran = harness("tasks", "lmms-eval-path")
    assert Path(ran.out.strip()) == FOLDER
    assert (FOLDER / "biomed.yaml").is_file()


def test_the_folder_does_not_hide_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import tasks.lmms_eval, importlib.util as u;"
         "print(u.find_spec('lmms_eval').origin)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "site-packages" in done.stdout
