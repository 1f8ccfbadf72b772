"""`harness demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False),
              default=Path("demo"), show_default=True,
              help="Folder for everything it makes.")  # fmt: skip
@click.option("--models-only", is_flag=True, help="Only write the tiny checkpoints.")
@click.pass_context
def demo(ctx: click.Context, workspace: Path, models_only: bool) -> None:
    """Try the harness without a network: tiny random checkpoints, drawn rows.

    Writes DIR/models/qwen2_vl, llava_next and mllama (random weights, a few MB each, made so that
    answers end within some 30 tokens), then evaluates one of them on `--data sample`.

    \b
    Examples:
      harness demo
      harness demo --models-only --workspace /shared/try
    """
    from harness.demo import make_models
    from harness.progress import note

    models = make_models(workspace / "models")
    for name, path in models.items():
        note(f"{name}: {path}")
    if models_only:
        return
    from harness.cli._options import show
    from harness.evaluate import evaluate
    from harness.planning import EvalOptions

    options = EvalOptions(
        model=str(models["qwen2_vl"]),
        tasks=("biomed", "food", "remote_sensing"),
        data="sample",
        out=workspace / "runs",
    )
    outcome = evaluate(options)
    if outcome.results is not None:
        show(outcome.results, as_json=False)
    note("random weights: these scores are what chance and wording give, no more")
    ctx.exit(outcome.exit_code)
