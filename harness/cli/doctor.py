"""`harness doctor`."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness._checkup import Piece


@click.command()
@click.option("--hub", is_flag=True, help="Also try to reach the hub; nothing else uses a network.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def doctor(*, hub: bool, as_json: bool) -> None:
    """Show what is installed, what is missing, and the command that mends it.

    Also says which engine `--engine auto` takes on this machine, and why. Exit code 0: `harness
    eval` can work here; 1: something it cannot do without is missing or broken.

    \b
    Examples:
      harness doctor
      harness doctor --hub
      harness doctor --json | jq '.pieces[] | select(.status != "ok")'
    """
    from harness import __version__
    from harness._checkup import check_up
    from harness.engines._auto import auto_engine

    pieces = [*check_up(), *([_hub()] if hub else [])]
    choice = auto_engine(None)
    broken = [piece for piece in pieces if piece.essential and piece.status != "ok"]
    if as_json:
        report = {
            "schema_version": 1,
            "version": __version__,
            "ok": not broken,
            "engine": {"name": choice.engine, "reason": choice.reason},
            "pieces": [dataclasses.asdict(piece) for piece in pieces],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(f"domain-harness {__version__}\n")
        click.echo("\n".join(_table(pieces)))
        click.echo(f"\n--engine auto takes {choice.engine}: {choice.reason}.")
        names = ", ".join(piece.name for piece in broken)
        click.echo(
            f"`harness eval` cannot work here until this is mended: {names}."
            if broken
            else "`harness eval` can work here."
        )
    sys.exit(1 if broken else 0)


def _table(pieces: list[Piece]) -> list[str]:
    """Aligned lines, one a piece; a second one with the command where there is one."""
    first = max(len(piece.name) for piece in pieces)
    second = max(len(piece.version or piece.status) for piece in pieces)
    lines = []
    for piece in pieces:
        what = piece.version or ("" if piece.status == "ok" else piece.status)
        detail = piece.detail
        if piece.status == "broken" and piece.version:
            detail = f"broken: {detail}"
        if piece.status != "ok" and piece.purpose:
            detail = f"{detail} (for {piece.purpose})".strip()
        lines.append(f"  {piece.name:{first}}  {what:{second}}  {detail}".rstrip())
        if piece.mend:
            lines.append(f"  {'':{first}}  -> {piece.mend}")
    return lines


def _hub() -> Piece:
    from harness._checkup import Piece

    purpose = "tasks and models by name; folders need no network"
    try:
        from huggingface_hub import constants, get_session

        get_session().head(constants.ENDPOINT, timeout=10).raise_for_status()
    # The client's own errors, its transport's and plain OS errors: each means "not to be had".
    except Exception as error:  # noqa: BLE001
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Piece(name="hub", status="broken", detail=reason, purpose=purpose)
    return Piece(name="hub", detail=f"{constants.ENDPOINT} answers", purpose=purpose)
