"""The nouns of the quality report: source, set, sample, rating."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from harness.files import digest
from synth._types import Triplet

Grade = Literal["knowledge", "complexity", "accuracy"]
GRADES: tuple[Grade, ...] = ("knowledge", "complexity", "accuracy")
WORST, BEST = 1, 5


def scaled(grade: float) -> float:
    """A grade of 1 to 5 on 0 to 100."""
    return 100.0 * (grade - WORST) / (BEST - WORST)


@dataclass(frozen=True, slots=True)
class Source:
    """One generator's data: triplets, and those of them that a filter kept."""

    name: str
    """As the report calls it."""
    triplets: Path
    """What was generated."""
    kept: Path | None
    """What the filter kept; None: there was no filter."""
    images: Path
    """Folder that the pictures' paths start from."""
    root: Path
    """Whose journals its answers belong in: `work/<recipe>`."""

    @property
    def final(self) -> Path:
        """What becomes training data."""
        return self.kept or self.triplets


class Sample(NamedTuple):
    """A triplet that is rated."""

    key: str
    """Follows from the triplet alone: the same in every set and every run."""
    triplet: Triplet


def sample_key(triplet: Triplet) -> str:
    """Of a triplet, 16 hex digits."""
    pair = triplet.pair
    words = [pair.id, pair.image.locator, pair.caption]
    words += [triplet.instruction, triplet.informative, triplet.precise]
    return digest(words)[:16]


class Rating(NamedTuple):
    """What a judge or a person says of a sample; None where nothing is said."""

    task_type: str | None = None
    knowledge: int | None = None
    complexity: int | None = None
    accuracy: int | None = None
    agree: bool | None = None
    """Whether the two answers come to the same."""

    def grade(self, name: Grade) -> int | None:
        """One of the grades, 1 to 5."""
        value: int | None = getattr(self, name)
        return value


class Set(NamedTuple):
    """Triplets that are compared as a whole."""

    source: Source
    final: bool
    """Whether it becomes training data; else it is what came before the filter."""
    samples: list[Sample]
    rows: int
    """Of the whole set."""
    words: dict[str, list[float]]
    """Of all rows: text to mean, quartiles and median of its number of words."""

    @property
    def name(self) -> str:
        """`food`, or `food, before the filter`."""
        return self.source.name if self.final else f"{self.source.name}, before the filter"
