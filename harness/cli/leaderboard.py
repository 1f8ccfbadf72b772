"""`harness leaderboard`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("leaderboard", context_settings={"show_default": True})
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), metavar="DIR",
              help="Folder of runs; it is only read.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), metavar="N",
              help="Default: the first free one from 8501.")  # fmt: skip
def leaderboard(runs: Path, port: int | None) -> int:
    """Look at candidates, their differences and the pictures behind them, in a browser.

    Listens on 127.0.0.1 alone and sends nothing anywhere. Runs that appear in the folder appear in
    the app. Index and thumbnails are kept in your cache folder; delete them whenever you like.

    \b
    Examples:
      harness leaderboard
      harness leaderboard --runs shared/runs --port 9000
    """
    from leaderboard.serving import serve

    return serve(runs, port)
