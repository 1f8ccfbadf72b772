"""`harness train`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train", context_settings={"show_default": True})
@click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar="A.B=V",
              help="Another value for a setting of the recipe.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("work"),
              help="Folder of stages.")  # fmt: skip
@click.option("--dry-run", is_flag=True,
              help="Say what would be done: settings, steps, memory, commands.")  # fmt: skip
@click.option("--check-all", is_flag=True,
              help="Look at every picture before the first step, not at a sample's.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Start anew instead of going on.")
@click.option("--json", "as_json", is_flag=True, help="Print training.json.")
@click.pass_context
def train(
    ctx: click.Context,
    recipe: Path,
    overrides: tuple[str, ...],
    work: Path,
    dry_run: bool,
    check_all: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Post-train a multimodal model on conversations with pictures.

    The recipe's `train:` section names the data and the preset; everything else has the
    published value. The same command continues a run that was stopped, and shows a finished one.

    \b
    Examples:
      harness train recipe.yaml --dry-run
      harness train recipe.yaml
      harness train recipe.yaml --set train.stages=two --set train.gpus=4
    """
    from harness.recipes import read_recipe

    source = read_recipe(recipe, overrides)
    if check_all:
        source = source.with_values({"train.check_all": True}, "--check-all")
    from training.command import TrainOptions, run_train

    options = TrainOptions(work=work, dry_run=dry_run, fresh=fresh, as_json=as_json)
    ctx.exit(run_train(source, options))
