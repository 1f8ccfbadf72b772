"""What rank ranges need of a task in a run: sums over clusters, kept in the cache folder."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.export import LoadedRun
from harness.files import replacing
from harness.statistics import Floats
from leaderboard.store._database import Database, pattern, quoted
from tasks import PROTOCOLS

NO_SPLIT = "-"


@dataclass
class Digest:
    """A task in a run, cluster by cluster in the order of the clusters' names."""

    rows: str
    """Fingerprint of the rows, their clusters included, whatever their order."""
    counts: dict[str, NDArray[np.int64]]
    """Split (`-` for none) to the rows of each cluster, shape (G,)."""
    sums: dict[str, Floats]
    """`<split>/<protocol>` to the sum of each cluster's main values, 0 to 100, shape (G,)."""


def digest_of(database: Database, path: Path, run: LoadedRun, task: str) -> Digest:
    """Read a task's samples, without their texts.

    Raises:
        UserError: They cannot be read.
    """
    mains = {
        (line.split or NO_SPLIT, line.protocol): f"{line.protocol}_{line.metric}"
        for line in run.lines
        if line.main and line.task == task
    }
    values = sorted(set(mains.values()))
    totals = "".join(f", sum({quoted(value)}) AS {quoted(value)}" for value in values)
    found = database.ask(
        "SELECT bit_xor(hash(row_id, split, cluster, input, label, options, pixels)), "
        "sum(hash(row_id, cluster) % 4294967291), count(*) FROM read_parquet(?)",
        [pattern(path)],
    )
    # Names of clusters stay in the database: their places are enough.
    query = (
        f"SELECT dense_rank() OVER (ORDER BY cluster) - 1 AS place, coalesce(split, '{NO_SPLIT}') "  # noqa: S608 - quoted names
        f"AS split, count(*) AS count{totals} FROM read_parquet(?) GROUP BY cluster, split"
    )
    table = database.arrays(query, [pattern(path)])
    places = table["place"].astype(np.int64)
    size = int(places.max()) + 1 if len(places) else 0
    counts, sums = {}, {}
    for split in dict.fromkeys(name for name, _ in mains):
        here = np.asarray(table["split"] == split)
        counts[split] = _spread(places[here], table["count"][here], size).astype(np.int64)
        for protocol in PROTOCOLS:
            if (value := mains.get((split, protocol))) is None:
                continue
            cells = np.ma.filled(table[value].astype(np.float64), np.nan)[here] * 100.0
            if np.isfinite(cells).all():
                sums[f"{split}/{protocol}"] = _spread(places[here], cells, size)
    return Digest("-".join(map(str, found[0])), counts, sums)


def _spread(places: NDArray[np.int64], values: Any, size: int) -> Floats:
    spread = np.zeros(size)
    spread[places] = np.ma.filled(values, 0)
    return spread


def save(path: Path, digest: Digest) -> None:
    """Write a digest, whole or not at all."""
    arrays: dict[str, Any] = {f"count:{name}": array for name, array in digest.counts.items()}
    arrays |= {f"sum:{name}": array for name, array in digest.sums.items()}
    save_arrays(path, {"rows": np.array(digest.rows), **arrays})


def load(path: Path) -> Digest | None:
    """Read a digest; None where there is none, or a damaged one."""
    arrays = load_arrays(path)
    if arrays is None or "rows" not in arrays:
        return None
    counts = {k.removeprefix("count:"): v for k, v in arrays.items() if k.startswith("count:")}
    sums = {k.removeprefix("sum:"): v for k, v in arrays.items() if k.startswith("sum:")}
    return Digest(str(arrays["rows"]), counts, sums)


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays as one file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_arrays(path: Path) -> dict[str, Any] | None:
    """Read them back; None where that cannot be done."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    # A file that was cut off raises what zipfile, zlib or NumPy make of it.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
        return None
