"""`harness demo`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click


@click.command("demo")
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False),
              default=Path("demo"), show_default=True,
              help="Folder for everything it makes.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Other pictures, texts and training.")  # fmt: skip
@click.option("--models-only", is_flag=True, help="Only write the tiny random checkpoints.")
@click.option("--leaderboard/--no-leaderboard", "look", default=None,
              help="Open the leaderboard at the end. Default: on a terminal.")  # fmt: skip
@click.pass_context
def demo(
    ctx: click.Context, workspace: Path, seed: int, models_only: bool, look: bool | None
) -> None:
    """Run the whole loop on a toy domain: two CPU cores, a few minutes, no network.

    From captions of drawn scans: evaluate a small base model, tune a synthesizer on other domains,
    generate questions and answers, filter them, train, evaluate, and compare the candidate with
    the base and with a control that learnt the captions alone. Every stage is real; what it writes
    is a recipe, runs and reports like those of `harness adapt`. A second call goes on where the
    first was stopped.

    --models-only writes DIR/models/qwen2_vl, llava_next and mllama instead: random weights, a few
    MB each, made so that answers end within some 30 tokens.

    \b
    Examples:
      harness demo
      harness demo --workspace try --seed 1 --no-leaderboard
      harness demo --models-only --workspace /shared/try
    """
    if models_only:
        from harness.demo import make_models
        from harness.progress import note

        for name, path in make_models(workspace / "models").items():
            note(f"{name}: {path}")
        return
    # Inherited by the stages' processes. With more threads, tiny models are ten times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from harness.adapt import StageFailed
    from harness.cli.adapt import said, tools
    from harness.demo.loop import run_loop

    try:
        code = run_loop(workspace, tools(), seed)
    except StageFailed as error:
        ctx.exit(said(error))
    if _to_be_watched() if look is None else look:
        from leaderboard.serving import serve

        code = serve(workspace / "runs", browser=True) or code
    ctx.exit(code)


def _to_be_watched() -> bool:
    """Whether somebody sits there, and the leaderboard is installed."""
    wanted = ("streamlit", "duckdb")
    return sys.stdout.isatty() and all(importlib.util.find_spec(name) for name in wanted)
