"""`harness score`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import show


@click.command("score")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--task", "task_name", metavar="T", help="Task whose answers the file holds.")
@click.option("--predictions", type=click.Path(path_type=Path), metavar="FILE.jsonl",
              help="Rows with a `prediction` each; no images needed.")  # fmt: skip
@click.option("--samples", "samples_out", type=click.Path(path_type=Path), metavar="OUT.jsonl",
              help="Write each row's scores: index, paper, strict.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of a table.")
@click.pass_context
def score(
    ctx: click.Context,
    run: Path | None,
    task_name: str | None,
    predictions: Path | None,
    samples_out: Path | None,
    as_json: bool,
) -> None:
    """Score a run again without its model, or answers produced elsewhere.

    RUN is scored from its samples; results.json is written anew and the old one kept beside it.
    A prediction file has a task's rows (input, label, ...) and a `prediction` in each line.

    \b
    Examples:
      harness score runs/20260101T000000Z-my_model-biomed-0a1b2c3d
      harness score --task vqa_rad --predictions answers.jsonl --samples scores.jsonl
    """
    from harness.controls._beside import control_notes
    from harness.rescore import rescore_run, score_predictions
    from harness.results import exit_code
    from harness.runs import RunFolder

    notes: list[str] = []
    if run is not None:
        if task_name or predictions:
            raise click.UsageError("give RUN, or --task with --predictions, not both.", ctx)
        results = rescore_run(run, samples_out)
        notes = [] if as_json else control_notes(RunFolder(run))
    elif task_name and predictions:
        results = score_predictions(task_name, predictions, samples_out)
    else:
        raise click.UsageError("give RUN, or both --task and --predictions.", ctx)
    show(results, as_json=as_json, notes=notes)
    ctx.exit(exit_code(results, 0.01))
