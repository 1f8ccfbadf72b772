"""Which names of a vocabulary does an answer hold? F1 (FoodSeg103) and recall (Nutrition5k)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tasks._errors import LabelError
from tasks._types import Column, ProtocolName, Row, Rules, Scored
from tasks.scorers._base import list_label, whole_words_in


@dataclass(frozen=True)
class MultiLabel:
    """Names found in an answer against the names of the label, a row at a time.

    Equals scikit-learn's `f1_score` / `recall_score` of a row's 0/1 vectors with
    `zero_division=1` under `paper`. `vocabulary` may repeat a name: the released scoring gives a
    label the last index of such a name and a prediction the first, so the two never meet.
    """

    vocabulary: Callable[[], Sequence[str]]
    main: Literal["recall", "f1"]
    needs: frozenset[str] = frozenset(("labels",))
    rules: Rules = Rules()

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """One column over all rows."""
        return (Column(None, self.main),)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Distinct lower-cased names, longest first, equal lengths in vocabulary order."""
        names = dict.fromkeys(name.lower() for name in self.vocabulary())
        return tuple(sorted(names, key=len, reverse=True))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._names)

    @cached_property
    def _unmatchable(self) -> frozenset[str]:
        names = [name.lower() for name in self.vocabulary()]
        return frozenset(name for name in names if names.count(name) > 1)

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Strict reports precision, recall and F1, whichever is the main one first."""
        if protocol == "paper":
            return (self.main,)
        return tuple(dict.fromkeys((self.main, "precision", "recall", "f1")))

    def check(self, row: Row) -> None:
        """Every label must be a name of the vocabulary."""
        for name in list_label(row):
            if name.lower() not in self._known:
                raise LabelError(f"the label {name!r} is not in the task's list of names")

    def paper(self, row: Row, text: str) -> Scored:
        """Substrings, longest names first, each find deleted from the text."""
        text = text.lower()
        found = []
        for name in self._names:
            if name in text:
                found.append(name)
                text = text.replace(name, "")
        wanted = {name.lower() for name in list_label(row)}
        hits = len((wanted & set(found)) - self._unmatchable)
        if self.main == "recall":
            value = hits / len(wanted) if wanted else 1.0
        else:
            either = len(wanted) + len(found)
            value = 2 * hits / either if either else 1.0
        return Scored({self.main: value}, _listed(found), unparsed=not found)

    def strict(self, row: Row, text: str) -> Scored:
        """Whole words, longest names first."""
        found = {name for _, name in whole_words_in(text.lower(), self._names)}
        wanted = {name.lower() for name in list_label(row)}
        hits = len(wanted & found)
        nothing_to_find = float(not wanted and not found)
        metrics = {
            "precision": hits / len(found) if found else nothing_to_find,
            "recall": hits / len(wanted) if wanted else nothing_to_find,
            "f1": 2 * hits / (len(wanted) + len(found)) if wanted or found else 1.0,
        }
        ordered = {name: metrics[name] for name in self.metrics("strict", self.columns[0])}
        return Scored(ordered, _listed(sorted(found)), unparsed=not found)


def _listed(names: Iterable[str]) -> str | None:
    return ", ".join(names) or None
