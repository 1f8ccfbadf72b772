"""`harness tasks`: list, show, check and make tasks."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group("tasks")
def tasks() -> None:
    """List, show, check and make tasks.

    \b
    Examples:
      harness tasks ls
      harness tasks show slake
      harness tasks new eurosat --from rows/eurosat
      harness tasks validate rows/eurosat
    """


@tasks.command("ls")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def ls(as_json: bool) -> None:
    """List the tasks, group by group."""
    from tasks import GROUPS

    if as_json:
        click.echo(json.dumps({g: [t.id for t in ts] for g, ts in GROUPS.items()}, indent=2))
        return
    for group, members in GROUPS.items():
        click.echo(group)
        for task in members:
            metrics = ", ".join(
                " ".join(filter(None, (c.split, c.metric))) for c in task.scorer.columns
            )
            click.echo(f"  {task.id:<14} {metrics:<28} {task.card.measures}")


@tasks.command("show")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what a task measures, how it is scored, and what has been published."""
    from harness.cards import card_text, task_facts
    from tasks import resolve

    for task in resolve([name]):
        if as_json:
            click.echo(json.dumps(task_facts(task), indent=2))
        else:
            click.echo(card_text(task))


@tasks.command("lmms-eval-path")
def lmms_eval_path() -> None:
    """Print the folder that stock lmms-eval takes as --include_path.

    \b
    Example:
      lmms-eval --include_path "$(harness tasks lmms-eval-path)" --tasks harness_biomed ...
    """
    from tasks.lmms_eval import FOLDER

    click.echo(FOLDER)


@tasks.command("validate")
@click.argument("path", type=click.Path(path_type=Path))
@click.pass_context
def validate(ctx: click.Context, path: Path) -> None:
    """Check a folder with a task.yaml, or a folder named like a built-in task.

    Every row is read and its picture opened; exit code 1 if some rows are unusable.
    """
    from harness.own_tasks import validate_folder

    ctx.exit(validate_folder(path))


@tasks.command("new")
@click.argument("name", metavar="ID")
@click.option("--from", "source", required=True, metavar="DIR",
              type=click.Path(path_type=Path, file_okay=False),
              help="Folder with test.jsonl: image, label, and input or options.")  # fmt: skip
@click.option("--scorer", help="Instead of the one the rows suggest.")
@click.option("--prompt", help="Prompt for rows without `input`; {options} is the list of names.")
@click.option("--to", "target", metavar="DIR",
              type=click.Path(path_type=Path, file_okay=False),
              help="Write a new folder there instead of a task.yaml beside the rows.")  # fmt: skip
def new(
    name: str, source: Path, scorer: str | None, prompt: str | None, target: Path | None
) -> None:
    """Make a task of your own from a folder of rows.

    \b
    The task.yaml it writes, whole:
      id: eurosat                 # letters, digits, underscores
      title: EuroSAT
      measures: which of ten kinds of land cover is shown
      scorer: scene_class         # harness tasks new --help lists them below
      names: [Forest, River]      # only for scorers of fixed names
      max_new_tokens: 64
      cluster: image              # or row: what makes rows dependent
      image_formats: [JPEG, PNG]  # also WEBP, TIFF
      version: 1                  # raise it when the rows change their meaning

    \b
    Scorers:
      open_closed_vqa, exact_vqa, multiple_choice, class_choice, scene_class,
      multi_label_f1, multi_label_recall, rouge_l, rouge_l_mean
    """
    from harness.own_tasks import make_task

    made = make_task(name, source, scorer=scorer, prompt=prompt, target=target)
    click.echo(f"wrote {made}")
    click.echo(f"try it: harness eval --model yes --engine constant --tasks {made.parent}")
