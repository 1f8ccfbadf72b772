"""The sheet that people fill in: written so that no cell is a formula, read back with care."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harness.errors import UserError
from harness.files import replacing
from harness.progress import printable
from synth.quality._rubric import known_type
from synth.quality._types import BEST, GRADES, WORST, Rating, Sample

_GIVEN = ("sample", "image", "caption", "instruction", "informative", "precise")
_ASKED = ("task_type", *GRADES, "agree")
COLUMNS = (*_GIVEN, *_ASKED, "note")
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_MOST_BYTES = 64 * 1024 * 1024
_AGREE = {
    **dict.fromkeys(("yes", "y", "true", "1"), True),
    **dict.fromkeys(("no", "n", "false", "0"), False),
}


def write_sheet(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples and empty columns for their ratings; who generated what is not said.

    The order follows from the samples alone.

    Args:
        path: The CSV file (UTF-8 with a mark at its start, which Excel needs).
        samples: A sample that comes twice is there once.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for _, (key, triplet) in sorted({sample.key: sample for sample in samples}.items()):
        pair = triplet.pair
        told = [pair.image.locator, pair.caption]
        told += [triplet.instruction, triplet.informative, triplet.precise]
        # A key of digits and an e would be read as a number.
        writer.writerow([f"s{key}", *map(_cell, told), *[""] * (len(_ASKED) + 1)])
    with replacing(path) as temporary:
        temporary.write_bytes(text.getvalue().encode("utf-8-sig", errors="replace"))


def _cell(text: str) -> str:
    """A stranger's text that no spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


class Sheet(NamedTuple):
    """A sheet that came back."""

    ratings: dict[str, Rating]
    """Key of a sample to what a person said of it; samples without any mark are left out."""
    rows: int


def read_sheet(path: Path) -> Sheet:
    """Read a sheet that people filled in; comma, semicolon or tab between its cells.

    Raises:
        UserError: It is none, or a cell holds something else than was asked for.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path} is too large for a sheet")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", "Save it as `CSV UTF-8`.") from error
    head = text[: text.find("\n")]
    delimiter = max(",;\t", key=head.count)
    # `newline=""`: the reader itself sees to the ends of lines, which may stand in cells.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [(name or "").strip().casefold() for name in _names(reader, path)]
    missing = [name for name in ("sample", *_ASKED) if name not in names]
    if missing:
        raise UserError(
            f"{path} lacks the columns {', '.join(missing)}", "Fill in the sheet.csv of a report."
        )
    reader.fieldnames = names
    ratings: dict[str, Rating] = {}
    seen: set[str] = set()
    try:
        for number, row in enumerate(reader, 1):
            where = f"{path}, sample {number} (line {reader.line_num})"
            key = (row["sample"] or "").strip().removeprefix("s")
            rating = _rating(row, where)
            if not key and rating == Rating():
                continue  # a row that a spreadsheet left empty
            if not key:
                raise UserError(f"{where}: it has a rating, but no sample")
            if key in seen:
                raise UserError(f"{where}: it stands twice")
            seen.add(key)
            if rating != Rating():
                ratings[key] = rating
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from error
    return Sheet(ratings, len(seen))


def _names(reader: csv.DictReader[str], path: Path) -> list[str]:
    try:
        return list(reader.fieldnames or ())
    except csv.Error as error:
        raise UserError(f"{path} is no CSV: {error}") from error


def _rating(row: dict[str, str | None], where: str) -> Rating:
    cells = {name: (row.get(name) or "").strip() for name in _ASKED}
    kind = known_type(cells["task_type"]) if cells["task_type"] else None
    if cells["task_type"] and kind is None:
        raise UserError(
            f"{where}: {_quoted(cells['task_type'])} is no task type",
            "The report lists them; `Other` is one too.",
        )
    agree = _AGREE.get(cells["agree"].casefold())
    if cells["agree"] and agree is None:
        raise UserError(f"{where}: agree is {_quoted(cells['agree'])}; write yes or no")
    grades = {name: _grade(cells[name], name, where) for name in GRADES}
    return Rating(kind, agree=agree, **grades)


def _grade(text: str, name: str, where: str) -> int | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = 0.0
    if value not in range(WORST, BEST + 1):
        raise UserError(f"{where}: {name} is {_quoted(text)}; write a whole number from 1 to 5")
    return int(value)


def _quoted(text: str) -> str:
    return repr(printable(text[:40]))
