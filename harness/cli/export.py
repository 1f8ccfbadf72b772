"""`harness export`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import comma_list


@click.command("export")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--to", required=True,
              type=click.Choice(["markdown", "latex", "csv", "model-index", "lmms-eval"]),
              help="The form.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH",
              help="File to write (model-index: README.md or a model's folder; lmms-eval: a "
              "folder). Without it text goes to stdout.")  # fmt: skip
@click.option("--protocol", default="both", show_default=True,
              type=click.Choice(["paper", "strict", "both"]),
              help="Whose scores.")  # fmt: skip
@click.option("--tasks", default="", metavar="A,B", help="Only these tasks or groups.")
@click.option("--published", is_flag=True,
              help="Add published rows of the same base models, and differences.")  # fmt: skip
@click.option("--interval", default="half", show_default=True,
              type=click.Choice(["half", "bounds", "none"]),
              help="Intervals in tables: half width, both bounds, or none.")  # fmt: skip
def export(
    runs: tuple[Path, ...],
    to: str,
    out: Path | None,
    protocol: str,
    tasks: str,
    published: bool,
    interval: str,
) -> None:
    """Write the scores of finished runs in another form.

    \b
    markdown, latex   one table: a row a model, best bold, second underlined
    csv               a line a result, every metric
    model-index       scores for a Hugging Face model card
    lmms-eval         results and samples files as lmms-eval leaves them

    \b
    Examples:
      harness export runs/* --to markdown --published
      harness export runs/A runs/B --to latex --protocol paper --out table.tex
      harness export runs/A --to model-index --out my-model/README.md
      harness export runs/A --to lmms-eval
    """
    from harness.export import ExportOptions
    from harness.export import export as run_export

    options = {"to": to, "protocol": protocol, "interval": interval}
    run_export(
        ExportOptions(
            runs=runs,
            out=out,
            tasks=comma_list(tasks),
            published=published,
            **options,  # type: ignore[arg-type]
        )
    )
