"""`harness audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli._options import comma_list


@click.command("audit", context_settings={"show_default": True})
@click.argument("training", metavar="TRAINING_DATA", type=click.Path(path_type=Path))
@click.option("--tasks", required=True, metavar="A,B", help="Tasks, groups, or folders of your "
              "own, whose test rows must not be in the data.")  # fmt: skip
@click.option("--data", metavar="DIR|sample", help="Where the test rows are, as for harness eval; "
              "default: the hub.")  # fmt: skip
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder that pictures' paths start from; default: beside the data.")  # fmt: skip
@click.option("--action", type=click.Choice(["remove", "report"]), default="remove",
              help="Write the data without what was found, or only say what.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Report and cleaned data; default: audit-NAME.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option("--fail-on-found", is_flag=True, help="Exit 1 if a test row was found.")
@click.option("--max-failed", type=click.FloatRange(0, 1), default=0.01,
              help="Exit 1 if more of the training or test rows cannot be read.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print audit.json instead of a summary.")
@click.pass_context
def audit(
    ctx: click.Context,
    training: Path,
    tasks: str,
    data: str | None,
    images: Path | None,
    action: str,
    out: Path | None,
    limit: int | None,
    fail_on_found: bool,
    max_failed: float,
    as_json: bool,
) -> None:
    """Find test rows in training data, and leave them out.

    TRAINING_DATA holds `messages` and `images`: a JSON array, JSONL, parquet, or a folder of
    parquet files. Pictures count as the same when they were recompressed, resized or cut by up to
    5 %; texts when a whole exchange, or half of a long answer, is there.

    \b
    Examples:
      harness audit train.jsonl --tasks biomed
      harness audit train.json --tasks food --data rows/ --images pictures/
      harness audit train.parquet --tasks slake,vqa_rad --action report --fail-on-found
    """
    from synth.audit import OWN_FILES, AuditOptions, write_audit
    from synth.audit import audit as run

    folder = out or Path(f"audit-{training.resolve().stem}")
    if folder.resolve() in (training.resolve(), training.resolve().parent):
        raise click.UsageError("--out must not be the folder of the data itself.", ctx)
    if action == "remove" and training.name in OWN_FILES:
        raise click.UsageError(
            f"the cleaned data would overwrite the audit's own {training.name}: rename the data, "
            "or take --action report.",
            ctx,
        )
    chosen = comma_list(tasks)
    outcome = run(
        AuditOptions(
            training, chosen, data, images, "remove" if action == "remove" else "report", limit
        )
    )
    made = write_audit(outcome, folder)
    if as_json:
        click.echo(json.dumps(made, indent=2))
    else:
        _say(made, folder, outcome.file.name)
    failed = _failed(made, max_failed)
    ctx.exit(1 if failed or (fail_on_found and made["contaminated"]) else 0)


def _failed(made: dict[str, Any], most: float) -> bool:
    """Whether too much could not be audited; says so."""
    from harness.progress import note

    shares = {"training rows": (made["unusable"], made["rows_in"])} | {
        f"rows of {task['id']}": (
            task["without_picture"] + task["unreadable"], task["rows"] + task["unreadable"],
        )
        for task in made["tasks"]
    }  # fmt: skip
    failed = {what: (bad, of) for what, (bad, of) in shares.items() if bad > most * of}
    for what, (bad, of) in failed.items():
        note(f"{bad:,} of {of:,} {what} cannot be audited (more than {most:.0%})")
    if not made["rows_in"]:
        note("the training data holds no rows")
    return bool(failed) or not made["rows_in"]


def _say(made: dict[str, Any], folder: Path, name: str) -> None:
    from harness.progress import say

    say(f"{made['rows_in']:,} rows, {made['pictures']:,} different pictures")
    for task in made["tasks"]:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in task["conversations"].items())
        say(f"  {task['id']:<14} {task['rows']:,} test rows; conversations: {kinds}")
    if made["unusable"]:
        first = made["unusable_rows"][0]
        say(
            f"{made['unusable']:,} rows cannot be audited; the first is row {first['id']}: "
            f"{first['reason']}: {first['detail']}"
        )
    flat = made["flat_pictures"]
    if flat:
        say(f"{flat:,} pictures are almost flat: only equal pixels are found")
    found = made["contaminated"]
    if made["action"] == "report":
        say(f"{found:,} rows hold test rows; {'nothing was removed' if found else 'clean'}")
    else:
        what = f"{found:,} rows hold test rows and were removed" if found else "no test row found"
        say(f"{what}; {made['rows_out']:,} rows are in {folder / name}")
    say(f"report: {folder / 'audit.md'}")
