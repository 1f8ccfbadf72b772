"""Records of parquet files and of hub data sets; both carry their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from harness.errors import UserError
from synth.pairs._record import IMAGE_FIELDS
from tasks import HubDataset
from tasks.sources._hub import HubRows, _quiet_datasets
from tasks.sources._local import ParquetRows, hash_files

_OFFLINE = (
    "Check the network (and HF_HUB_OFFLINE, HF_TOKEN), or name a file of pairs, or set "
    "HARNESS_HUB_MIRROR=FOLDER that holds copies of hub data sets by their names."
)
_FEW = 64  # records held at once: each carries a picture


class ParquetTable:
    """Parquet files, in name order.

    Args:
        files: The files.
        folder: They lie in it.
    """

    def __init__(self, files: list[Path], folder: Path) -> None:
        self._files = files
        self._folder = folder

    def describe(self) -> str:
        """The file, or the folder and how many it holds."""
        if len(self._files) == 1:
            return str(self._files[0])
        return f"{self._folder} ({len(self._files)} parquet)"

    def version(self) -> str:
        """Hash of names and contents."""
        return hash_files(self._files, self._folder)

    def count(self) -> int:
        """Rows as the files' footers say."""
        return sum(ParquetRows._open(path).metadata.num_rows for path in self._files)

    def read(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows."""
        for path in self._files:
            batches = ParquetRows._open(path).iter_batches(batch_size=_FEW)
            while records := ParquetRows._next(batches, path):
                yield from records


class HubTable(HubRows):
    """One config and split of a hub data set, or of its copy under HARNESS_HUB_MIRROR.

    Args:
        repo: `org/name`.
        config: Its name; None where there is only one.
        split: Its name; None takes `train`, or the only one.
    """

    def __init__(self, repo: str, config: str | None, split: str | None) -> None:
        super().__init__(HubDataset(repo, (config or "default",), split or "train"))
        self._asked_config, self._asked_split = config, split

    @classmethod
    def of(cls, spelling: str) -> Self:
        """Read `org/name[:config[:split]]`."""
        repo, _, rest = spelling.partition(":")
        config, _, split = rest.partition(":")
        return cls(repo, config or None, split or None)

    def _ask(self, call: Any) -> Any:
        try:
            return super()._ask(call)
        except UserError as error:
            raise UserError(f"pairs: {error.message}", _OFFLINE) from error

    def describe(self) -> str:
        """Repository, and config and split where they were named."""
        named = [name for name in (self._asked_config, self._asked_split) if name]
        return ":".join([f"hub:{self.dataset.repo}", *named])

    def version(self) -> str:
        """Of repository, config, split and files."""
        self._settle()
        return self.fingerprint()

    def count(self) -> int:
        """Rows of the split."""
        return len(self._table)

    def _settle(self) -> None:
        """Find the config and split that were not named."""
        datasets = _quiet_datasets()
        config = self._asked_config
        if config is None:
            found = self._ask(lambda: datasets.get_dataset_config_names(self._place))
            if len(found) != 1:
                raise UserError(
                    f"pairs: {self.dataset.repo} has several configs: {', '.join(sorted(found))}",
                    f"Name one: {self.dataset.repo}:CONFIG",
                )
            config = found[0]
        split = self._asked_split
        if split is None:
            splits = self._ask(lambda: datasets.get_dataset_split_names(self._place, config))
            if "train" not in splits and len(splits) != 1:
                raise UserError(
                    f"pairs: {self.dataset.repo} has several splits: {', '.join(splits)}",
                    f"Name one: {self.dataset.repo}:{config}:SPLIT",
                )
            split = "train" if "train" in splits else splits[0]
        self.dataset = HubDataset(self.dataset.repo, (config,), split)

    @cached_property
    def _table(self) -> Any:
        self._settle()
        datasets, version = _quiet_datasets(), self._version
        cache = None
        if self._place != self.dataset.repo:
            cache = str(Path(datasets.config.HF_DATASETS_CACHE) / "mirror" / version)
        table = self._ask(
            lambda: datasets.load_dataset(
                self._place,
                self._config,
                split=self.dataset.split,
                cache_dir=cache,
                keep_in_memory=False,
            )
        )
        for name in IMAGE_FIELDS:
            if name in table.column_names:
                table = _undecoded(table, name)
        return table

    def read(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Yield the rows from the memory-mapped table."""
        yield from self._table


def _undecoded(table: Any, column: str) -> Any:
    """Pictures as their files' bytes."""
    datasets = _quiet_datasets()
    feature, plain = table.features[column], datasets.Image(decode=False)
    if isinstance(feature, datasets.Image):
        return table.cast_column(column, plain)
    if isinstance(feature, datasets.List) and isinstance(feature.feature, datasets.Image):
        return table.cast_column(column, datasets.List(plain))
    return table
