"""The nouns of an evaluation: task, row, scorer. Everything else is built from these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

Split = Literal["open", "closed"]
ProtocolName = Literal["paper", "strict"]
PROTOCOLS: tuple[ProtocolName, ...] = ("paper", "strict")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where a row's picture is to be found. It is opened and checked by the image loader alone.

    `root` or `data` is given; neither where a source was read without its images.
    """

    locator: str
    """What a person reads: a path relative to `root`, or a position such as `row 17`."""
    root: Path | None = None
    """Folder that `locator` must stay inside."""
    data: bytes | None = None
    """The encoded file itself (hub and parquet rows, drawn pictures)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question about an image, as it stands in its source."""

    index: int
    """0-based position in the source, before any limit, grouping or failure."""
    id: str
    """The row's own id, else its index as text."""
    prompt: str
    """The finished prompt: no instruction is added to it."""
    label: str | tuple[str, ...]
    images: tuple[ImageRef, ...] = ()
    split: Split | None = None
    options: tuple[str, ...] = ()
    """Texts of the answer options A, B, C, ... (multiple choice only)."""
    image_id: str | None = None
    """Names the picture that several rows share; else the hash of its pixels does."""
    prediction: str | None = None
    """An answer produced elsewhere (prediction files only); None is a failed row."""
    places: tuple[int, ...] = ()
    """Where in the prompt each picture stands; empty if all stand before it."""
    fault: str | None = None
    """Why it cannot be asked, if its source knows: then it fails."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no row."""

    index: int
    reason: str


class Scored(NamedTuple):
    """What one protocol says of one answer."""

    metrics: Mapping[str, float]
    """Metric name to value between 0 and 1; the row's main metric comes first."""
    parsed: str | None = None
    """What was read out of the answer, for people; None if nothing was."""
    unparsed: bool = False
    guessed: bool = False
    reason: str | None = None
    items: Mapping[str, Any] | None = None
    """What an aggregation that is no plain mean makes a score of, by metric (`Aggregation`)."""


class Column(NamedTuple):
    """One published number of a task: a split (or all rows) and its main metric."""

    split: Split | None
    metric: str


class Rules(NamedTuple):
    """Choices made where the published rules leave one open; None if there is none."""

    paper: str | None = None
    strict: str | None = None


class Scorer(Protocol):
    """Row and answer to values under both protocols. Pure: no files, no clock, no state."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The published columns, in the order they are printed."""

    @property
    def needs(self) -> frozenset[str]:
        """What a record must carry: `answer_type`, `options`, `labels` or `references` (lists)."""

    @property
    def rules(self) -> Rules:
        """What every result of this scorer has to say about its rule."""

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Names of the metrics reported for a column, the main one first."""

    def check(self, row: Row) -> None:
        """Refuse a label that no answer could match.

        Raises:
            LabelError: The label is outside the task's vocabulary.
        """

    def paper(self, row: Row, text: str) -> Scored:
        """Score as the published protocol does, quirks included."""

    def strict(self, row: Row, text: str) -> Scored:
        """Score as a careful evaluator would."""


class Aggregation(NamedTuple):
    """How the rows' items become one number, where a score is not simply the mean of its rows."""

    metric: str
    call: Callable[[list[Any]], float]
    """May raise anything."""
    maximum: float | None = None
    """The best possible number; None if it is to be seen from the rows."""
    unusable: str | None = None
    """Why it is not to be called; None if it is."""
    lower_is_better: bool = False


class RowSource(Protocol):
    """Where a task's rows come from. Reading is repeatable and streams."""

    def describe(self) -> str:
        """One line for people and for `run.json`."""

    def fingerprint(self) -> str:
        """Changes when a row, its label or its picture does, and otherwise hardly ever."""

    def count(self) -> int | None:
        """Number of records, where it is known without reading them all."""

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Yield rows in source order.

        Args:
            scorer: Says what a record must carry.
            images: Give the rows their pictures; False reads no image bytes.
        """


class Generation(NamedTuple):
    """How a task wants its answers drawn, beside their length. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


class Borrowed(Protocol):
    """What a task of another harness brings along."""

    @property
    def spelling(self) -> str:
        """How to ask for it again."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What determines rows and scores beside the data: versions, configuration. JSON values."""

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """How items become scores, the main metric first."""

    def open(self, data: str | None) -> RowSource:
        """Open its rows, which scoring needs too.

        Args:
            data: As `--data` has it.
        """

    def missed(self, index: int) -> Mapping[str, Any]:
        """Items of a row that has no answer; empty if there can be none."""


class HubDataset(NamedTuple):
    """A task's place on the Hugging Face hub."""

    repo: str
    configs: tuple[str, ...]
    """Accepted spellings; the first that exists is taken."""
    split: str = "test"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person should know before believing a number."""

    title: str
    measures: str
    prompt: str
    """Template from which rows are built out of the original data set."""
    rows: str
    """Published number of test rows."""
    paper: str
    """The published scoring in words."""
    strict: str
    """The strict scoring in words."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task:
    """One benchmark: where its rows come from and how answers are scored."""

    id: str
    group: str
    source: HubDataset | None
    """None for a user's own task, whose rows lie beside its `task.yaml`."""
    scorer: Scorer
    card: Card
    max_new_tokens: int = 1024
    version: int = 1
    """Raised whenever a prompt, a scorer or anything else that moves a number changes."""
    cluster: Literal["image", "row"] = "image"
    """What makes rows dependent: the picture they share, or nothing."""
    image_formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP")
    folder: Path | None = field(default=None, compare=False)
    """Where a user's own task keeps its rows."""
    generation: Generation = Generation()
    borrowed: Borrowed | None = field(default=None, compare=False)
    """What it brings along if it is another harness's; its rows may then do without pictures."""
