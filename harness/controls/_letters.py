"""Position bias: how often each letter is right, is answered, and is answered rightly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tasks import PROTOCOLS


def letter_counts(samples: Path) -> dict[str, Any] | None:
    """Count a multiple-choice task's answers by letter, as the options stood in the prompt.

    Args:
        samples: A run's `samples.parquet`.

    Returns:
        Protocol to letter to `rows` (whose right answer it is), `right` (of those) and
        `answered` (rows in which it was read from the answer; `none` where nothing was). Failed
        rows are left out. None if no row has lettered options.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(samples)
    needed = ["options", "label", "failed", *(f"{p}_parsed" for p in PROTOCOLS)]
    # A number read from the whole file at once would hold every answer in memory.
    counts: dict[str, dict[str, Counter[str]]] = {
        protocol: {name: Counter() for name in ("rows", "right", "answered")}
        for protocol in PROTOCOLS
    }
    for batch in file.iter_batches(columns=needed):
        for row in batch.to_pylist():
            if row["options"] is None or row["failed"]:
                continue
            label = row["label"].strip('"')
            for protocol, count in counts.items():
                said = row[f"{protocol}_parsed"] or "none"
                count["rows"][label] += 1
                count["right"][label] += said == label
                count["answered"][said] += 1
    if not any(count["rows"] for count in counts.values()):
        return None
    return {protocol: _table(**count) for protocol, count in counts.items()}


def _table(
    rows: Counter[str], right: Counter[str], answered: Counter[str]
) -> dict[str, dict[str, int]]:
    letters = sorted({*rows, *answered} - {"none"})
    return {
        letter: {"rows": rows[letter], "right": right[letter], "answered": answered[letter]}
        for letter in [*letters, "none"]
    }


def letter_note(task: str, table: dict[str, dict[str, int]]) -> str:
    """One line: where the right answers are, and where the model says they are.

    Args:
        task: Task id.
        table: One protocol's part of `letter_counts`.
    """
    total = sum(line["answered"] for line in table.values())
    said = [f"{letter} {100 * line['answered'] / total:.1f} %" for letter, line in table.items()]
    right = [
        f"{letter} {100 * line['right'] / line['rows']:.1f} % (of {line['rows']:,})"
        for letter, line in table.items()
        if line["rows"]
    ]
    return (
        f"{task} by letter (strict): answered {', '.join(said)}; "
        f"right where the answer is {', '.join(right)}."
    )
