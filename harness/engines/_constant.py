"""An engine that always says the same: a baseline, and the harness's own overhead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.engines._base import ModelInfo
from harness.files import digest
from harness.requests import Request, Response


@dataclass(frozen=True)
class ConstantSettings:
    """There is nothing to set."""


@dataclass(frozen=True)
class ConstantPlan:
    """A fixed answer, to be given to everything."""

    answer: str
    name: str = "constant"
    why: str = "asked for"
    appetite: int = 1

    @property
    def model(self) -> ModelInfo:
        """The answer is the model."""
        return ModelInfo(self.answer, f"constant-{self.answer}", None, digest(self.answer)[:32])

    @property
    def identity(self) -> dict[str, Any]:
        """Nothing but the answer moves the answers."""
        return {}

    def start(self) -> ConstantEngine:
        """There is nothing to load."""
        return ConstantEngine(self.answer)


class ConstantEngine:
    """Gives one text to every request."""

    streams = True

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def describe(self) -> dict[str, Any]:
        """The answer."""
        return {"name": "constant", "answer": self._answer}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order of the requests."""
        for request in requests:
            yield Response(request, self._answer, "stop")

    def close(self) -> None:
        """Nothing is held."""
