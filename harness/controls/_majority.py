"""The commonest label of each column: a baseline that has looked at the test labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tasks import LabelError, Row, Scorer, Split, Unreadable

Label = TypeVar("Label", str, tuple[str, ...])


def commonest_answers(
    records: Iterable[Row | Unreadable], scorer: Scorer
) -> dict[Split | None, str]:
    """What to answer to every row of a column so as to be right most often.

    Labels are counted without regard to case and white space. A set of labels counts as one (in
    any order) and is answered joined with ", "; of several references each counts. Of equally
    frequent labels the first in the alphabet is taken, and of its spellings the commonest.

    Args:
        records: The task's rows. Those that no answer could match do not count.
        scorer: The task's scorer.

    Returns:
        Split (None where there is one column) to answer.
    """
    forms: dict[Split | None, Counter[tuple[str, ...]]] = {}
    spellings: dict[tuple[Split | None, tuple[str, ...]], Counter[str]] = {}
    for row in records:
        if isinstance(row, Unreadable) or not _can_be_right(row, scorer):
            continue
        for names in _labels(row, scorer):
            form = tuple(sorted({" ".join(name.lower().split()) for name in names}))
            forms.setdefault(row.split, Counter())[form] += 1
            spellings.setdefault((row.split, form), Counter())[", ".join(names)] += 1
    return {
        split: _first_of_most(spellings[split, _first_of_most(counts)])
        for split, counts in forms.items()
    }


def _labels(row: Row, scorer: Scorer) -> Iterator[tuple[str, ...]]:
    """Each thing that would be a right answer to the row, as a set of names."""
    if isinstance(row.label, str):
        yield (row.label,)
    elif "references" in scorer.needs:
        yield from ((reference,) for reference in row.label)
    else:
        yield row.label


def _can_be_right(row: Row, scorer: Scorer) -> bool:
    try:
        scorer.check(row)
    except LabelError:
        return False
    return True


def _first_of_most(counts: Counter[Label]) -> Label:
    most = max(counts.values())
    return min(label for label, count in counts.items() if count == most)
