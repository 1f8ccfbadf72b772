"""Results and samples in the files that lmms-eval 0.7.3 leaves, for tools that read those.

lmms-eval itself is not imported: it takes seconds and half a gigabyte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import UserError
from harness.export._load import Line, LoadedRun
from harness.export._table import one_line
from harness.files import replacing, write_json
from harness.samples import Sample, read_samples
from tasks import GROUPS, PROTOCOLS, TASKS, ProtocolName

_FILTER = "none"
_SHAPE = "lmms-eval 0.7.3"


def write_lmms_eval(
    runs: Sequence[LoadedRun],
    protocols: Sequence[ProtocolName],
    tasks: frozenset[str],
    out: Path | None,
) -> list[Path]:
    """Write `<out>/<model>/<time>_results.json` and `<time>_samples_<task>.jsonl` of each run.

    Args:
        runs: Loaded runs.
        protocols: Whose metrics to write.
        tasks: Ids of the tasks to write.
        out: Folder; by default `export/lmms-eval` in each run's own.

    Raises:
        UserError: Samples cannot be read, or two runs would have the same file.
    """
    places: dict[Path, LoadedRun] = {}
    for run in runs:
        folder = out or run.folder.path / "export" / "lmms-eval"
        stem = folder / _model_folder(run.model.ref) / _time(run)
        if other := places.get(stem):
            raise UserError(
                f"{other.folder.path} and {run.folder.path} would have the same file names",
                "Export them one at a time, each to its own --out.",
            )
        places[stem] = run
    return [path for stem, run in places.items() for path in _write(stem, run, protocols, tasks)]


def _write(
    stem: Path, run: LoadedRun, protocols: Sequence[ProtocolName], tasks: frozenset[str]
) -> Iterator[Path]:
    scored = {line.task for line in run.lines if line.protocol in protocols}
    mine = [task for task in run.tasks if task in tasks & scored]
    hashes = {}
    for task in mine:
        name = re.sub(r"\W", "_", task)
        path = stem.with_name(f"{stem.name}_samples_{name}.jsonl")
        hashes[task] = _write_samples(path, run, task, protocols)
        yield path
    path = stem.with_name(f"{stem.name}_results.json")
    write_json(path, {**_results(run, mine, protocols), "task_hashes": hashes})
    yield path


def _model_folder(ref: str) -> str:
    """The last two parts of a model's name, as lmms-eval names its folder."""
    last = "/".join(one_line(ref).rstrip("/").split("/")[-2:])
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", last).strip(".") or "model"


def _time(run: LoadedRun) -> str:
    for name in ("end", "start"):
        try:
            return datetime.fromisoformat(run.record[name]).strftime("%Y%m%d_%H%M%S")
        except (KeyError, TypeError, ValueError):
            continue
    return "00000000_000000"


def metric_name(protocol: str, split: str | None, metric: str) -> str:
    """`paper_open_recall`: lmms-eval knows neither protocols nor columns, so the name tells."""
    return "_".join(part for part in (protocol, split, metric) if part)


def _results(
    run: LoadedRun, tasks: Sequence[str], protocols: Sequence[ProtocolName]
) -> dict[str, Any]:
    lines = {
        task: [ln for ln in run.lines if ln.task == task and ln.protocol in protocols]
        for task in tasks
    }
    groups = {
        group: [task.id for task in members if task.id in tasks]
        for group, members in GROUPS.items()
    }
    groups = {group: members for group, members in groups.items() if members}
    averages = _averages(run, groups, protocols)
    seconds = _seconds(run)
    return {
        "results": {**averages, **{task: _scores(task, mine) for task, mine in lines.items()}},
        **({"groups": averages} if averages else {}),
        "group_subtasks": groups or {task: [] for task in tasks},
        "configs": {task: _config(run, task, mine) for task, mine in sorted(lines.items())},
        "versions": {task: mine[0].task_version for task, mine in sorted(lines.items())},
        "n-shot": dict.fromkeys(sorted(tasks), 0),
        "higher_is_better": {
            task: {metric_name(ln.protocol, ln.split, ln.metric): True for ln in mine}
            for task, mine in sorted(lines.items())
        },
        "n-samples": {task: _sizes(mine) for task, mine in lines.items()},
        "config": _run_config(run),
        "git_hash": run.record.get("git_commit"),
        "git_branch": None,
        "lmms_eval_version": f"none: written by domain-harness {__version__} as {_SHAPE} does",
        "date": _time(run),
        "usage": {},
        "model_source": _engine(run),
        "model_name": run.model.ref,
        "model_name_sanitized": _model_folder(run.model.ref),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": False,
        "chat_template": None,
        "chat_template_sha": None,
        "start_time": 0.0,
        "end_time": seconds,
        "total_evaluation_time_seconds": str(seconds),
    }


def _scores(task: str, lines: Sequence[Line]) -> dict[str, Any]:
    """Scores (0 to 100) of one task; every error is the one clustered by image."""
    scores: dict[str, Any] = {
        "alias": task,
        "samples": sum(
            line.n for line in lines if line.main and line.protocol == lines[0].protocol
        ),
    }
    for line in lines:
        name = metric_name(line.protocol, line.split, line.metric)
        error = "N/A" if line.stderr is None else line.stderr
        scores[f"{name},{_FILTER}"] = "N/A" if line.score is None else line.score
        scores[f"{name}_stderr,{_FILTER}"] = error
        scores[f"{name}_stderr_clustered,{_FILTER}"] = error
    return scores


def _averages(
    run: LoadedRun, groups: dict[str, list[str]], protocols: Sequence[ProtocolName]
) -> dict[str, dict[str, Any]]:
    averages: dict[str, dict[str, Any]] = {}
    for line in run.groups:
        if line.group in groups and line.protocol in protocols and line.score is not None:
            scores = averages.setdefault(line.group, {"alias": line.group})
            error = "N/A" if line.stderr is None else line.stderr
            scores[f"{line.protocol}_average,{_FILTER}"] = line.score
            scores[f"{line.protocol}_average_stderr,{_FILTER}"] = error
    return averages


def _config(run: LoadedRun, task: str, lines: Sequence[Line]) -> dict[str, Any]:
    known = TASKS.get(task)
    dataset = known.source if known else None
    names = dict.fromkeys(metric_name(ln.protocol, ln.split, ln.metric) for ln in lines)
    return {
        "task": task,
        "dataset_path": dataset.repo if dataset else None,
        "dataset_name": dataset.configs[0] if dataset else None,
        "test_split": dataset.split if dataset else "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "repeats": 1,
        "generation_kwargs": _sampling(run, task),
        "metric_list": [{"metric": name, "higher_is_better": True} for name in names],
        "score_key": "score",
        "metadata": {"version": lines[0].task_version, "rules": _rules(lines)},
    }


def _sampling(run: LoadedRun, task: str) -> dict[str, Any]:
    entry = run.settings.get("tasks")
    entry = entry.get(task) if isinstance(entry, dict) else None
    sampling = entry.get("sampling") if isinstance(entry, dict) else None
    return dict(sampling) if isinstance(sampling, dict) else {}


def _rules(lines: Sequence[Line]) -> dict[str, str]:
    return {line.protocol: line.rule for line in lines if line.rule}


def _sizes(lines: Sequence[Line]) -> dict[str, int]:
    n = sum(line.n for line in lines if line.main and line.protocol == lines[0].protocol)
    return {"original": n, "effective": n}


def _run_config(run: LoadedRun) -> dict[str, Any]:
    return {
        "model": _engine(run),
        "model_args": f"pretrained={run.model.ref}",
        "batch_size": None,
        "batch_sizes": [],
        "device": None,
        "use_cache": None,
        "limit": run.settings.get("limit"),
        "bootstrap_iters": 0,
        "gen_kwargs": "",
        "random_seed": None,
        "numpy_seed": None,
        "torch_seed": None,
        "fewshot_seed": None,
        "harness_run": run.folder.id,
        "harness_marks": list(run.marks),
    }


def _engine(run: LoadedRun) -> str | None:
    engine = run.record.get("engine")
    return str(engine.get("name")) if isinstance(engine, dict) else None


def _seconds(run: LoadedRun) -> float:
    try:
        start, end = (datetime.fromisoformat(run.record[name]) for name in ("start", "end"))
        return (end - start).total_seconds()
    except (KeyError, TypeError, ValueError):
        return 0.0


def _write_samples(path: Path, run: LoadedRun, task: str, protocols: Sequence[ProtocolName]) -> str:
    """Write a task's samples; returns the hash over its rows."""
    folder = run.folder.task_folder(task)
    rows, count = hashlib.sha256(), 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        samples = read_samples(folder / "samples.parquet")
        values = _values(folder / "samples.parquet", protocols)
        for sample, scores in zip(samples, values, strict=True):
            line = _sample(sample, scores, protocols)
            rows.update(f"sample_{count}{line['doc_hash']}".encode())
            file.write(json.dumps(line, allow_nan=False) + "\n")
            count += 1
        file.flush()
    return rows.hexdigest()


def _values(path: Path, protocols: Sequence[str]) -> Iterator[dict[str, float]]:
    """Each row's metrics, 0 to 1, by column of the file."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    rest = ("parsed", "unparsed", "guessed", "note")
    names = [
        name
        for name in file.schema_arrow.names
        if name.startswith(tuple(f"{p}_" for p in protocols))
        and name not in {f"{p}_{end}" for p in PROTOCOLS for end in rest}
    ]
    for batch in file.iter_batches(columns=names):
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def _sample(
    sample: Sample, scores: dict[str, float], protocols: Sequence[ProtocolName]
) -> dict[str, Any]:
    row = sample.row
    label = row.label if isinstance(row.label, str) else list(row.label)
    document = [row.id, row.prompt, label, sample.pixels]
    metrics = {}
    for name, value in scores.items():
        protocol, _, metric = name.partition("_")
        metrics[metric_name(protocol, row.split, metric)] = 100.0 * value
    main = next((v for k, v in scores.items() if k.startswith(f"{protocols[0]}_")), 0.0)
    return {
        "doc_id": row.index,
        "target": str(label),
        "filtered_resps": sample.text or "",
        "token_counts": [None],
        "doc_hash": hashlib.sha256(json.dumps(document).encode()).hexdigest(),
        "input": sample.prompt,
        "score": main,
        **metrics,
        "failed": sample.scored.failure is not None,
        "cluster": sample.scored.cluster,
    }
