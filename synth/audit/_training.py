"""Training files in the `messages` + `images` form: read, and written without some rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import replacing
from synth.audit._pictures import pictures_of
from synth.audit._texts import Exchange
from synth.pairs._json import Broken, read_records
from synth.pairs._record import id_of, speaker_of
from tasks import ImageRef


@dataclass(frozen=True, slots=True)
class Training:
    """One conversation, as far as an audit looks at it."""

    index: int
    id: str
    exchanges: tuple[Exchange, ...]
    pictures: tuple[ImageRef, ...]


@dataclass(frozen=True, slots=True)
class NoTraining:
    """A record that is no conversation."""

    index: int
    id: str
    detail: str


class TrainingFile:
    """A JSON array, JSONL, a parquet file or a folder of them.

    Args:
        path: The file or folder.
        images: Folder that pictures' paths start from; default: beside the file.
        limit: Only the first rows.

    Raises:
        UserError: There is no such file, or no such folder.
    """

    def __init__(self, path: Path, images: Path | None = None, limit: int | None = None) -> None:
        if not path.exists():
            raise UserError(f"no such file: {path}", "Name a JSON, JSONL or parquet file.")
        folder = path if path.is_dir() else path.parent
        if images is not None and not images.is_dir():
            raise UserError(f"--images {images}: no such folder")
        self.path = path
        self.root = (images or folder).resolve()
        self._limit = limit
        self._parquet = _parquet_files(path)

    @property
    def name(self) -> str:
        """What the cleaned file is called."""
        return f"{self.path.resolve().name}.parquet" if self.path.is_dir() else self.path.name

    def count(self) -> int | None:
        """Rows, where a footer says so."""
        if not self._parquet:
            return None
        from synth.pairs._table import ParquetTable

        known = ParquetTable(self._parquet, self.path).count()
        return known if self._limit is None else min(known, self._limit)

    def read(self) -> Iterator[Training | NoTraining]:
        """Yield conversations, and what is none, in file order."""
        for index, record in enumerate(self._records()):
            if isinstance(record, Broken):
                yield NoTraining(index, str(index), str(record))
            else:
                yield _training(record, index, self.root)

    def _records(self) -> Iterator[Mapping[str, Any] | Broken]:
        for index, record in enumerate(self._all()):
            if index == self._limit:
                return
            yield record

    def _all(self) -> Iterator[Mapping[str, Any] | Broken]:
        if not self._parquet:
            return read_records(self.path)
        from synth.pairs._table import ParquetTable

        return iter(ParquetTable(self._parquet, self.path).read())

    def write_without(self, left_out: Collection[int], target: Path) -> int:
        """Write the rows that stay, in the form they came in; gives their number.

        Args:
            left_out: Indexes of rows.
            target: The new file; it appears once it is whole.
        """
        if self._parquet:
            return self._write_parquet(left_out, target)
        array = _is_array(self.path)
        count = 0
        with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write("[\n" if array else "")
            for index, record in enumerate(self._records()):
                if index in left_out:
                    continue
                file.write(",\n" if array and count else "")
                file.write(_json(record))
                file.write("" if array else "\n")
                count += 1
            file.write("\n]\n" if array else "")
        return count

    def _write_parquet(self, left_out: Collection[int], target: Path) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        first = count = 0
        with replacing(target) as temporary:
            writer = None
            for path in self._parquet:
                for batch in pq.ParquetFile(path).iter_batches(batch_size=256):
                    index = range(first, first + batch.num_rows)
                    first += batch.num_rows
                    stays = [
                        n not in left_out and (self._limit is None or n < self._limit)
                        for n in index
                    ]
                    kept = batch.filter(pa.array(stays))
                    writer = writer or pq.ParquetWriter(temporary, batch.schema)
                    writer.write_batch(kept)
                    count += kept.num_rows
            if writer is not None:
                writer.close()
        return count


def _parquet_files(path: Path) -> list[Path]:
    if path.is_dir():
        if found := sorted(path.glob("*.parquet")):
            return found
        raise UserError(
            f"the folder {path} holds no parquet files", "Name the JSON or JSONL file itself."
        )
    return [path] if path.suffix == ".parquet" else []


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _json(record: object) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form, only an escape
        return json.dumps(record)
    return text


def _training(record: Mapping[str, Any], index: int, root: Path) -> Training | NoTraining:
    row_id = id_of(record, index)
    turns = record.get("messages", record.get("conversations"))
    exchanges = _exchanges(turns)
    if isinstance(exchanges, str):
        return NoTraining(index, row_id, exchanges)
    return Training(index, row_id, exchanges, pictures_of(record, turns, root))


def _exchanges(turns: object) -> tuple[Exchange, ...] | str:
    """Questions with their answers; or what is wrong with the turns."""
    if not isinstance(turns, list) or not turns:
        return "no `messages`"
    exchanges: list[Exchange] = []
    question, answered = "", True
    for turn in turns:
        if not isinstance(turn, Mapping):
            return "a message is no JSON object"
        speaker = turn.get("role", turn.get("from"))
        text = _text(turn.get("content", turn.get("value")))
        if not isinstance(speaker, str) or text is None:
            return "a message has no role or no text"
        if speaker_of(speaker) == "user":
            asked = text.replace("<image>", "\n")
            question, answered = (asked if answered else f"{question}\n{asked}"), False
        else:  # an assistant under whatever name, a tool, a system: no text goes unread
            exchanges.append(Exchange(question, text))
            answered = True
    return tuple(exchanges if answered else [*exchanges, Exchange(question, "")])


def _text(content: object) -> str | None:
    """A message's text; of a list of parts, those that are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part.get("text") for part in content if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))
