"""A folder of runs as a team has it: several models over rows with pictures, with real scores."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from harness.cli import _run
from harness.rescore import rescore_run
from tasks.sample import sample_records

TASKS = ("slake", "vqa_rad", "pmc_vqa", "food101", "nutrition5k")
HOSTILE = (
    "<script>window.pwned=1</script>![x](http://evil.example/p.png) [l](javascript:alert(1)) "
    ":red[loud] $x^2$ `c` www.evil.example \x1b[31m \u202egnirts :tada: **b** 🩻"
)
Answer = Callable[[dict[str, Any], random.Random], str | None]


class Model(NamedTuple):
    """A made-up model: its name, and how often it is right."""

    name: str
    right: float


MODELS = (
    Model("Qwen/Qwen2-VL-2B-Instruct", 0.45),
    Model("AdaptLLM/biomed-Qwen2-VL-2B-Instruct", 0.7),
    Model("org/food-Qwen2-VL-2B", 0.6),
    Model("Lin-Chen/open-llava-next-llama3-8b", 0.55),
)


def write_data(folder: Path, tasks: Iterable[str] = TASKS) -> Path:
    """The drawn rows of some tasks as a folder for `--data`, pictures as files."""
    for task in tasks:
        pictures = folder / task / "images"
        pictures.mkdir(parents=True)
        lines = []
        for record in sample_records(task):
            name = f"images/{record['image_id']}.png"
            (folder / task / name).write_bytes(record["image"])  # type: ignore[arg-type]
            lines.append(json.dumps({**record, "image": name}))
        (folder / task / "test.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def first_run(data: Path | str, out: Path, tasks: Sequence[str] = TASKS, *more: str) -> Path:
    """A finished run of the constant engine."""
    before = set(out.glob("*"))
    command = ["eval", "--engine", "constant", "--model", "yes", "--tasks", ",".join(tasks)]
    assert _run([*command, "--data", str(data), "--out", str(out), *more]) in (0, 1)
    (path,) = set(out.glob("*")) - before
    return path


def as_model(
    run: Path, model: Model, number: int, answer: Answer | None = None, *, out: Path | None = None
) -> Path:
    """A copy of a run with another model's answers, scored by the harness."""
    target = (out or run.parent) / f"2026010{number}T000000Z-model{number}-all-0000000{number}"
    shutil.copytree(run, target)
    rng = random.Random(number)
    for path in sorted(target.glob("tasks/*/samples.parquet")):
        table = pq.read_table(path)
        texts = [(answer or _answer(model.right))(row, rng) for row in table.to_pylist()]
        place = table.column_names.index("text")
        table = table.set_column(place, table.schema.field("text"), pa.array(texts, pa.string()))
        pq.write_table(table, path)
    identity = {"ref": model.name, "name": model.name, "revision": None,
                "fingerprint": f"of {model.name}"}  # fmt: skip
    record = json.loads((target / "run.json").read_text())
    record |= {"model": identity, "engine": {"name": "vllm", "version": "0.32.0"}}
    record["settings"] |= {"model": identity["fingerprint"], "answers": {"dtype": "bfloat16"}}
    (target / "run.json").write_text(json.dumps(record))
    results = json.loads((target / "results.json").read_text())
    (target / "results.json").write_text(json.dumps({**results, "model": identity}))
    rescore_run(target, None)
    for old in target.glob("results.*.json"):
        old.unlink()
    return target


def _answer(right: float) -> Answer:
    def answer(row: dict[str, Any], rng: random.Random) -> str:
        label = json.loads(row["label"])
        told = ", ".join(label) if isinstance(label, list) else str(label)
        if rng.random() < right:
            return f"It shows {told}." if row["split"] != "closed" else f"{told}, it does."
        if row["split"] == "closed":
            return "No." if told == "yes" else "Yes."
        return rng.choice(("I cannot tell.", "Perhaps something else.", "(B)", "a kidney"))

    return answer


def team_folder(root: Path, models: Sequence[Model] = MODELS) -> Path:
    """Runs of several models over the same rows, and folders that are no finished run."""
    runs = root / "runs"
    base = first_run(write_data(root / "data"), runs)
    for number, model in enumerate(models, 1):
        as_model(base, model, number)
    return runs


def broken_folders(runs: Path, run: Path) -> None:
    """A run cut short, one half-written, one of the future, one damaged, one without anything."""
    unfinished = shutil.copytree(run, runs / "20260201T000000Z-unfinished")
    (unfinished / "results.json").unlink()
    half = shutil.copytree(run, runs / "20260202T000000Z-half")
    text = (half / "results.json").read_text()
    (half / "results.json").write_text(text[: len(text) // 2])
    future = shutil.copytree(run, runs / "20260203T000000Z-future")
    record = json.loads((future / "run.json").read_text())
    (future / "run.json").write_text(json.dumps({**record, "schema_version": 99}))
    damaged = shutil.copytree(run, runs / "20260204T000000Z-<b>damaged")
    (damaged / "results.json").write_text(
        '{"schema_version": 1, "results": [7], "groups": 1, "unreadable": {}, "model": null}'
    )
    (runs / "empty").mkdir()
    (runs / "no-json" / "tasks").mkdir(parents=True)
    (runs / "a file").write_text("x")


def hostile_answer(row: dict[str, Any], rng: random.Random) -> str:
    """What a page must show and not obey."""
    if row["split"] is None:
        return "w" * 10_000
    return HOSTILE if rng.random() < 0.5 else str(json.loads(row["label"]))


def indexed(store: Any) -> None:
    """Wait until everything has been read."""
    store.look()
    began = time.monotonic()
    while (progress := store.progress()).done < progress.of:
        assert time.monotonic() - began < 60
        time.sleep(0.02)
