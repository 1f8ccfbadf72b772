"""Asking the judge: through the engines, into the journals that a second report reads again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness import images
from harness.asking import Owner
from harness.engines import Plan, plan_model
from harness.errors import RowError
from harness.files import digest
from harness.generation import ask_engine
from harness.images import Picture
from harness.journal import Journal, Record
from harness.recipes import ModelUse
from harness.requests import Request, Sampling, request_key
from synth._making import journal_held
from synth._text import shortened
from synth._types import FORMATS, Reason
from synth.quality._rubric import RUBRIC_VERSION, SCHEMA, ask, read
from synth.quality._types import Rating, Sample, Source

_SAMPLING = Sampling(max_new_tokens=512)


@dataclass(frozen=True)
class Rater:
    """The model that rates."""

    plan: Plan
    sees: bool
    """Whether it is shown the pictures; a served model is taken to read them."""

    @property
    def model(self) -> str:
        """Fingerprint of the model and of the settings that move its answers."""
        return digest([self.plan.model.fingerprint or self.plan.model.ref, self.plan.identity])[:32]

    @property
    def config(self) -> dict[str, Any]:
        """What determines its ratings."""
        return {"model": self.model, "sees": self.sees, "rubric_version": RUBRIC_VERSION}

    def journal(self, root: Path) -> Path:
        """Its answers about a recipe's triplets."""
        return root / "answers" / f"judge-{digest(self.config)[:8]}" / "responses.jsonl"


def open_rater(use: ModelUse) -> Rater:
    """Decide on the judge's engine, without loading anything heavy.

    Raises:
        UserError: The model cannot be used.
    """
    plan = plan_model(use)
    sees: bool = getattr(getattr(plan, "inner", plan), "sees", True)
    return Rater(plan, sees)


class Rated(NamedTuple):
    """What became of one sample."""

    rating: Rating | None
    reason: Reason | None
    """Why there is no rating."""
    detail: str
    record: Record | None


class Ratings(NamedTuple):
    """What became of all samples."""

    rated: dict[str, Rated]
    """By the sample's key."""
    engine: dict[str, Any] | None
    to_retry: int


@dataclass
class _Asking:
    """The requests of one journal's samples."""

    rater: Rater
    samples: Sequence[Sample]
    journal: Journal
    name: str
    shared: _Shared
    known: int = 0
    passing: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of samples."""
        return len(self.samples)

    def requests(self) -> Iterator[Request]:
        """Yield what no journal has an answer for yet."""
        for sample in self.samples:
            try:
                request = self._request(sample)
            except RowError as error:
                self.shared.unusable[sample.key] = shortened(str(error))
                continue
            self.shared.keys[sample.key] = request.key
            if self.shared.find(request.key) is not None:
                self.known += 1
            elif request.key not in self.shared.pending:
                self.shared.pending.add(request.key)
                yield request

    def _request(self, sample: Sample) -> Request:
        messages = ask(sample.triplet, sees=self.rater.sees)
        ref = sample.triplet.pair.image
        pictures: tuple[Picture, ...] = ()
        if self.rater.sees:
            pictures = (images.load(ref, FORMATS),)
        key = request_key(
            task="synth/quality",
            version=RUBRIC_VERSION,
            messages=messages,
            images=[picture.content for picture in pictures],
            sampling=_SAMPLING,
            model=self.rater.model,
            json_schema=SCHEMA,
        )
        return Request(
            key,
            sample.triplet.pair.id,
            messages,
            _SAMPLING,
            pictures,
            owner=Owner(self, None),
            json_schema=SCHEMA,
        )


@dataclass
class _Shared:
    """What the askings know together: a triplet of two sources is asked about once."""

    journals: Mapping[Path, Journal]
    pending: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def find(self, key: str) -> Record | None:
        found = (journal.get(key) for journal in self.journals.values())
        return next((record for record in found if record is not None), None)


def rate(rater: Rater, samples: Iterable[tuple[Source, Sample]]) -> Ratings:
    """Ask about samples; what is in a journal is not asked again.

    Args:
        rater: Who is asked.
        samples: Each with its source; a sample that comes twice is asked about once.
    """
    mine: dict[Path, dict[str, Sample]] = {}
    for source, sample in samples:
        mine.setdefault(rater.journal(source.root), {})[sample.key] = sample
    with ExitStack() as stack:
        paths = [stack.enter_context(journal_held(path)) for path in mine]
        journals = {path: stack.enter_context(Journal(path)) for path in paths}
        shared = _Shared(journals)
        askings = [
            _Asking(rater, list(mine[path].values()), journal, _name(path), shared)
            for path, journal in journals.items()
        ]
        engine = ask_engine(rater.plan, askings)
        passing = {key: why for asking in askings for key, why in asking.passing.items()}
        keys = dict.fromkeys(key for found in mine.values() for key in found)
        rated = {key: _rated(shared, key, passing) for key in keys}
    to_retry = sum(found.reason == "failed" and found.record is None for found in rated.values())
    return Ratings(rated, engine, to_retry)


def _name(journal: Path) -> str:
    return f"judge {journal.parents[2].name}"


def _rated(shared: _Shared, sample: str, passing: Mapping[str, str]) -> Rated:
    if sample in shared.unusable:
        return Rated(None, "unusable image", shared.unusable[sample], None)
    record = shared.find(shared.keys[sample])
    if record is None or record.text is None:
        why = passing.get(shared.keys[sample]) if record is None else record.error
        return Rated(None, "failed", shortened(why or "no answer"), record)
    rating = read(record.text)
    if rating is not None:
        return Rated(rating, None, "", record)
    reason: Reason = "truncated" if record.finish_reason == "length" else "malformed"
    return Rated(None, reason, shortened(f"the judge said {record.text!r}"), record)
