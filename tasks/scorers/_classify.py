"""Scene classification by the class an answer names (CLRS, UC Merced)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tasks._errors import LabelError
from tasks._types import Column, ProtocolName, Row, Rules, Scored
from tasks.scorers._base import spoken, text_label, whole_words_in


@dataclass(frozen=True)
class SceneClass:
    """One class of a fixed list, read by whole words, longest names first.

    The released matching is unknown, so the rule is named in every result.
    """

    vocabulary: Callable[[], Sequence[str]]
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Class names that are written as one word, as people write them: strict takes them too."""
    needs: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = (Column(None, "accuracy"),)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """Every accepted spelling to its class."""
        names = {spoken(name): name for name in self.vocabulary()}
        return names | {spoken(other): name for name, other in self.spellings.items()}

    @property
    def rules(self) -> Rules:
        """The published matching is unknown; this one is ours."""
        return Rules(
            paper="matching: last class named as whole words",
            strict="matching: the only class named as whole words, in any usual spelling",
        )

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """Accuracy alone."""
        return (column.metric,)

    def check(self, row: Row) -> None:
        """The label must be one of the classes, in any accepted spelling."""
        if spoken(text_label(row)) not in self._names:
            raise LabelError(f"the label {row.label!r} is not one of the task's classes")

    def paper(self, row: Row, text: str) -> Scored:
        """The class named last."""
        plain = text.lower().replace("-", " ").replace("_", " ")
        found = whole_words_in(plain, tuple(spoken(name) for name in self.vocabulary()))
        return self._scored(row, self._names[max(found)[1]] if found else None)

    def strict(self, row: Row, text: str) -> Scored:
        """The class named, if it is the only one."""
        found = whole_words_in(spoken(text), tuple(self._names))
        classes = {self._names[name] for _, name in found}
        return self._scored(row, classes.pop() if len(classes) == 1 else None)

    def _scored(self, row: Row, said: str | None) -> Scored:
        right = said is not None and said == self._names[spoken(text_label(row))]
        return Scored({"accuracy": float(right)}, said, unparsed=said is None)
