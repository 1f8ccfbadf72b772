"""From a record (a JSON object, a parquet row, a hub row) to a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks._errors import UnreadableRow, UserError
from tasks._types import ImageRef, Row, Scorer, Split, Unreadable

_SPLITS: Mapping[str, Split] = {"open": "open", "closed": "closed"}
_LETTERS = "ABCDEFGHIJ"


def parse_record(
    record: Mapping[str, Any], index: int, scorer: Scorer, images: tuple[ImageRef, ...] = ()
) -> Row:
    """Make a row of a record in the schema of the released benchmark.

    Args:
        record: `input`, `label`, and where the scorer needs them `answer_type` or `A`, `B`, ...;
            optional `id`, `image_id`, `prediction`.
        index: 0-based position in the source.
        scorer: Says what is needed.
        images: The row's pictures.

    Raises:
        UnreadableRow: Something needed is missing or of the wrong type.
    """
    prompt = record.get("input")
    if not isinstance(prompt, str):
        raise UnreadableRow("no text in `input`")
    split: Split | None = None
    if "answer_type" in scorer.needs:
        answer_type = record.get("answer_type")
        split = _SPLITS.get(str(answer_type).strip().lower())
        if split is None:
            raise UnreadableRow(f"`answer_type` is {answer_type!r}, neither OPEN nor CLOSED")
    options: tuple[str, ...] = ()
    if "options" in scorer.needs:
        options = _options(record)
    prediction = record.get("prediction")
    if prediction is not None and not isinstance(prediction, str):
        raise UnreadableRow(f"`prediction` is {type(prediction).__name__}, not text")
    return Row(
        index=index,
        id=_text_or(record.get("id"), str(index)) or str(index),
        prompt=prompt,
        label=_label(record, scorer),
        images=images,
        split=split,
        options=options,
        image_id=_text_or(record.get("image_id"), None) or None,
        prediction=prediction,
    )


def _label(record: Mapping[str, Any], scorer: Scorer) -> str | tuple[str, ...]:
    label = record.get("label")
    several = scorer.needs & {"labels", "references"}
    if "labels" in several and isinstance(label, str):
        # Parquet written from CSV holds a list as its JSON text.
        try:
            label = json.loads(label)
        except (ValueError, RecursionError):
            label = [label]
    if isinstance(label, str):
        return label
    if several and isinstance(label, (list, tuple)):
        labels = tuple(label)
        if all(isinstance(name, str) for name in labels) and (labels or "labels" in several):
            return labels
    if label is None:
        raise UnreadableRow("no `label`")
    wanted = "a list of texts" if several else "one text"
    raise UnreadableRow(f"`label` is {type(label).__name__}, not {wanted}")


def _options(record: Mapping[str, Any]) -> tuple[str, ...]:
    options = []
    for letter in _LETTERS:
        text = record.get(letter)
        if text is None:
            break
        options.append(str(text))
    if len(options) < 2:
        raise UnreadableRow("fewer than two answer options (`A`, `B`, ...)")
    return tuple(options)


def _text_or(value: Any, default: str | None) -> str | None:
    if value is None:
        return default
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise UnreadableRow(f"an id is {type(value).__name__}, not text or a whole number")


def refuse_repeated_ids(rows: Iterable[Row | Unreadable], where: str) -> Iterator[Row | Unreadable]:
    """Pass rows through; two rows of one id could not be told apart later.

    Raises:
        UserError: An id occurs twice.
    """
    seen: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Row) and (first := seen.setdefault(row.id, row.index)) != row.index:
            raise UserError(
                f"{where}: rows {first} and {row.index} have the same id {row.id!r}",
                "Ids must be unique: mend one, or leave `id` out to use positions.",
            )
        yield row
