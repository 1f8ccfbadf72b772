"""`harness synth`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("synth", context_settings={"show_default": True})
@click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--stage", type=click.Choice(["tune", "generate", "filter", "mix", "audit"]),
              help="Stop after this stage.")  # fmt: skip
@click.option("--preview", type=click.IntRange(1, 500), metavar="N",
              help="Only N pairs, spread over the source, as a page to look at.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done: rows, tokens, time.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=V",
              help="Another value for a setting of the recipe.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("work"),
              help="Folder of stages.")  # fmt: skip
@click.option("--tasks-only", is_flag=True, help="Leave out the caption exchanges.")
@click.option("--captions-only", is_flag=True, help="Leave out the tasks.")
@click.option("--report", is_flag=True,
              help="Also rate the triplets, and write a page and a sheet for people.")  # fmt: skip
@click.option("--against", multiple=True, type=click.Path(path_type=Path), metavar="RECIPE|FOLDER",
              help="With --report: another recipe, or triplets, to show beside it.")  # fmt: skip
@click.option("--read-sheet", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="With --report: the sheet, filled in, to compare people and judge.")  # fmt: skip
@click.option("--max-failed", type=click.FloatRange(0, 1),
              help="Exit 1 if a greater share of a stage's rows fails; default: the recipe's, "
              "0.01.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the funnel as JSON.")
@click.pass_context
def synth(
    ctx: click.Context,
    recipe: Path,
    stage: str | None,
    preview: int | None,
    dry_run: bool,
    overrides: tuple[str, ...],
    work: Path,
    tasks_only: bool,
    captions_only: bool,
    report: bool,
    against: tuple[Path, ...],
    read_sheet: Path | None,
    max_failed: float | None,
    as_json: bool,
) -> None:
    """Turn image-caption pairs into filtered visual instructions.

    Stages: tune (if the recipe says so), generate, filter, mix, audit. A finished stage is
    reused, an unfinished one continues. Every row is in the output or among the rejects, with
    its reason.

    \b
    Examples:
      harness synth recipe.yaml --dry-run
      harness synth recipe.yaml --preview 20
      harness synth recipe.yaml
      harness synth recipe.yaml --set synth.generator=rules --tasks-only
      harness synth recipe.yaml --report --against other.yaml
    """
    from harness.recipes import Recipe, parse, read_recipe

    if tasks_only and captions_only:
        raise click.UsageError("--tasks-only and --captions-only exclude each other.", ctx)
    if preview is not None and (dry_run or stage):
        raise click.UsageError("--preview goes with neither --dry-run nor --stage.", ctx)
    if report and (preview is not None or dry_run or stage):
        raise click.UsageError(
            "--report needs whole stages: no --preview, --dry-run, --stage.", ctx
        )
    if (against or read_sheet) and not report:
        raise click.UsageError("--against and --read-sheet go with --report.", ctx)
    source = read_recipe(recipe, overrides)
    if tasks_only or captions_only:
        content = "tasks" if tasks_only else "captions"
        option = f"--{content}-only"
        source = source.with_values({"synth.content": content}, option)
    from synth.command import SynthOptions, run_synth

    options = SynthOptions(
        work=work, until=stage, preview=preview, dry_run=dry_run, max_failed=max_failed,
        as_json=as_json, report=report, against=against, sheet=read_sheet,
    )  # fmt: skip
    ctx.exit(run_synth(parse(Recipe, source), options))
