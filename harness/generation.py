"""Asking an engine what has no answer yet, and writing every answer down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from harness.asking import Asking, Owner
from harness.engines import Engine, Plan
from harness.progress import Progress, note
from harness.requests import Request


def ask_engine(plan: Plan, askings: list[Asking], limit: int | None) -> dict[str, Any] | None:
    """Ask what is not answered yet, all tasks in one stream; None if nothing was."""
    requests = chain.from_iterable(asking.requests() for asking in askings)
    first = next(requests, None)
    if first is None:
        return None
    note(f"engine {plan.name} ({plan.why}), model {plan.model.ref}")
    engine = plan.start()
    try:
        described = engine.describe()
        _drain(engine, chain((first,), requests), askings, limit)
    finally:
        engine.close()
    return described


def _drain(
    engine: Engine, requests: Iterator[Request], askings: list[Asking], limit: int | None
) -> None:
    totals = {asking.task.id: asking.source.count() for asking in askings}
    if limit is not None:
        totals = {task: n if n is None else min(n, limit) for task, n in totals.items()}
    known = dict.fromkeys(totals, 0)
    began, rows, tokens = time.perf_counter(), 0, 0
    with Progress(totals) as progress:
        for response in engine.generate(requests):
            rows, tokens = rows + 1, tokens + response.prompt_tokens + response.tokens
            owner: Owner = response.request.owner
            owner.asking.journal.append(response, owner.pixels)
            if response.error is not None and response.passing:
                owner.asking.passing[response.request.key] = response.error
            task = owner.asking.task.id
            new, known[task] = owner.asking.known - known[task], owner.asking.known
            progress.add(
                task, tokens=response.tokens, failed=response.error is not None, rows=1 + new
            )
    seconds = time.perf_counter() - began
    known_rows = sum(asking.known for asking in askings)
    note(
        f"{rows:,} rows asked, {known_rows:,} known before, {tokens:,} tokens in {seconds:.1f} s "
        f"({rows / seconds:.1f} rows/s)"
    )
