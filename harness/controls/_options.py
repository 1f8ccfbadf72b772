"""`--option-order`: the same question with its lettered options in another order."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.errors import RowError, UserError
from harness.files import digest
from harness.progress import note
from tasks import Row, Task

LETTERS = "ABCDEFGHIJ"
_MARKS = ("({})", "{})", "{}.", "{}:")
# Bounded, since a prompt of nothing but blanks must not keep the search busy.
_BLANK = r"\s{1,9}"
_MAYBE_BLANK = r"\s{0,9}"


@dataclass(frozen=True)
class OptionOrder:
    """How the options of a multiple-choice row are ordered before it is asked."""

    kind: Literal["reversed", "rotated", "shuffled"]
    by: int = 0
    """Places every option moves towards the front (`rotated` only)."""

    @property
    def name(self) -> str:
        """As it is written: `reversed`, `rotated:1`, `shuffled`."""
        return f"{self.kind}:{self.by}" if self.kind == "rotated" else self.kind

    def places(self, count: int, seed: str) -> list[int]:
        """Which option stands at each place: `places[new] = old`.

        Args:
            count: Number of options, at least 2.
            seed: Names the row. `shuffled` draws one of all orders but the given one.
        """
        given = list(range(count))
        if self.kind == "reversed":
            return given[::-1]
        if self.kind == "rotated":
            by = self.by % count
            return given[by:] + given[:by]
        rng, drawn = random.Random(seed), given[:]  # noqa: S311 - a repeatable order
        while drawn == given:
            rng.shuffle(drawn)
        return drawn

    def applied(self, row: Row, task: str) -> Row:
        """The row with its options in this order, in the prompt too; the label's letter follows.

        Args:
            row: A row whose label is the letter of one of its options.
            task: Task id: it and the row's id seed the order.

        Raises:
            RowError: The prompt does not hold the options in a form that is recognised, or this
                order is the given one.
        """
        places = self.places(len(row.options), digest([task, row.id]))
        if places == sorted(places):
            raise RowError(f"{self.name} leaves {len(places)} options in the given order")
        old = LETTERS.index(str(row.label))
        return replace(
            row,
            prompt=reordered(row.prompt, row.options, places),
            options=tuple(row.options[place] for place in places),
            label=LETTERS[places.index(old)],
        )


def reordered(prompt: str, options: Sequence[str], places: Sequence[int]) -> str:
    """Write a prompt's options in another order: letters stay where they are, texts move.

    Options are recognised as `(A) text`, `A) text`, `A. text` or `A: text`, one behind the other,
    with the row's own texts; white space may differ.

    Args:
        prompt: The finished prompt.
        options: The row's options as given.
        places: `places[new] = old`.

    Raises:
        RowError: The options are not found, or stand there more than once.
    """
    found = [match for mark in _MARKS for match in _pattern(mark, options).finditer(prompt)]
    if not found:
        raise RowError("the prompt does not hold the row's options as (A) ..., (B) ..., ...")
    if len(found) > 1:
        raise RowError("the prompt holds the row's options more than once")
    (match,) = found
    pieces, end = [], 0
    for new, old in enumerate(places, start=1):
        pieces += [prompt[end : match.start(new)], match.group(old + 1)]
        end = match.end(new)
    return "".join([*pieces, prompt[end:]])


def _pattern(mark: str, options: Sequence[str]) -> re.Pattern[str]:
    """Finds all options in a row; a group for each text."""
    lines = []
    for letter, option in zip(LETTERS, options, strict=False):
        text = _BLANK.join(re.escape(word) for word in option.split())
        lines.append(f"{re.escape(mark.format(letter))}{_MAYBE_BLANK}({text})")
    between = f"[,;]?{_BLANK}"
    return re.compile(rf"(?<!\S){between.join(lines)}(?!\w)")


def read_order(text: str) -> OptionOrder | None:
    """Read `given`, `reversed`, `rotated:N` or `shuffled`; None for `given`.

    Raises:
        UserError: It is none of them.
    """
    kind, _, by = text.partition(":")
    if text == "given":
        return None
    if text == "reversed":
        return OptionOrder("reversed")
    if text == "shuffled":
        return OptionOrder("shuffled")
    if text == "rotated":
        return OptionOrder("rotated", 1)
    if kind == "rotated" and re.fullmatch("[1-9]", by):
        return OptionOrder("rotated", int(by))
    raise UserError(
        f"--option-order {text!r} is not known",
        "Orders: given, reversed, rotated:N (N from 1 to 9), shuffled.",
    )


def check_order(order: OptionOrder | None, tasks: Sequence[Task]) -> None:
    """Name the tasks that an order does nothing to.

    Raises:
        UserError: It does nothing to any of them.
    """
    if order is None:
        return
    without = [task.id for task in tasks if "options" not in task.scorer.needs]
    if len(without) == len(tasks):
        raise UserError(
            f"--option-order {order.name}: no task asked for has lettered options "
            f"({', '.join(without)})",
            "It is for pmc_vqa and own tasks with the scorer multiple_choice.",
        )
    for task in without:
        note(f"{task}: no lettered options; --option-order does nothing to it")
