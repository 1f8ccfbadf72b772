"""Rows from the Hugging Face hub, through `datasets`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks._errors import UnreadableRow, UserError
from tasks._types import HubDataset, Row, Scorer, Unreadable
from tasks.sources._local import embedded_image
from tasks.sources._records import parse_record, refuse_repeated_ids

_OFFLINE_HINT = (
    "Check the network (and HF_HUB_OFFLINE, HF_TOKEN), or use rows on disk: --data DIR, or "
    "HARNESS_HUB_MIRROR=FOLDER that holds copies of hub data sets by their names. "
    "--data sample needs neither."
)


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
        copy = Path(mirror) / self.dataset.repo
        if not copy.is_dir():
            raise UserError(f"HARNESS_HUB_MIRROR holds no {self.dataset.repo}: {copy} is missing")
        return str(copy)

    @cached_property
    def _config(self) -> str:
        from datasets import get_dataset_config_names

        found: list[str] = self._ask(lambda: get_dataset_config_names(self._place))
        spelt = {name.lower().replace("-", "_"): name for name in found}
        for config in self.dataset.configs:
            if (name := spelt.get(config.lower().replace("-", "_"))) is not None:
                return name
        raise UserError(
            f"{self.dataset.repo} has no config named {' or '.join(self.dataset.configs)}; "
            f"found: {', '.join(sorted(found)) or 'none'}",
            "The data set may have been renamed: build local rows and use --data DIR.",
        )

    @cached_property
    def _table(self) -> Any:
        from datasets import Image, get_dataset_split_names, load_dataset

        splits = self._ask(lambda: get_dataset_split_names(self._place, self._config))
        if self.dataset.split not in splits:
            raise UserError(
                f"{self.describe()}: no such split; found: {', '.join(splits) or 'none'}"
            )
        table = self._ask(lambda: load_dataset(self._place, self._config, split=self.dataset.split))
        missing = {"image", "input", "label"} - set(table.column_names)
        if missing:
            raise UserError(
                f"{self.describe()} lacks {', '.join(sorted(missing))}; "
                f"its columns: {', '.join(table.column_names)}",
                "The data set's layout has changed: build local rows and use --data DIR.",
            )
        return table.cast_column("image", Image(decode=False))

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

    def describe(self) -> str:
        """Repository, config and split."""
        return f"hub:{self.dataset.repo}/{self.dataset.configs[0]}/{self.dataset.split}"

    def fingerprint(self) -> str:
        """Fingerprint of the downloaded table, which `datasets` derives from its files."""
        text = f"{self.dataset.repo} {self._config} {self._table._fingerprint}"
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
