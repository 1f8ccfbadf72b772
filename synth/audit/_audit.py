"""The audit: read both sides, find what they share, say it, leave it out."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from harness.errors import RowError
from harness.progress import Progress, note
from synth._album import Album, numbered
from synth._matching import match
from synth._text import shortened
from synth._types import AUDITED, Reject
from synth.audit._tests import HeldOutRows, Source, open_tests, read_tests
from synth.audit._texts import TextIndex
from synth.audit._training import NoTraining, Training, TrainingFile

Kind = Literal["same picture and question", "same picture", "text only"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Strongest first."""
Action = Literal["remove", "report"]


class Finding(NamedTuple):
    """A test row that a conversation holds."""

    row: int
    """Its place among the test rows."""
    kind: Kind
    text: str
    """What of its text was found; empty if nothing was."""


@dataclass(frozen=True, slots=True)
class Contaminated:
    """A conversation that holds test rows."""

    index: int
    id: str
    findings: tuple[Finding, ...]
    """Strongest first."""


@dataclass(frozen=True)
class AuditOptions:
    """What is audited, against what.

    Args:
        training: The file of conversations.
        tasks: Tasks, groups, folders of the user's own tasks.
        data: Where their rows are, as `--data` of `harness eval`.
        images: Folder that the conversations' pictures start from; default: beside the file.
        action: Leave contaminated rows out, or only say which they are.
        limit: Only the first conversations.
    """

    training: Path
    tasks: tuple[str, ...]
    data: str | None = None
    images: Path | None = None
    action: Action = "remove"
    limit: int | None = None


@dataclass
class AuditOutcome:
    """What was found."""

    options: AuditOptions
    file: TrainingFile
    source: Source
    tests: HeldOutRows
    contaminated: list[Contaminated] = field(default_factory=list)
    unusable: list[Reject] = field(default_factory=list)
    """Rows that cannot be audited: `malformed`, or `unusable image`."""
    rows: int = 0
    pictures: int = 0
    """Different ones among the conversations."""
    flat: int = 0
    """Of these, almost flat ones: compared by equal pixels alone."""
    silent: dict[str, int] = field(default_factory=dict)
    """Task to rows that have too little text of their own to be found by it."""
    seconds: float = 0.0

    @property
    def rejects(self) -> list[Reject]:
        """Rows that go no further when contaminated ones are left out, in file order."""
        found = [
            Reject(row.id, row.index, "contaminated", self.describe(row))
            for row in self.contaminated
        ]
        return sorted([*found, *self.unusable], key=lambda reject: reject.index)

    def describe(self, row: Contaminated) -> str:
        """The test rows a conversation holds, in one line."""
        parts = [
            f"{self.tests.rows[f.row].task} row {self.tests.rows[f.row].id}: {f.kind}"
            for f in row.findings[:5]
        ]
        more = len(row.findings) - len(parts)
        return "; ".join([*parts, f"and {more} more"] if more else parts)

    def conversations(self, task: str) -> Counter[Kind]:
        """Conversations that hold rows of a task, by the strongest kind."""
        counts: Counter[Kind] = Counter()
        for row in self.contaminated:
            kinds = [f.kind for f in row.findings if self.tests.rows[f.row].task == task]
            if kinds:
                counts[min(kinds, key=KINDS.index)] += 1
        return counts

    def test_rows(self, task: str) -> Counter[Kind]:
        """Rows of a task that were found, by the strongest kind."""
        strongest: dict[int, Kind] = {}
        for row in self.contaminated:
            for found in row.findings:
                if self.tests.rows[found.row].task == task:
                    before = strongest.get(found.row, found.kind)
                    strongest[found.row] = min(before, found.kind, key=KINDS.index)
        return Counter(strongest.values())


@dataclass
class _Seen:
    """What is kept of the conversations: a few numbers each."""

    album: Album = field(default_factory=Album)
    ids: dict[int, str] = field(default_factory=dict)
    """Of rows that a text or a picture may convict."""
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    """Row index to test row to what was found of its text."""
    questions: dict[int, frozenset[int]] = field(default_factory=dict)
    shown: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Picture to the rows that show it."""


def audit(options: AuditOptions, source: Source | None = None) -> AuditOutcome:
    """Compare training conversations with test rows; nothing is written.

    Memory: about a kilobyte for each conversation and each test row, whatever their pictures.

    Args:
        options: What is audited, against what.
        source: The tests, if they are open already.

    Raises:
        UserError: A file or folder is missing or broken, a task is unknown or has no rows.
    """
    began = time.monotonic()
    file = TrainingFile(options.training, options.images, options.limit)
    source = source or open_tests(options.tasks, options.data)
    tests = read_tests(source)
    index = TextIndex(tests.rows)
    outcome = AuditOutcome(options, file, source, tests)
    silent = index.silent
    for number, row in enumerate(tests.rows):
        outcome.silent[row.task] = outcome.silent.get(row.task, 0) + int(silent[number])
    seen = _read(file, index, outcome)
    note(f"comparing {len(seen.album):,} pictures with {len(tests.album):,}")
    matches = match(tests.album, seen.album)
    outcome.pictures, outcome.flat = len(seen.album), int(np.sum(seen.album.flat))
    _convict(outcome, index, seen, matches)
    outcome.seconds = time.monotonic() - began
    return outcome


def _read(file: TrainingFile, index: TextIndex, outcome: AuditOutcome) -> _Seen:
    seen = _Seen()
    with Progress({"training": file.count()}) as progress:
        rows = numbered(
            file.read(),
            lambda row: row.pictures if isinstance(row, Training) else (),
            seen.album,
            AUDITED,
        )
        for row, numbers in rows:
            progress.add("training")
            outcome.rows += 1
            if (problem := _problem(row, numbers)) is not None:
                outcome.unusable.append(problem)
                continue
            hits = index.find(row.exchanges) if isinstance(row, Training) else None
            if hits is None:
                continue
            seen.ids[row.index] = row.id
            seen.questions[row.index] = hits.questions
            if hits.rows:
                seen.texts[row.index] = hits.rows
            for number in dict.fromkeys(n for n in numbers if isinstance(n, int)):
                seen.shown[number].append(row.index)
    return seen


def _problem(row: Training | NoTraining, numbers: tuple[int | RowError, ...]) -> Reject | None:
    if isinstance(row, NoTraining):
        return Reject(row.id, row.index, "malformed", shortened(row.detail))
    wrong = next((number for number in numbers if isinstance(number, RowError)), None)
    if wrong is None:
        return None
    return Reject(row.id, row.index, "unusable image", shortened(str(wrong)))


def _convict(
    outcome: AuditOutcome, index: TextIndex, seen: _Seen, matches: list[tuple[int, int]]
) -> None:
    """Put pictures and texts together, conversation by conversation."""
    of_picture: defaultdict[int, list[int]] = defaultdict(list)
    for number, test in enumerate(outcome.tests.rows):
        for picture in test.pictures:
            of_picture[picture].append(number)
    shown: defaultdict[int, set[int]] = defaultdict(set)
    for test_picture, picture in matches:
        for row in seen.shown[picture]:
            shown[row].update(of_picture[test_picture])
    for row in sorted(shown.keys() | seen.texts.keys()):
        texts = seen.texts.get(row, {})
        findings = [
            _finding(number, number in shown[row], texts.get(number, ""),
                     index.questions[number] in seen.questions[row])
            for number in shown[row] | texts.keys()
        ]  # fmt: skip
        findings.sort(key=lambda finding: (KINDS.index(finding.kind), finding.row))
        outcome.contaminated.append(Contaminated(row, seen.ids[row], tuple(findings)))


def _finding(row: int, picture: bool, text: str, question: bool) -> Finding:
    if not picture:
        return Finding(row, "text only", text)
    kind: Kind = "same picture and question" if question or text else "same picture"
    return Finding(row, kind, text or ("question" if question else ""))
