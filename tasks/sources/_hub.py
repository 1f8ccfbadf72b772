"""Rows from the Hugging Face hub, through `datasets`."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks._errors import UnreadableRow, UserError
from tasks._types import HubDataset, Row, Scorer, Unreadable
from tasks.sources._local import embedded_image, hash_files
from tasks.sources._records import parse_record, refuse_repeated_ids

_OFFLINE_HINT = (
    "Check the network (and HF_HUB_OFFLINE, HF_TOKEN), or use rows on disk: --data DIR, or "
    "HARNESS_HUB_MIRROR=FOLDER that holds copies of hub data sets by their names. "
    "--data sample needs neither."
)
_LAYOUT_HINT = "The data set's layout has changed: build local rows and use --data DIR."


class HubRows:
    """One config and split of a hub data set."""

    def __init__(self, dataset: HubDataset) -> None:
        self.dataset = dataset

    @cached_property
    def _place(self) -> str:
        """The repository's id, or its copy under HARNESS_HUB_MIRROR."""
        mirror = os.environ.get("HARNESS_HUB_MIRROR")
        if not mirror:
            return self.dataset.repo
        copy = Path(mirror).expanduser() / self.dataset.repo
        if not copy.is_dir():
            raise UserError(f"HARNESS_HUB_MIRROR holds no {self.dataset.repo}: {copy} is missing")
        return str(copy.resolve())

    @cached_property
    def _config(self) -> str:
        datasets = _quiet_datasets()
        found: list[str] = self._ask(lambda: datasets.get_dataset_config_names(self._place))
        spelt = {name.lower().replace("-", "_"): name for name in found}
        for config in self.dataset.configs:
            if (name := spelt.get(config.lower().replace("-", "_"))) is not None:
                return name
        if found == ["default"]:
            # Offline, `datasets` does not list the configs it has fetched before.
            for config in self.dataset.configs:
                with suppress(ValueError, OSError):
                    datasets.load_dataset_builder(self._place, config)
                    return config
        raise UserError(
            f"{self.dataset.repo} has no config named {' or '.join(self.dataset.configs)}; "
            f"found: {', '.join(sorted(found)) or 'none'}",
            _LAYOUT_HINT,
        )

    @cached_property
    def _version(self) -> str:
        """The hub's commit; of a copy on disk, a hash of the files of the split.

        `datasets` knows a folder by its README alone, and would give the rows it read first
        however the files have changed since.
        """
        datasets = _quiet_datasets()
        splits = self._ask(lambda: datasets.get_dataset_split_names(self._place, self._config))
        if self.dataset.split not in splits:
            raise UserError(
                f"{self.describe()}: no such split; found: {', '.join(splits) or 'none'}"
            )
        builder = self._ask(lambda: datasets.load_dataset_builder(self._place, self._config))
        if self._place == self.dataset.repo:
            return str(builder.hash)
        files = builder.config.data_files[self.dataset.split]
        return str(self._ask(lambda: hash_files(map(Path, files), Path(self._place))))

    @cached_property
    def _table(self) -> Any:
        datasets, version = _quiet_datasets(), self._version
        own_cache = None
        if self._place != self.dataset.repo:
            own_cache = str(Path(datasets.config.HF_DATASETS_CACHE) / "mirror" / version)
        table = self._ask(
            lambda: datasets.load_dataset(
                self._place,
                self._config,
                split=self.dataset.split,
                cache_dir=own_cache,
                keep_in_memory=False,
            )
        )
        missing = {"image", "input", "label"} - set(table.column_names)
        if missing:
            raise UserError(
                f"{self.describe()} lacks {', '.join(sorted(missing))}; "
                f"its columns: {', '.join(table.column_names)}",
                _LAYOUT_HINT,
            )
        try:
            return table.cast_column("image", datasets.Image(decode=False))
        # datasets and pyarrow raise a dozen kinds here, and each says: no column of pictures.
        except Exception as error:
            raise UserError(
                f"{self.describe()}: its column `image` holds {table.features['image']}, "
                "not pictures",
                _LAYOUT_HINT,
            ) from error

    def _ask(self, call: Any) -> Any:
        """Turn whatever the network and the hub can raise into one line.

        `datasets` raises its own, `huggingface_hub`'s, `httpx`'s and plain OS errors here.
        """
        try:
            return call()
        except UserError:
            raise
        except Exception as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else ""
            raise UserError(
                f"cannot read {self.dataset.repo} from the hub: {type(error).__name__}: {line}",
                _OFFLINE_HINT,
            ) from error

    def located(self) -> tuple[str, str]:
        """The repository, or its copy on disk, and the config's name there.

        Raises:
            UserError: Neither can be had.
        """
        return self._place, self._config

    def describe(self) -> str:
        """Repository, config and split."""
        return f"hub:{self.dataset.repo}/{self.dataset.configs[0]}/{self.dataset.split}"

    def fingerprint(self) -> str:
        """Repository, config, split, and the version of their files."""
        text = f"{self.dataset.repo} {self._config} {self.dataset.split} {self._version}"
        return hashlib.sha256(text.encode()).hexdigest()

    def count(self) -> int:
        """Rows of the split."""
        return len(self._table)

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Yield rows from the memory-mapped table."""
        yield from refuse_repeated_ids(self._read(scorer, images), self.describe())

    def _read(self, scorer: Scorer, images: bool) -> Iterator[Row | Unreadable]:
        table = self._table if images else self._table.remove_columns(["image"])
        for index, record in enumerate(table):
            try:
                refs = embedded_image(record, index, None, images=images)
                yield parse_record(record, index, scorer, refs)
            except UnreadableRow as error:
                yield Unreadable(index, str(error))


def _quiet_datasets() -> Any:
    """The package without its log (what matters in it is raised too) and bars into log files."""
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    return datasets
