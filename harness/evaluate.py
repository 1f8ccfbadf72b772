"""`harness eval`: ask, write down, score, report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, NamedTuple

from harness.asking import Asking
from harness.controls import check_order, commonest_answers, letter_counts, read_order
from harness.engines import ModelInfo, Plan, check_engine, plan_model
from harness.errors import UserError
from harness.files import digest, write_json
from harness.generation import ask_engine
from harness.journal import Journal
from harness.planning import (
    EvalOptions,
    Measured,
    changed_rows,
    describe_plan,
    open_tasks,
    run_settings,
)
from harness.progress import note, say
from harness.records import Ledger, discard_if_unanswered, start_record, utc_now
from harness.results import assemble, exit_code, score_task
from harness.runs import RunFolder, differences, find_runs, hash8, new_run
from harness.scoring import Tally
from harness.spending import Spent
from tasks import resolve


class Outcome(NamedTuple):
    """A run that is done."""

    run: RunFolder
    results: dict[str, Any] | None
    """None for a dry run."""
    exit_code: int


def evaluate(options: EvalOptions) -> Outcome:
    """Run an evaluation, or continue it, or give back the finished one.

    Raises:
        UserError: The request itself was wrong.
    """
    check_engine(options.engine)
    read_order(options.option_order)
    # Rows on disk are looked for first; a hub's, which take minutes, after the model is checked.
    measured = open_tasks(options) if options.data else []
    resolve(options.tasks)
    plan = plan_model(options)
    measured = measured or open_tasks(options)
    check_order(read_order(options.option_order), [entry.task for entry in measured])
    settings = run_settings(options, plan, measured)
    run = _choose_run(options, plan, settings)
    if options.dry_run:
        say(describe_plan(plan, run, measured, options))
        return Outcome(run, None, 0)
    if run.finished and (waiting := run.read().get("to_retry", 0)):
        note(f"asking {waiting} rows again that failed for a passing reason")
    elif run.finished:
        note(f"finished before: {run.path} (--fresh starts anew)")
        results = run.results()
        return Outcome(run, results, exit_code(results, options.max_failed))
    if not run.path.exists() and (changed := changed_rows(options.out, settings)):
        note(changed)
    # Ray, DeepSpeed and others print to stdout, which belongs to the results.
    with run.locked(), _told_how_to_continue(run, options), redirect_stdout(sys.stderr):
        results = _run(options, plan, settings, run, measured)
    return Outcome(run, results, exit_code(results, options.max_failed))


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
        return found[0]
    return new_run(options.out, _called(plan, options).name, list(options.tasks), hash_)


def _called(plan: Plan, options: EvalOptions) -> ModelInfo:
    """The model, by the name it is to have."""
    return plan.model._replace(name=options.name) if options.name else plan.model


@contextmanager
def _told_how_to_continue(run: RunFolder, options: EvalOptions) -> Iterator[None]:
    """When the run is cut off (Ctrl-C, SIGTERM, a full disk, ...), say what is kept."""
    try:
        yield
    except BaseException as error:
        if options.resume is None and discard_if_unanswered(run):
            note("nothing was answered, so no run is kept")
            raise
        if isinstance(error, UserError):
            raise
        how = "the same command without --fresh" if options.fresh else "the same command"
        note(f"answers so far are kept in {run.path}; {how} continues")
        raise


def _run(
    options: EvalOptions,
    plan: Plan,
    settings: dict[str, Any],
    run: RunFolder,
    measured: list[Measured],
) -> dict[str, Any]:
    record = start_record(options, plan, settings, run, measured)
    run.write(record)
    note(f"run {run.path}")
    model = digest([settings["model"], settings["answers"]])[:32]
    spent = Spent()
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
                order=read_order(options.option_order),
            )
            for entry in measured
        ]
        journals = [asking.journal for asking in askings]
        ledger = stack.enter_context(Ledger(run, record, spent, journals))
        with spent.stage("read"):
            for asking in askings:
                asking.check_ids()
                if plan.name == "majority":
                    _look_at_labels(asking)
        record["engine"] = ask_engine(plan, askings, spent) or record["engine"]
        with spent.stage("score"):
            tallies = [score_task(run, asking) for asking in askings]
        record["torn_lines"] = sum(asking.journal.torn for asking in askings)
        record["to_retry"] = sum(asking.journal.to_retry for asking in askings)
    for tally in tallies:
        _tell_failures(tally, run)
    results = assemble(
        run.id,
        _called(plan, options),
        tallies,
        partial=options.limit is not None,
        images=options.images,
    )
    record["controls"] |= _controls(run, askings)
    record["status"] = "finished"
    record["end"] = utc_now()
    run.write(record)
    write_json(run.path / "results.json", results)
    for line in ledger.told():
        note(line)
    return results


def _look_at_labels(asking: Asking) -> None:
    records = asking.records(with_images=False)
    asking.baseline = commonest_answers(records, asking.task.scorer)


def _controls(run: RunFolder, askings: list[Asking]) -> dict[str, Any]:
    """What controls found out, for `run.json`: baseline answers, answers by letter."""
    found: dict[str, Any] = {}
    for asking in askings:
        task = asking.task.id
        if asking.baseline is not None:
            answers = {split or "all": answer for split, answer in asking.baseline.items()}
            found.setdefault("majority", {})[task] = answers
        if "options" in asking.task.scorer.needs:
            counts = letter_counts(run.task_folder(task) / "samples.parquet")
            found.setdefault("letters", {})[task] = counts
    return found


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
