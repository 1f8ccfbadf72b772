"""The stage that makes triplets of pairs: asks, writes down, continues where it was killed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness import images
from harness.asking import Owner
from harness.engines import Plan, plan_model
from harness.errors import RowError, UserError
from harness.files import digest
from harness.generation import ask_engine
from harness.images import Picture
from harness.journal import Journal
from harness.recipes import ModelUse, SynthRecipe
from harness.requests import Request, Sampling, request_key
from harness.stages import Counts, Stage
from synth._lines import pair_line, reject_line, triplet_line, writing_lines
from synth._store import PictureStore
from synth._text import shortened
from synth._types import FORMATS, Pair, Reject, Triplet
from synth.generators import Generator, make_generator
from synth.generators._base import Answer, Ask
from synth.generators._blank import blank_picture
from tasks import ImageRef

_CONTEXT = "4096"
_KEY_BYTES = 16


class Generated(NamedTuple):
    """What became of the pairs."""

    counts: Counts
    images: Path
    """Folder that the pictures' paths start from."""
    tokens: int
    """Written by the model, for all of the triplets and rejects."""
    seconds: float
    """Spent in this call."""
    to_retry: int
    """Rejects that failed for a passing reason: calling `generate` again asks them again."""
    engine: dict[str, Any] | None
    """What the engine says of itself; None if nothing had to be asked."""


def plan_generator(recipe: SynthRecipe, synthesizer: ModelUse | None = None) -> Plan | None:
    """Decide on the engine that answers; None for rules and for captions alone, which need none.

    Args:
        recipe: Names generator and model.
        synthesizer: The tuned one, where the recipe makes it first.

    Raises:
        UserError: The model cannot be used, or not for this generator.
    """
    if recipe.generator == "rules" or recipe.content == "captions":
        return None
    use: ModelUse | None = getattr(recipe, recipe.generator) or synthesizer
    if use is None:
        raise UserError(f"generator {recipe.generator} has no model", "Name one in the recipe.")
    args = dict(use.engine_args)
    if recipe.generator == "synthesizer":
        if use.engine == "openai":
            raise UserError(
                "a chat-completions server cannot continue with a user's turn, which the "
                "synthesizer writes itself",
                "Use engine vllm or transformers for it, or generator vision_llm.",
            )
        if use.engine != "constant":
            args.setdefault("max_model_len", _CONTEXT)
    return plan_model(use.model_copy(update={"engine_args": args}))


def generator_config(recipe: SynthRecipe, plan: Plan | None) -> dict[str, Any]:
    """What determines the triplets of given pairs, as JSON values."""
    generator = make_generator(recipe)
    answers = None
    if plan is not None:
        answers = {"model": plan.model.fingerprint or plan.model.ref, **plan.identity}
    return {
        "generator": generator.name,
        "version": generator.version,
        **generator.config,
        "sampling": list(_sampling(generator, recipe)),
        "answers": answers,
    }


def _sampling(generator: Generator, recipe: SynthRecipe) -> Sampling:
    drawn = recipe.sampling
    seed = recipe.seed if drawn.temperature > 0 else None
    plain = Sampling(drawn.max_new_tokens, drawn.temperature, drawn.top_p, seed=seed)
    return generator.sampling(plain)


def generate(
    pairs: Iterable[Pair | Reject],
    recipe: SynthRecipe,
    stage: Stage,
    plan: Plan | None,
    *,
    root: Path | None,
    total: int | None = None,
    answers: Path | None = None,
) -> Generated:
    """Make triplets of pairs; what was answered before is not asked again.

    Writes `triplets.jsonl` and `rejects.jsonl` in the pairs' order, `pairs.jsonl` with every pair
    whose picture and caption can be used, and `images/` for pictures that are embedded in their
    source. The stage is neither locked nor finished here.

    Args:
        pairs: Read twice, in the same order; rejects among them are passed on.
        recipe: Names the generator, its sampling and seed.
        stage: Where to write.
        plan: As `plan_generator` gives it.
        root: Folder that pictures' paths start from; None if they are embedded, and are then
            written out under the stage's folder.
        total: Number of pairs, for progress.
        answers: Journal; default: `responses.jsonl` in the stage's folder.

    Raises:
        UserError: The model cannot be used or asked in this way.
    """
    began = time.perf_counter()
    generator = make_generator(recipe)
    stage.path.mkdir(parents=True, exist_ok=True)
    with Journal(answers or stage.path / "responses.jsonl") as journal:
        asking = PairQuestions(
            pairs=pairs,
            generator=generator,
            journal=journal,
            sampling=_sampling(generator, recipe),
            model=_model(plan),
            store=PictureStore(stage.path, root),
            total=total,
        )
        engine = None
        if plan is None:
            for _ in asking.requests():
                pass
        else:
            engine = ask_engine(plan, [asking])
        journal.flush()
        counts, tokens = _write(asking, stage)
        to_retry = journal.to_retry
    seconds = time.perf_counter() - began
    return Generated(counts, asking.store.root, tokens, seconds, to_retry, engine)


def _model(plan: Plan | None) -> str:
    if plan is None:
        return ""
    return digest([plan.model.fingerprint or plan.model.ref, plan.identity])[:32]


@dataclass
class PairQuestions:
    """The requests of one stage's pairs."""

    pairs: Iterable[Pair | Reject]
    generator: Generator
    journal: Journal
    sampling: Sampling
    model: str
    store: PictureStore
    total: int | None
    known: int = 0
    """Pairs whose answer was in the journal."""
    passing: dict[str, str] = field(default_factory=dict)
    """Key to reason, for failures that the next call will ask again."""
    refused: dict[int, Reject] = field(default_factory=dict)
    """Position among the pairs to why nothing was asked."""
    keys: bytearray = field(default_factory=bytearray)
    """Of the answer of every pair, one after the other."""
    stored: dict[int, str] = field(default_factory=dict)
    """Position among the pairs to the path of a picture that was written out."""

    @property
    def name(self) -> str:
        """What progress is shown under."""
        return self.generator.name

    def requests(self) -> Iterator[Request]:
        """Yield a request for every pair that has no answer yet; looks at every picture."""
        pending: set[str] = set()
        for position, pair in enumerate(self.pairs):
            key = bytes(_KEY_BYTES)
            if isinstance(pair, Pair):
                try:
                    request = self._request(pair, position)
                except RowError as error:
                    detail = shortened(str(error))
                    self.refused[position] = Reject(pair.id, pair.index, "unusable image", detail)
                else:
                    key = bytes.fromhex(request.key)
                    if request.key in self.journal:
                        self.known += 1
                    elif self.generator.asks and request.key not in pending:
                        pending.add(request.key)
                        yield request
            self.keys += key

    def _request(self, pair: Pair, position: int) -> Request:
        data = images.read(pair.image)
        content = images.fingerprint(data)
        ask = self.generator.ask(pair)
        blank = blank_picture() if ask.blank else None
        shown = (blank.content if blank else content,) if self.generator.sees else ()
        key = self._key(ask, shown)
        # The key covers the picture only where it is shown: else it may be another pair's answer.
        looked_at = self.generator.sees and not blank and key in self.journal
        pictures: tuple[Picture, ...] = ()
        if not looked_at:
            image = images.decode(data, FORMATS, pair.image.locator)
            own = blank or Picture(image, data, content)
            pictures = (own,) if self.generator.sees else ()
        if (path := self.store.keep(data, content)) is not None:
            self.stored[position] = path
        return Request(
            key,
            pair.id,
            ask.messages,
            self.sampling,
            pictures,
            owner=Owner(self, None),
            form=ask.form,
            json_schema=ask.json_schema,
        )

    def _key(self, ask: Ask, shown: tuple[str, ...]) -> str:
        return request_key(
            task=f"synth/{self.generator.name}",
            version=self.generator.version,
            messages=ask.messages,
            images=shown,
            sampling=self.sampling,
            model=self.model,
            form=ask.form,
            json_schema=ask.json_schema,
        )

    def key(self, position: int) -> str:
        """Of the answer of the pair at a position."""
        return self.keys[position * _KEY_BYTES : (position + 1) * _KEY_BYTES].hex()


def _write(asking: PairQuestions, stage: Stage) -> tuple[Counts, int]:
    """Read every pair's answer, in order, and write what became of it."""
    counts, tokens = Counts(), 0
    names = ("pairs.jsonl", "triplets.jsonl", "rejects.jsonl")
    with writing_lines(*(stage.path / name for name in names)) as (pairs, triplets, rejects):
        for position, pair in enumerate(asking.pairs):
            counts.rows_in += 1
            if isinstance(pair, Pair) and position not in asking.refused:
                stored = asking.stored.get(position)
                if stored is not None:
                    pair = _at(pair, ImageRef(stored, root=asking.store.root))
                pairs(pair_line(pair))
                outcome, written = _outcome(asking, pair, position)
                tokens += written
            else:
                outcome = asking.refused.get(position, pair)  # type: ignore[arg-type]
            if isinstance(outcome, Reject):
                counts.reject(outcome.reason)
                rejects(reject_line(outcome))
                continue
            counts.rows_out += 1
            if outcome is not None:
                triplets(triplet_line(outcome, asking.generator.name))
    return counts, tokens


def _at(pair: Pair, image: ImageRef) -> Pair:
    return Pair(pair.index, pair.id, image, pair.caption)


def _outcome(
    asking: PairQuestions, pair: Pair, position: int
) -> tuple[Triplet | Reject | None, int]:
    """A pair's triplet or reject, and how many tokens were written for it."""
    if not asking.generator.asks:
        return asking.generator.read(pair, Answer("", None, None)), 0
    key = asking.key(position)
    record = asking.journal.get(key)
    if record is None or record.text is None:
        why = asking.passing.get(key) if record is None else record.error
        return Reject(pair.id, pair.index, "failed", shortened(why or "no answer")), 0
    answer = Answer(record.text, record.finish_reason, record.prompt)
    return asking.generator.read(pair, answer), record.tokens
