"""Asking an engine what has no answer yet, and writing every answer down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from harness.asking import Owner
from harness.engines import Engine, Plan
from harness.journal import Journal
from harness.progress import Progress, note
from harness.requests import Request, Response
from harness.spending import Spent


class Questions(Protocol):
    """What is asked of an engine: a task's rows, a stage's pairs, a filter's triplets."""

    journal: Journal
    known: int
    """Requests whose answer was in the journal."""
    passing: dict[str, str]
    """Key to reason, for failures that a later run will ask again."""

    @property
    def name(self) -> str:
        """What progress is shown under."""

    @property
    def total(self) -> int | None:
        """Number of rows, where it is known."""

    def requests(self) -> Iterator[Request]:
        """Yield what has no answer yet; each request's `owner` is an `Owner`."""


def ask_engine(
    plan: Plan, askings: Sequence[Questions], spent: Spent | None = None
) -> dict[str, Any] | None:
    """Ask what is not answered yet, all in one stream.

    Args:
        plan: The engine to be started, if there is anything to ask.
        askings: What is asked.
        spent: Counts what it costs.

    Returns:
        What the engine says of itself; None if nothing was asked.
    """
    spent = spent or Spent()
    requests = chain.from_iterable(asking.requests() for asking in askings)
    with spent.stage("read"):
        first = next(requests, None)
    spent.known = sum(asking.known for asking in askings)
    if first is None:
        if spent.known:
            note(f"nothing to ask: {spent.known:,} rows known before")
        return None
    note(f"engine {plan.name} ({plan.why}), model {plan.model.ref}")
    with spent.stage("load"):
        engine = plan.start()
    try:
        described = engine.describe()
        spent.gpus = described.get("gpus", 0)
        _drain(engine, chain((first,), requests), askings, spent)
    finally:
        engine.close()
    note(spent.asked())
    return described


def _drain(
    engine: Engine, requests: Iterator[Request], askings: Sequence[Questions], spent: Spent
) -> None:
    totals = {asking.name: asking.total for asking in askings}
    with Progress(totals) as progress, spent.stage("generate") as count:
        for response in engine.generate(requests):
            asking = _written_down(response)
            spent.rows += 1
            spent.failed += response.error is not None
            spent.prompt_tokens += response.prompt_tokens
            spent.tokens += response.tokens
            progress.add(
                asking.name,
                known=asking.known,
                prompt_tokens=response.prompt_tokens,
                tokens=response.tokens,
                failed=response.error is not None,
            )
            count()
        spent.known = sum(asking.known for asking in askings)
        progress.finish({asking.name: asking.known for asking in askings})


def _written_down(response: Response) -> Questions:
    owner: Owner = response.request.owner
    owner.asking.journal.append(response, owner.pixels)
    if response.error is not None and response.passing:
        owner.asking.passing[response.request.key] = response.error
    return owner.asking
