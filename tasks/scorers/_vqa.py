"""Open and closed visual questions: recall of the label's words, accuracy of yes or no."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from tasks._types import Column, ProtocolName, Row, Rules, Scored
from tasks.scorers._base import text_label
from tasks.scorers._normalize import normalize
from tasks.scorers._polarity import polarity

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class OpenClosedVqa:
    """OPEN rows by recall, CLOSED rows by accuracy, each a published column of its own."""

    needs: frozenset[str] = frozenset(("answer_type",))
    columns: tuple[Column, ...] = (Column("open", "recall"), Column("closed", "accuracy"))
    rules: Rules = Rules()

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Strict open rows also report `exact_match` and `token_f1`."""
        if protocol == "strict" and column.split == "open":
            return (column.metric, "exact_match", "token_f1")
        return (column.metric,)

    def check(self, row: Row) -> None:
        """Any text is a label."""

    def paper(self, row: Row, text: str) -> Scored:
        """Score as the published protocol does."""
        label = text_label(row)
        if row.split == "closed":
            return _paper_closed(label, text)
        prediction = normalize(normalize(text.lower()))
        reference = normalize(normalize(label.lower()))
        return Scored({"recall": _paper_recall(reference.split(), prediction.split())}, prediction)

    def strict(self, row: Row, text: str) -> Scored:
        """Score by clipped word counts (open) and by what the answer decides (closed)."""
        label = text_label(row)
        if row.split == "closed":
            return strict_closed(label, text)
        prediction = normalize(normalize(text.lower()))
        return _strict_open(normalize(normalize(label.lower())).split(), prediction.split())


@dataclass(frozen=True)
class ExactVqa:
    """Short answers by exact match after the VQA normalising (FloodNet).

    The released metric is unknown, so the rule is named in every result.
    """

    needs: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = (Column(None, "accuracy"),)

    @property
    def rules(self) -> Rules:
        """The published matching is unknown; this one is ours."""
        return Rules(
            paper="matching: equal after VQA normalising",
            strict="matching: yes/no by what the answer decides, else equal after normalising",
        )

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Accuracy alone."""
        return (column.metric,)

    def check(self, row: Row) -> None:
        """Any text is a label."""

    def paper(self, row: Row, text: str) -> Scored:
        """1 if label and answer are equal after two passes of normalising."""
        prediction = normalize(normalize(text.lower()))
        label = normalize(normalize(text_label(row).lower()))
        return Scored({"accuracy": float(prediction == label)}, prediction)

    def strict(self, row: Row, text: str) -> Scored:
        """Yes/no labels by what the answer decides; the rest by equality."""
        label = text_label(row)
        if label.strip().lower() in ("yes", "no"):
            return strict_closed(label, text)
        scored = self.paper(row, text)
        if scored.parsed:
            return scored
        # An answer of which nothing is left is none, even to a label of which nothing is left.
        return scored._replace(metrics={"accuracy": 0.0}, unparsed=True)


def _paper_closed(label: str, text: str) -> Scored:
    prediction = normalize(text.lower())
    if "yes" not in prediction and "no" not in prediction:
        return Scored({"accuracy": 0.0}, prediction, unparsed=True)
    return Scored({"accuracy": float(normalize(label.lower()) in prediction)}, prediction)


def _paper_recall(label: list[str], prediction: list[str]) -> float:
    """Recall whose hits are counted in the prediction: "lung lung lung" hits "lung" thrice."""
    if not label or not prediction:
        return 0.0
    said = Counter(prediction)
    wanted = Counter(label)
    hits = sum(said[word] for word in wanted)
    missed = sum(count for word, count in wanted.items() if word not in said)
    return hits / (hits + missed)


def _strict_open(label: list[str], prediction: list[str]) -> Scored:
    hits = sum((Counter(label) & Counter(prediction)).values())
    recall = hits / len(label) if label else 0.0
    # 2PR / (P + R) in counts, so that it needs no guard against P + R = 0.
    token_f1 = 2 * hits / (len(label) + len(prediction)) if hits else 0.0
    exact = float(bool(label) and label == prediction)
    metrics = {"recall": recall, "exact_match": exact, "token_f1": token_f1}
    return Scored(metrics, " ".join(prediction), unparsed=not prediction)


def strict_closed(label: str, text: str) -> Scored:
    """Score a yes/no question by what the answer decides; other labels by whole words."""
    wanted = polarity(label) if label.strip().lower().strip(".!") in ("yes", "no") else None
    if wanted is not None:
        said = polarity(text)
        return Scored({"accuracy": float(said == wanted)}, said, unparsed=said is None)
    # Every other sign becomes one blank, so that "left lung" is found in "the left-lung."
    words = f" {' '.join(_WORD.findall(text.lower()))} "
    target = " ".join(_WORD.findall(label.lower()))
    found = bool(target) and f" {target} " in words
    return Scored(
        {"accuracy": float(found)}, target if found else words.strip(), unparsed=not words.strip()
    )
