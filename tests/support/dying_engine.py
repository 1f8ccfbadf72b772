"""An engine that takes its process with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.engines import ModelInfo
from harness.requests import Request, Response


class DyingEngine:
    """Answers with the row's id; dies on rows named `kill...`."""

    streams = False

    def describe(self) -> dict[str, Any]:
        return {"name": "dying"}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        for request in requests:
            if request.row_id.startswith("kill"):
                os._exit(1)
            yield Response(request, request.row_id)

    def close(self) -> None:
        """Nothing is held."""


class DyingPlan(NamedTuple):
    """Its first starts die too, as many as `stillborn` says; `folder` counts them."""

    folder: Path
    stillborn: int = 0
    name: str = "dying"
    why: str = "a test"
    appetite: int = 16
    identity: dict[str, Any] = {}  # noqa: RUF012
    model: ModelInfo = ModelInfo("m", "m", None, None)

    def start(self) -> DyingEngine:
        (self.folder / f"{os.getpid()}").touch()
        if len(list(self.folder.iterdir())) <= self.stillborn:
            os._exit(1)
        return DyingEngine()
