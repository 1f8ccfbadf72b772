"""The consistency filter: a language model says whether a triplet's two answers agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.asking import Owner
from harness.errors import UserError
from harness.generation import ask_engine
from harness.journal import Journal, Record
from harness.progress import note
from harness.requests import Request
from harness.stages import Counts
from synth._judge import Judge, open_judge
from synth._judging import Judgement, Verdict, judge
from synth._lines import read_lines, writing_lines
from synth._types import Reason

__all__ = ["Filtered", "Judge", "Judged", "filter_triplets", "judge_some", "open_judge"]

_REASONS: dict[Verdict, Reason] = {"no": "inconsistent", "open": "open"}
_BINS = 20


@dataclass
class _Judging:
    """The requests of one file of triplets."""

    judge: Judge
    lines: Callable[[], Iterable[dict[str, Any]]]
    journal: Journal
    total: int | None
    known: int = 0
    passing: dict[str, str] = field(default_factory=dict)
    name: str = "filter"

    def requests(self) -> Iterator[Request]:
        """Yield what has no answer yet."""
        pending: set[str] = set()
        owner = Owner(self, None)
        for line in self.lines():
            request = self.judge.request(line, owner)
            if request.key in self.journal or request.key in pending:
                self.known += 1
                continue
            pending.add(request.key)
            yield request


class Judged(NamedTuple):
    """A triplet, and what the judge made of it."""

    line: dict[str, Any]
    record: Record | None
    judgement: Judgement
    reason: Reason | None
    """Why it is not kept; None if it is."""
    detail: str

    @property
    def p_yes(self) -> float | None:
        """Probability of Yes among the three."""
        return self.judgement.p_yes

    @property
    def why(self) -> dict[str, Any]:
        """What a reject's line says beside its triplet."""
        shares = {f"p_{name}": share for name, share in (self.judgement.shares or {}).items()}
        verdict = self.judgement.verdict
        return {"reason": self.reason, "detail": self.detail, "verdict": verdict, **shares}


class Filtered(NamedTuple):
    """What became of a file of triplets."""

    counts: Counts
    histogram: dict[str, Any]
    tokens: int
    """Generated."""
    prompt_tokens: int
    seconds: float
    """Of the engine, over all runs that took part."""
    to_retry: int
    """Rows that failed for a reason that may pass."""
    engine: dict[str, Any] | None


def filter_triplets(judge: Judge, triplets: Path, out: Path, answers: Path) -> Filtered:
    """Ask about every triplet and write `triplets.jsonl` and `rejects.jsonl`.

    Args:
        judge: Who is asked.
        triplets: The file that generation wrote.
        out: Folder of the outputs.
        answers: Journal; what it holds is not asked again, whatever the threshold was.
    """
    total = sum(1 for _ in read_lines(triplets))
    with Journal(answers) as journal:
        asking = _Judging(judge, partial(read_lines, triplets), journal, total)
        if judge.threshold is not None and judge.plan.name == "openai":
            _try_one(asking)
        engine = ask_engine(judge.plan, [asking])
        found = _write(judge, triplets, out, asking)
    return found._replace(engine=engine)


def judge_some(judge: Judge, lines: list[dict[str, Any]], answers: Path) -> list[Judged]:
    """Ask about a few triplets, as `filter_triplets` would and into the same journal."""
    with Journal(answers) as journal:
        asking = _Judging(judge, lambda: lines, journal, len(lines))
        ask_engine(judge.plan, [asking])
        return [_judged(judge, asking, line) for line in lines]


def _judged(judge: Judge, asking: _Judging, line: dict[str, Any]) -> Judged:
    key = judge.request(line).key
    record = asking.journal.get(key)
    judgement = _judgement(judge, record)
    if judgement.verdict == "yes":
        return Judged(line, record, judgement, None, "")
    reason, detail = _why_not(judge, judgement, record, asking.passing.get(key))
    return Judged(line, record, judgement, reason, detail)


def _try_one(asking: _Judging) -> None:
    """Ask about the first triplet alone: not every server tells probabilities.

    Raises:
        UserError: This one does not, and a threshold needs them.
    """
    first = next(iter(asking.lines()), None)
    if first is None:
        return
    key = asking.judge.request(first).key
    if key not in asking.journal:
        ask_engine(asking.judge.plan, [_Judging(asking.judge, lambda: [first], asking.journal, 1)])
    record = asking.journal.get(key)
    if record is not None and record.text is not None and record.logprobs is None:
        raise UserError(
            "filter.threshold needs probabilities, and the server tells none",
            "Leave threshold out: the text of the answer decides.",
        )


def _write(judge: Judge, triplets: Path, out: Path, asking: _Judging) -> Filtered:
    counts, bars = Counts(), [0] * _BINS
    without = tokens = prompt_tokens = to_retry = 0
    seconds = 0.0
    with writing_lines(out / "triplets.jsonl", out / "rejects.jsonl") as (keep, reject):
        for line in read_lines(triplets):
            counts.rows_in += 1
            judged = _judged(judge, asking, line)
            to_retry += judged.record is None
            if judged.record is not None:
                tokens += judged.record.tokens
                prompt_tokens += judged.record.prompt_tokens
                seconds += judged.record.seconds
            if judged.p_yes is None:
                without += 1
            else:
                bars[min(int(judged.p_yes * _BINS), _BINS - 1)] += 1
            if judged.reason is None:
                counts.rows_out += 1
                keep({**line, "p_yes": judged.p_yes})
            else:
                counts.reject(judged.reason)
                reject({**line, **judged.why})
    note(f"filter: {counts.rows_out:,} of {counts.rows_in:,} kept")
    histogram = {"least": 0.0, "most": 1.0, "counts": bars, "without_probability": without}
    return Filtered(counts, histogram, tokens, prompt_tokens, seconds, to_retry, None)


def _judgement(asked: Judge, record: Record | None) -> Judgement:
    """What a journal's record says of its triplet."""
    if record is None or record.text is None:
        return Judgement(None, None)
    judgement = judge(record.text, record.logprobs, asked.threshold)
    if asked.threshold is not None and judgement.shares is None:
        return Judgement(None, None)
    return judgement


def _why_not(
    asked: Judge, judgement: Judgement, record: Record | None, passing: str | None = None
) -> tuple[Reason, str]:
    """The reason and the detail of a triplet that is not kept."""
    if record is None or record.text is None:
        return "failed", passing or (record.error if record else None) or "no answer"
    if judgement.verdict is not None:
        return _REASONS[judgement.verdict], ""
    if asked.threshold is not None and not record.logprobs:
        return "malformed", "the engine told no probabilities to hold against the threshold"
    return "malformed", f"the judge said {record.text[:80]!r}"
