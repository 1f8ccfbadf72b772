"""Records of parquet files and hub data sets, memory-mapped by `datasets`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from tasks.sources._hub import _quiet_datasets
from tasks.sources._local import hash_files


class TableRecords:
    """Rows of a `datasets.Dataset`.

    Args:
        name: What a person calls it.
        table: The data set.
        version: Fingerprint of its rows.
    """

    def __init__(self, name: str, table: Any, version: str) -> None:
        self.name = name
        self._table = _undecoded(table)
        self._version = version

    def __len__(self) -> int:
        return len(self._table)

    def record(self, index: int) -> Mapping[str, Any]:
        """One row; legacy columns of lists become lists of turns."""
        row: dict[str, Any] = self._table[index]
        for key in ("messages", "conversations"):
            if isinstance(turns := row.get(key), Mapping):
                row[key] = [
                    dict(zip(turns, values, strict=True))
                    for values in zip(*turns.values(), strict=True)
                ]
        return row

    def fingerprint(self) -> str:
        """Of files, or of the hub's commit."""
        return self._version


def parquet_table(files: list[Path], where: str) -> TableRecords:
    """Local parquet files, in the order of their names.

    Raises:
        UserError: They cannot be read.
    """
    datasets = _quiet_datasets()
    names = [str(path) for path in files]
    table = _ask(
        where, lambda: datasets.load_dataset("parquet", data_files=names, split="train"), None
    )
    return TableRecords(where, table, hash_files(files, files[0].parent))


def hub_table(where: str) -> TableRecords:
    """`org/name[:config[:split]]`, or its copy under HARNESS_HUB_MIRROR.

    Raises:
        UserError: It cannot be had, or several configs or splits could be meant.
    """
    datasets = _quiet_datasets()
    repo, config, split = (*where.split(":"), "", "")[:3]
    mirror = os.environ.get("HARNESS_HUB_MIRROR")
    place = str(Path(mirror).expanduser() / repo) if mirror else repo
    if mirror and not Path(place).is_dir():
        raise UserError(f"HARNESS_HUB_MIRROR holds no {repo}: {place} is missing")

    def load() -> tuple[Any, str]:
        builder = datasets.load_dataset_builder(place, config or None)
        version = str(builder.hash)
        cache = None
        if mirror:
            # `datasets` knows a folder by its README alone, however its files have changed.
            used, files = split or "train", builder.config.data_files or {}
            if used not in files:
                raise ValueError(
                    f"it has no split {used}; its splits: {', '.join(map(str, files))}"
                )
            version = hash_files(map(Path, files[used]), Path(place))
            cache = str(Path(datasets.config.HF_DATASETS_CACHE) / "mirror" / version)
        table = datasets.load_dataset(
            place, config or None, split=split or "train", cache_dir=cache, keep_in_memory=False
        )
        return table, version

    table, version = _ask(
        where,
        load,
        "Check the network (and HF_HUB_OFFLINE, HF_TOKEN); name a config and a split as "
        f"{repo}:CONFIG:SPLIT; or use a file.",
    )
    named = f"{repo}:{config}:{split}:{version}"
    return TableRecords(f"hub:{where}", table, hashlib.sha256(named.encode()).hexdigest()[:32])


def _ask(where: str, call: Callable[[], Any], hint: str | None) -> Any:
    """Turn whatever `datasets`, the hub's client and the network can raise into one line."""
    try:
        return call()
    except UserError:
        raise
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), "")
        raise UserError(
            f"data: {where} cannot be read: {type(error).__name__}: {line}", hint
        ) from error


def _undecoded(table: Any) -> Any:
    """Pictures as their files' bytes."""
    datasets = _quiet_datasets()
    plain = datasets.Image(decode=False)
    for column in ("image", "images"):
        feature = table.features.get(column)
        if isinstance(feature, datasets.Image):
            table = table.cast_column(column, plain)
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            table = table.cast_column(column, datasets.List(plain))
    return table
