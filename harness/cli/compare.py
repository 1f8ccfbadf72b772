"""`harness compare`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare", context_settings={"show_default": True})
@click.argument("runs", nargs=-1, required=True, metavar="RUN_A RUN_B [RUN_C ...]",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--protocol", type=click.Choice(["paper", "strict"]), help="Only this one; default: "
              "both.")  # fmt: skip
@click.option("--rows", type=click.IntRange(min=0), default=5, metavar="N",
              help="Rows to name that gained or lost most, each.")  # fmt: skip
@click.option("--all-metrics", is_flag=True, help="Beside the published metrics, all others.")
@click.option("--common", is_flag=True, help="Compare only the rows that are the same in all runs; "
              "without it different rows are refused.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON (harness/comparison.schema.json) "
              "instead of tables.")  # fmt: skip
def compare(
    runs: tuple[Path, ...],
    protocol: str | None,
    rows: int,
    all_metrics: bool,
    common: bool,
    as_json: bool,
) -> None:
    """Compare finished runs row by row. A is the baseline: every difference is B - A.

    Gives each difference its interval and p (clustered by image), the rows that changed, and the
    smallest difference the task could have shown. Three runs and more also get rank ranges. Runs
    with other rows, task versions or scoring rules are refused.

    \b
    Examples:
      harness compare runs/20260101T000000Z-base-... runs/20260102T000000Z-mine-...
      harness compare runs/*-slake-* --protocol strict
      harness compare runs/A runs/B --json > comparison.json
    """
    from harness.comparison import compare_runs
    from tasks import PROTOCOLS

    found = compare_runs(
        runs,
        protocols=(protocol,) if protocol else PROTOCOLS,
        all_metrics=all_metrics,
        common=common,
        rows=rows,
    )
    if as_json:
        import json

        click.echo(json.dumps(found.to_json(), indent=2, allow_nan=False))
        return
    from harness.comparison import print_comparison

    print_comparison(found)
