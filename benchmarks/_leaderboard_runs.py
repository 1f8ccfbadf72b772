"""A folder of made-up finished runs, as large as asked for, in the harness's own formats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.samples import _schema
from harness.statistics import clustered_mean
from tasks import GROUPS, PROTOCOLS, TASKS, Task

ROWS = {
    "slake": 1_061, "pathvqa": 6_719, "vqa_rad": 451, "pmc_vqa": 2_000, "recipe1m": 1_000,
    "nutrition5k": 507, "food101": 25_250, "foodseg103": 2_135, "clrs": 8_000, "ucmerced": 2_100,
    "floodnet": 4_500, "nwpu_captions": 6_277,
}  # fmt: skip
"""60,000 in sum: the published sizes, and for remote sensing what is left."""
_WORDS = ["left lung", "heart", "a dense area", "no", "yes", "rice", "an apple pie", "two", "river"]


def write_runs(root: Path, runs: int, share: float) -> None:
    """Write runs of different models over the same rows.

    Args:
        root: Their folder.
        runs: How many.
        share: Of `ROWS`, 0 to 1.
    """
    rows = {task: _rows(TASKS[task], max(20, int(n * share))) for task, n in ROWS.items()}
    for number in range(runs):
        path = root / f"20260101T{number:06d}Z-model{number}-all-{number:08x}"
        if not (path / "results.json").is_file():
            _write(path, number, rows)


def _rows(task: Task, count: int) -> dict[str, Any]:
    """What runs have in common: questions, labels, pictures."""
    rng = np.random.default_rng(len(task.id))
    pictures = max(10, count // 4 if task.group == "biomed" else count)
    splits = [column.split for column in task.scorer.columns]
    cluster = rng.integers(0, pictures, count)
    return {
        "row_id": [f"{task.id}-{i}" for i in range(count)],
        "row_index": np.arange(count),
        "split": [splits[i % len(splits)] for i in range(count)],
        "cluster": [f"picture {i}" for i in cluster],
        "image_id": [f"picture {i}" for i in cluster],
        "image": [f"images/{i}.png" for i in cluster],
        "pixels": [f"{i:032x}" for i in cluster],
        "prompt": [f"{task.card.measures}: what does picture {c} show in part {i}?" * 2
                   for i, c in enumerate(cluster)],
        "input": [f"what does picture {c} show in part {i}?" for i, c in enumerate(cluster)],
        "label": [json.dumps(_WORDS[i % len(_WORDS)]) for i in range(count)],
        "options": [None] * count,
        "finish_reason": ["stop"] * count,
        "failed": np.zeros(count, bool),
        "reason": [None] * count,
    }  # fmt: skip


def _write(path: Path, number: int, rows: dict[str, dict[str, Any]]) -> None:
    rng = np.random.default_rng(number)
    skill = 0.35 + 0.4 * rng.random()
    lines: list[dict[str, Any]] = []
    for name, shared in rows.items():
        lines += _task(path / "tasks" / name, TASKS[name], shared, skill, rng)
    called = f"org/model-{number}-{2 + number % 9}B"
    model: dict[str, Any] = {"ref": called, "name": called, "revision": None}
    model["fingerprint"] = f"{number:032x}"
    settings = {"model": model["fingerprint"], "answers": {"dtype": "bfloat16"}, "images": "given",
                "limit": None, "tasks": {task: {"version": 1, "data": f"rows of {task}",
                "task_yaml": None, "sampling": {}} for task in rows}}  # fmt: skip
    record = {"schema_version": 1, "status": "finished", "settings": settings, "model": model,
              "engine": {"name": "vllm", "version": "0.32.0"}, "packages": {}, "git_commit": None,
              "tasks": list(rows), "data": {"source": dict.fromkeys(rows, "hub:rows"),
              "fingerprint": "x", "given": None}, "partial": False, "images": "given",
              "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T01:00:00+00:00"}  # fmt: skip
    results = {"schema_version": 1, "run_id": path.name, "model": model, "partial": False,
               "images": "given", "results": lines, "unreadable": dict.fromkeys(rows, 0),
               "groups": _groups(lines)}  # fmt: skip
    (path / "run.json").write_text(json.dumps(record))
    (path / "results.json").write_text(json.dumps(results))


def _task(
    folder: Path, task: Task, shared: dict[str, Any], skill: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    count = len(shared["row_id"])
    schema = _schema(task)
    right = (rng.random(count) < skill).astype(float)
    words = rng.integers(0, len(_WORDS), count)
    columns: dict[str, Any] = {
        **shared, "text": [f"It shows {_WORDS[w]}, as far as can be told." for w in words]
    }  # fmt: skip
    for name in schema.names:
        kind = name.split("_", 1)[-1]
        if name in columns:
            continue
        if kind in ("parsed", "note"):
            columns[name] = [_WORDS[w] for w in words] if kind == "parsed" else [None] * count
        elif kind in ("unparsed", "guessed"):
            columns[name] = rng.random(count) < 0.02
        else:
            columns[name] = right * (1.0 if name.startswith("paper") else rng.random(count) < 0.95)
    pq.write_table(pa.table(columns, schema=schema), folder / "samples.parquet", compression="zstd")
    return _lines(task, shared, columns)


def _lines(task: Task, shared: dict[str, Any], columns: dict[str, Any]) -> list[dict[str, Any]]:
    splits = np.array([split or "" for split in shared["split"]])
    codes = np.unique(shared["cluster"], return_inverse=True)[1].astype(np.int64)
    lines = []
    for column in task.scorer.columns:
        here = splits == (column.split or "")
        for protocol in PROTOCOLS:
            for metric in task.scorer.metrics(protocol, column):
                found = clustered_mean(columns[f"{protocol}_{metric}"][here] * 100.0, codes[here])
                lines.append({
                    "task": task.id, "task_version": 1, "split": column.split, "metric": metric,
                    "protocol": protocol, "main": metric == column.metric, "score": found.mean,
                    "n": found.n, "clusters": found.clusters, "stderr": found.stderr,
                    "ci95": None if found.low is None else [found.low, found.high],
                    "unparsed": 7, "guessed": 3, "failed": 0, "rule": None, "reason": found.reason,
                    "may_have_seen": None,
                })  # fmt: skip
    return lines


def _groups(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for group, members in GROUPS.items():
        for protocol in PROTOCOLS:
            mine = [x["score"] for x in lines if x["main"] and x["protocol"] == protocol
                    and TASKS[x["task"]] in members]  # fmt: skip
            found.append({"group": group, "protocol": protocol, "score": sum(mine) / len(mine),
                          "stderr": 0.4, "columns": len(mine), "reason": None})  # fmt: skip
    return found
