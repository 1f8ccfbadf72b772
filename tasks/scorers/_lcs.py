"""Longest common subsequences by bit vectors.

A row of the usual table is one integer: bit j is 0 where the table grows by one from column j to
j + 1 (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004). A row costs a handful of
big-integer operations instead of a Python step for every cell.
"""

from __future__ import annotations

from collections.abc import Sequence


def positions(words: Sequence[str]) -> dict[str, int]:
    """For every distinct word the bits at which it stands."""
    masks: dict[str, int] = {}
    for place, word in enumerate(words):
        masks[word] = masks.get(word, 0) | 1 << place
    return masks


def table(rows: Sequence[str], masks: dict[str, int], width: int) -> list[int]:
    """All rows of the LCS table of `rows` against the sequence of `width` words behind `masks`."""
    full = (1 << width) - 1
    bits = full
    out = []
    for word in rows:
        hit = bits & masks.get(word, 0)
        if hit:
            bits = ((bits + hit) | (bits - hit)) & full
        out.append(bits)
    return out


def lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of a longest common subsequence."""
    if not left or not right:
        return 0
    last = table(left, positions(right), len(right))[-1]
    return len(right) - last.bit_count()


def backtrace(
    rows: Sequence[str], columns: Sequence[str], masks: dict[str, int]
) -> tuple[list[str], int]:
    """Words of the one longest common subsequence that the `rouge` package walks back through.

    From the last cell: equal words go diagonally, else up if the cell above is strictly greater,
    else left.

    Returns:
        The words from last to first, and the number of steps walked.
    """
    grown = table(rows, masks, len(columns))
    row, column = len(rows) - 1, len(columns) - 1
    words: list[str] = []
    steps = 0
    while row >= 0 and column >= 0:
        steps += 1
        if rows[row] == columns[column]:
            words.append(rows[row])
            row -= 1
            column -= 1
        elif grown[row] >> column & 1:
            # No growth here: the cell to the left is as great as this one, so nothing above wins.
            column -= 1
        else:
            row -= 1
    return words, steps
