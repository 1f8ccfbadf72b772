"""No tasks at all: pairs are checked, and go on with their captions."""

from __future__ import annotations

from harness.requests import Sampling
from synth._types import Pair
from synth.generators._base import Answer, Ask


class CaptionsOnly:
    """What stands in a generator's place where captions alone are wanted."""

    name = "captions"
    version = 1
    sees = False
    asks = False

    @property
    def config(self) -> dict[str, str | int]:
        """Nothing."""
        return {}

    def sampling(self, drawn: Sampling) -> Sampling:
        """Always the same, since nothing is drawn."""
        return Sampling(1)

    def ask(self, pair: Pair) -> Ask:
        """Nothing is asked."""
        return Ask(())

    def read(self, pair: Pair, answer: Answer) -> None:
        """No triplet, and no reject either."""
