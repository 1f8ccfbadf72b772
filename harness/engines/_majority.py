"""A baseline that has read the test labels: the commonest one for every row of a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.controls import MAJORITY
from harness.engines._base import ModelInfo
from harness.files import digest
from harness.requests import Request, Response


@dataclass(frozen=True)
class MajoritySettings:
    """There is nothing to set."""


@dataclass(frozen=True)
class MajorityPlan:
    """Gives each request the baseline it carries; its rows and their labels decide which."""

    name: str = "majority"
    why: str = "asked for"
    appetite: int = 1

    @property
    def model(self) -> ModelInfo:
        """There is no model but the rule."""
        return ModelInfo("majority", "majority", None, digest("majority")[:32])

    @property
    def identity(self) -> dict[str, Any]:
        """The labels are part of the data, which the run's settings hold."""
        return MAJORITY

    def start(self) -> MajorityEngine:
        """There is nothing to load."""
        return MajorityEngine()


class MajorityEngine:
    """Says what each request carries as its baseline."""

    streams = True

    def describe(self) -> dict[str, Any]:
        """The answers themselves stand in `run.json` under `controls`."""
        return {"name": "majority"}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order of the requests."""
        for request in requests:
            if request.baseline is None:
                error = "the majority baseline answers rows that have labels"
                yield Response(request, None, error=error)
            else:
                yield Response(request, request.baseline, "stop")

    def close(self) -> None:
        """Nothing is held."""
