"""A member of a group that cannot be run: it is named and left out, like a task without rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks._types import (
    Aggregation,
    Card,
    Column,
    ProtocolName,
    Row,
    RowSource,
    Rules,
    Scored,
    Task,
)
from tasks.sources import NoRows


class _Refused:
    """Says why when its rows are asked for."""

    aggregations: tuple[Aggregation, ...] = ()
    settings: Mapping[str, Any] = {}

    def __init__(self, spelling: str, reason: str) -> None:
        self.spelling = spelling
        self._reason = reason

    def open(self, data: str | None) -> RowSource:
        """Never.

        Raises:
            NoRows: Always, with the reason.
        """
        raise NoRows(self._reason)

    def missed(self, index: int) -> Mapping[str, Any]:
        """There are no rows."""
        return {}


class _NoScorer:
    """A scorer without any column."""

    columns: tuple[Column, ...] = ()
    needs: frozenset[str] = frozenset()
    rules = Rules()

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """None."""
        return ()

    def check(self, row: Row) -> None:
        """There are no rows."""

    def paper(self, row: Row, text: str) -> Scored:
        """There are no rows."""
        return Scored({})

    def strict(self, row: Row, text: str) -> Scored:
        """There are no rows."""
        return Scored({})


def refused_task(name: str, reason: str) -> Task:
    """A task that stands in its group and has no rows.

    Args:
        name: As it would be asked for.
        reason: Why it cannot be run.
    """
    card = Card(title=name, measures=reason, prompt="-", rows="-", paper="-", strict="-")
    borrowed = _Refused(name, reason)
    return Task(
        id=name, group="lmms_eval", source=None, scorer=_NoScorer(), card=card, borrowed=borrowed
    )
