"""What a comparison says, and its form as JSON (`harness/comparison.schema.json`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.comparison._flips import Changes
from harness.comparison._measured import ALL
from harness.comparison._paired import NO_CHANGE, PairedEstimate
from harness.comparison._ranks import LEVEL, RankRange
from harness.comparison._runs import CONTROLS, Column, Run, Unlike
from harness.controls import relation

SCHEMA_VERSION = 1
Verdict = Literal["better", "worse", "no difference shown", "same on every row", "no estimate"]


def verdict(estimate: PairedEstimate, p: float | None) -> Verdict:
    """The difference in a word.

    Args:
        estimate: The difference.
        p: On which it is judged.
    """
    if estimate.stderr is None and estimate.reason == NO_CHANGE:
        return "same on every row"
    if p is None or estimate.difference is None:
        return "no estimate"
    if p >= LEVEL:
        return "no difference shown"
    return "better" if estimate.difference > 0 else "worse"


@dataclass(frozen=True, kw_only=True)
class ColumnDifference:
    """One column of a task in two runs, scores from 0 to 100."""

    column: Column
    main: bool
    scores: tuple[float | None, float | None]
    """Of baseline and candidate, over the rows compared."""
    failed: tuple[int, int]
    """Rows that failed, in baseline and candidate."""
    estimate: PairedEstimate
    holm_p: float | None
    """Adjusted over the main columns of this protocol; None for other metrics."""
    changes: Changes

    @property
    def verdict(self) -> Verdict:
        """In a word, by the adjusted p where there is one."""
        return verdict(self.estimate, self.holm_p if self.main else self.estimate.p)

    def to_json(self) -> dict[str, Any]:
        """The column in the comparison's JSON."""
        moved = self.changes
        return {
            **self.column._asdict(),
            "main": self.main,
            **_numbers(self.scores, self.estimate),
            "bootstrap95": None if (ends := self.estimate.bootstrap) is None else list(ends),
            "holm_p": self.holm_p,
            "verdict": self.verdict,
            "failed": list(self.failed),
            "up": moved.up,
            "down": moved.down,
            "same": moved.same,
            "flips": None if moved.flips is None else moved.flips._asdict(),
            "gained": [row._asdict() for row in moved.gained],
            "lost": [row._asdict() for row in moved.lost],
        }


@dataclass(frozen=True, kw_only=True)
class AverageDifference:
    """The plain mean of several columns in two runs."""

    name: str
    """Of the group; `all` for every column compared."""
    protocol: str
    columns: tuple[Column, ...]
    scores: tuple[float | None, float | None]
    estimate: PairedEstimate

    @property
    def verdict(self) -> Verdict:
        """In a word, by its own p."""
        return verdict(self.estimate, self.estimate.p)

    def to_json(self) -> dict[str, Any]:
        """The average in the comparison's JSON."""
        return {
            "name": self.name,
            "protocol": self.protocol,
            "columns": len(self.columns),
            **_numbers(self.scores, self.estimate),
            "verdict": self.verdict,
        }


def _numbers(scores: tuple[float | None, float | None], found: PairedEstimate) -> dict[str, Any]:
    bounds = None if found.low is None or found.high is None else [found.low, found.high]
    return {
        "baseline": scores[0],
        "candidate": scores[1],
        "difference": found.difference,
        "n": found.n,
        "clusters": found.clusters,
        "stderr": found.stderr,
        "degrees": found.degrees,
        "ci95": bounds,
        "p": found.p,
        "permutation_p": found.permutation_p,
        "detectable": found.detectable,
        "reason": found.reason,
        "warnings": list(found.warnings),
    }


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two runs; every difference is candidate - baseline."""

    baseline: Run
    candidate: Run
    control: str | None
    """The setting of `CONTROLS` that alone differs: the baseline is the candidate's control."""
    unlike: tuple[Unlike, ...]
    """Settings in which they differ, controls included."""
    columns: tuple[ColumnDifference, ...]
    averages: tuple[AverageDifference, ...]

    @property
    def title(self) -> str:
        """What the difference is called."""
        related = relation(self.baseline.settings, self.candidate.settings)
        if related and related.sign == 1:
            return related.name
        return CONTROLS[self.control].title if self.control else "difference"

    @property
    def telling_averages(self) -> tuple[AverageDifference, ...]:
        """The averages, without one over all columns that are just one group's."""
        groups = {each.columns for each in self.averages if each.name != ALL}
        return tuple(e for e in self.averages if e.name != ALL or e.columns not in groups)

    def to_json(self) -> dict[str, Any]:
        """The pair in the comparison's JSON."""
        return {
            "baseline": self.baseline.letter,
            "candidate": self.candidate.letter,
            "title": self.title,
            "control": self.control,
            "settings": [setting._asdict() for setting in self.unlike],
            "columns": [column.to_json() for column in self.columns],
            "averages": [average.to_json() for average in self.averages],
        }


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Rank ranges of all runs in one column or average."""

    name: str
    """Of the average, or the column's words."""
    column: Column | None
    """None for an average."""
    protocol: str
    scores: tuple[float | None, ...]
    ranges: tuple[RankRange, ...]

    def to_json(self, letters: tuple[str, ...]) -> dict[str, Any]:
        """The ranking in the comparison's JSON."""
        parts = self.column._asdict() if self.column else dict.fromkeys(("task", "split", "metric"))
        entries = zip(letters, self.scores, self.ranges, strict=True)
        return {
            "name": self.name,
            **parts,
            "protocol": self.protocol,
            "ranks": [
                {"run": letter, "score": score, **ranks._asdict()}
                for letter, score, ranks in entries
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several runs over the same rows."""

    runs: tuple[Run, ...]
    protocols: tuple[str, ...]
    tasks: tuple[str, ...]
    other_tasks: dict[str, list[str]]
    """Tasks that not all runs have, and the letters of those that do."""
    left_out: dict[str, int]
    """Rows left out of a task because they are not the same in all runs (`--common`)."""
    unpaired: dict[Column, tuple[float | None, ...]]
    """Columns whose score is no mean over rows, so that rows tell no difference; each run's."""
    pairs: tuple[Pair, ...]
    """Every other run against the first."""
    rankings: tuple[Ranking, ...]
    """For three runs and more."""

    @property
    def partial(self) -> bool:
        """Whether rows were left out, here or by a run's own limit."""
        return bool(self.left_out) or any(run.results["partial"] for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """All of it; no number in it is NaN or infinite."""
        letters = tuple(run.letter for run in self.runs)
        return {
            "schema_version": SCHEMA_VERSION,
            "runs": [run.describe() for run in self.runs],
            "protocols": list(self.protocols),
            "tasks": list(self.tasks),
            "other_tasks": self.other_tasks,
            "partial": self.partial,
            "left_out": self.left_out,
            "unpaired": [
                {**column._asdict(), "scores": dict(zip(letters, scores, strict=True))}
                for column, scores in self.unpaired.items()
            ],
            "pairs": [pair.to_json() for pair in self.pairs],
            "rankings": [ranking.to_json(letters) for ranking in self.rankings],
        }
