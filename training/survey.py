"""What the training data are: measured, shortened and checked before the first step."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.files import digest, replacing, write_json
from harness.progress import Progress, printable
from training._look import Look, Looker
from training.masks import EncoderSource
from training.rows import TrainingRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURVEY_VERSION = 1
_SAMPLE = 256
"""Rows whose pictures are decoded, spread over the data, unless all are asked for."""
_CHUNK = 128
_FEW = 10_000
"""Fewer rows are looked at here: other processes take longer to start."""
_SHOWN = 3


@dataclass(frozen=True)
class SurveySettings:
    """How the data are looked at."""

    max_length: int
    """Tokens of a conversation, image tokens included; longer ones lose their last exchanges."""
    check_all: bool = False
    """Decode every picture, instead of a sample's."""
    workers: int = 2
    """Processes; 0 is this one."""


@dataclass(frozen=True)
class Survey:
    """Every row's measures, in the data's order."""

    lengths: NDArray[Any]
    """Tokens after shortening, image tokens included, int32; 0 for a row that is left out."""
    label_tokens: NDArray[Any]
    """Those of them that carry loss, int32."""
    exchanges: NDArray[Any]
    """Exchanges that are kept, int32; 0 for a row that is left out."""
    pictures: NDArray[Any]
    """Pictures in them, int32."""
    counts: dict[str, int]
    """`rows`, `usable`, `shortened`, `left_out`, `decoded`, `pictures`, `tokens`, `label_tokens`,
    `longest`."""
    fingerprint: str
    """Of the data."""
    key: str
    """Of the data, the encoder and the settings: what the measures follow from."""

    @property
    def usable(self) -> NDArray[Any]:
        """Indices of the rows that are trained on, int64, ascending."""
        import numpy as np

        return np.flatnonzero(self.exchanges)

    def save(self, folder: Path) -> None:
        """Write `survey.npz` and, last, `survey.json`."""
        import numpy as np

        with replacing(folder / "survey.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **{name: getattr(self, name) for name in _ARRAYS})
        facts = {"counts": self.counts, "data": self.fingerprint, "key": self.key}
        write_json(folder / "survey.json", {"schema_version": SURVEY_VERSION, **facts})

    @classmethod
    def load(cls, folder: Path) -> Survey:
        """Read a survey that was made before.

        Raises:
            UserError: There is none, or it cannot be read.
        """
        import numpy as np

        try:
            facts = json.loads((folder / "survey.json").read_text(encoding="utf-8"))
            if facts["schema_version"] != SURVEY_VERSION:
                raise ValueError("it is of another version")
            with np.load(folder / "survey.npz") as arrays:
                found = {name: arrays[name] for name in _ARRAYS}
            return cls(**found, counts=facts["counts"], fingerprint=facts["data"], key=facts["key"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"the survey in {folder} cannot be read: {error}") from error


_ARRAYS = ("lengths", "label_tokens", "exchanges", "pictures")


def survey(
    rows: TrainingRows, source: EncoderSource, settings: SurveySettings, folder: Path
) -> Survey:
    """Look at every row once; a survey of the same that lies in the folder is taken.

    Args:
        rows: The data.
        source: What makes tokens of them.
        settings: How they are looked at.
        folder: Where `survey.npz` and `survey.json` go.

    Raises:
        UserError: Rows that cannot be trained on (all are in `problems.jsonl`), or none is left.
    """
    key = _key(rows, source, settings)
    with suppress(UserError):
        if (known := Survey.load(folder)).key == key:
            return known
    source.load()  # a template that cannot be used is told before anything else
    parts = list(_looks(rows, source, settings))
    problems = sorted(problem for part in parts for problem in part.problems)
    _refuse(problems, rows, folder)
    made = _survey(parts, rows, settings, key)
    if not made.counts["usable"]:
        raise UserError(
            f"data: no conversation of {rows.describe()} fits into {settings.max_length:,} tokens",
            "Give a greater max_length.",
        )
    made.save(folder)
    return made


def _key(rows: TrainingRows, source: EncoderSource, settings: SurveySettings) -> str:
    import transformers

    version = transformers.__version__
    facts = [SURVEY_VERSION, version, rows.fingerprint(), len(rows), source.identity]
    return digest([*facts, settings.max_length, settings.check_all])


def _looks(rows: TrainingRows, source: EncoderSource, settings: SurveySettings) -> Iterator[Look]:
    """Look at chunk after chunk, telling how far it is."""
    name = "survey"
    with Progress({name: len(rows)}) as progress:
        for look in _in_order(rows, source, settings):
            bad = {index for index, _ in look.problems}
            for index in look.indices:
                progress.add(name, failed=index in bad)
            yield look
        progress.finish({name: 0})


def _in_order(
    rows: TrainingRows, source: EncoderSource, settings: SurveySettings
) -> Iterator[Look]:
    chunks = [range(i, min(i + _CHUNK, len(rows))) for i in range(0, len(rows), _CHUNK)]
    every = 1 if settings.check_all else max(1, len(rows) // _SAMPLE)
    if settings.workers == 0 or len(rows) < _FEW:
        looker = Looker(rows, source.load(), settings.max_length)
        yield from (looker.look(chunk, _sampled(chunk, every)) for chunk in chunks)
        return
    with _safe_children():
        pool = ProcessPoolExecutor(
            settings.workers,
            # Not forked: the tokenizer's and PyTorch's threads do not survive it.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(rows, source, settings.max_length),
        )
        try:
            yield from pool.map(_look, chunks, [_sampled(chunk, every) for chunk in chunks])
        except BrokenProcessPool as error:
            raise UserError(
                "a process that looked at the data died, most often for lack of memory",
                "Give fewer `workers`.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _sampled(chunk: range, every: int) -> range:
    return range(-(-chunk.start // every) * every, chunk.stop, every)


@contextmanager
def _safe_children() -> Iterator[None]:
    """Children import nothing from the current folder, and use one thread each."""
    wanted = {"PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_looker: Looker | None = None


def _begin(rows: TrainingRows, source: EncoderSource, max_length: int) -> None:
    global _looker
    _looker = Looker(rows, source.load(), max_length)


def _look(indices: range, decoded: range) -> Look:
    if _looker is None:
        raise RuntimeError("no looker in this process")
    return _looker.look(indices, decoded)


def _refuse(problems: list[tuple[int, str]], rows: TrainingRows, folder: Path) -> None:
    """Raise if there are problems, with the first few."""
    path = folder / "problems.jsonl"
    if not problems:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as f:
        f.writelines(json.dumps({"row": i, "problem": p}) + "\n" for i, p in problems)
    first = "; ".join(f"row {i}: {printable(p)[:300]}" for i, p in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    count = f"{len(problems):,} of {len(rows):,} rows"
    raise UserError(
        f"data: {count} of {rows.describe()} cannot be trained on: {first}{more}",
        f"Mend or remove them (rows are counted from 0); all are in {path}.",
    )


def _survey(parts: list[Look], rows: TrainingRows, settings: SurveySettings, key: str) -> Survey:
    import numpy as np

    arrays = {
        name: np.concatenate([np.asarray(getattr(part, name), dtype=np.int32) for part in parts])
        for name in _ARRAYS
    }
    every = 1 if settings.check_all else max(1, len(rows) // _SAMPLE)
    usable = int(np.count_nonzero(arrays["exchanges"]))
    counts = {
        "rows": len(rows),
        "usable": usable,
        "shortened": sum(part.shortened for part in parts),
        "left_out": len(rows) - usable,
        "decoded": len(range(0, len(rows), every)),
        "pictures": int(arrays["pictures"].sum()),
        "tokens": int(arrays["lengths"].sum(dtype=np.int64)),
        "label_tokens": int(arrays["label_tokens"].sum(dtype=np.int64)),
        "longest": int(arrays["lengths"].max()),
    }
    return Survey(**arrays, counts=counts, fingerprint=rows.fingerprint(), key=key)
