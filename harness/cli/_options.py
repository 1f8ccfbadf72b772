"""Option types and output that several commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from harness.errors import UserError


def comma_list(text: str) -> tuple[str, ...]:
    """`a,b` to (`a`, `b`)."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def key_values(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """`k=v` texts to a dictionary.

    Raises:
        UserError: One has no `=`.
    """
    values = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UserError(f"{option} {pair}: write it as key=value")
        values[key.strip()] = value
    return values


def show(results: dict[str, Any], *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """Print results on stdout: as JSON, or as the table people read, with notes below it."""
    if as_json:
        click.echo(json.dumps(results, indent=2))
        return
    from harness.report import print_results

    print_results(results, notes)
