"""`harness adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.adapt import StageFailed, Tools


@click.command("adapt", context_settings={"show_default": True})
@click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar="A.B=V",
              help="Another value for a setting of the recipe.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan: stages, rows, tokens, hours. Uses no "
              "network.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("work"),
              help="Folder of stages.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report, or the plan, as JSON.")
@click.pass_context
def adapt(
    ctx: click.Context,
    recipe: Path,
    overrides: tuple[str, ...],
    dry_run: bool,
    work: Path,
    as_json: bool,
) -> None:
    """Adapt a model to a domain, and say whether it got better.

    Evaluates the base, makes training data from captions, trains, evaluates the candidate and
    compares the two. Finished stages are reused: the same command goes on where it stopped. With a
    `sweep:` section, every variant in turn, and a table of all.

    \b
    Examples:
      harness adapt recipe.yaml --dry-run
      harness adapt recipe.yaml
      harness adapt recipe.yaml --set train.stages=two --set eval.limit=200
    """
    if dry_run:
        _keep_off_the_network()
    from harness.adapt import AdaptOptions, StageFailed, run_adapt
    from harness.recipes import read_recipe

    options = AdaptOptions(work=work, dry_run=dry_run, as_json=as_json)
    try:
        ctx.exit(run_adapt(read_recipe(recipe, overrides), options, tools()))
    except StageFailed as error:
        ctx.exit(said(error))


def said(error: StageFailed) -> int:
    """Tell that a stage failed; gives its exit code."""
    from harness.progress import note

    note(f"error: {error.message}")
    if error.hint:
        note(f"  {error.hint}")
    return error.code


def _keep_off_the_network() -> None:
    """Before the hub's packages are imported: a plan must not fetch gigabytes of weights."""
    import os

    os.environ["HF_HUB_OFFLINE"] = "1"


def tools() -> Tools:
    """What synthesis and training check and plan, each imported when it is asked."""
    from harness.adapt import Tools
    from harness.cli._adapt_tools import (
        check_preset,
        pairs_of,
        plan_synth,
        plan_train,
        tune_section,
    )

    return Tools(
        check_preset=check_preset,
        tune_section=tune_section,
        open_pairs=pairs_of,
        plan_synth=plan_synth,
        plan_train=plan_train,
    )
