"""Where an lmms-eval task's documents lie, and opening them through its own task object."""

from __future__ import annotations

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tasks._errors import UserError
from tasks.from_lmms_eval._declared import Declared
from tasks.from_lmms_eval._package import module, one_line, quiet
from tasks.sources import NoRows
from tasks.sources._local import hash_files

_HINT = (
    "Without --data its data set is read from the hub (check the network, HF_TOKEN and "
    "HF_HUB_OFFLINE) or from HARNESS_HUB_MIRROR; --data DIR reads DIR/<task> or DIR/<data set>."
)


class Opened(NamedTuple):
    """A task object of lmms-eval with its documents."""

    task: Any
    """Their `ConfigurableMessagesTask`."""
    where: str
    version: str
    """Changes when a document does."""


class _Place(NamedTuple):
    path: str
    name: str | None
    kwargs: dict[str, Any]
    folder: Path | None
    """A copy on disk, instead of the hub."""


def open_documents(declared: Declared, data: str | None) -> Opened:
    """Load a task's documents and make its task object.

    Args:
        declared: The task.
        data: As `--data` has it.

    Raises:
        NoRows: Nothing for this task there.
        UserError: The data set cannot be loaded.
    """
    place = _place(declared, data)
    try:
        with quiet():
            documents, version = _load(declared, place)
            task = _task_class()(documents, declared)
    # `datasets`, the hub and the task's own functions raise anything here.
    except Exception as error:
        raise UserError(
            f"lmms_eval:{declared.name}: {place.path} cannot be opened: {one_line(error)}", _HINT
        ) from error
    where = " ".join(filter(None, (place.path, place.name, declared.split)))
    return Opened(task, where, version)


def _place(declared: Declared, data: str | None) -> _Place:
    config = declared.config
    repo, kwargs = str(config.dataset_path), dict(config.dataset_kwargs or {})
    if data == "sample":
        raise NoRows(f"lmms_eval:{declared.name}: no sample rows are drawn for lmms-eval's tasks")
    if data is not None:
        root = Path(os.path.realpath(data))
        if not root.is_dir():
            raise UserError(f"--data {data}: no such folder")
        choices = (root / declared.name, root / repo)
        folder = next((path for path in choices if path.is_dir()), None)
        if folder is None:
            missing = " nor ".join(str(path) for path in choices)
            raise NoRows(f"lmms_eval:{declared.name}: neither {missing}")
        return _Place(str(folder), config.dataset_name, {}, folder)
    mirror = os.environ.get("HARNESS_HUB_MIRROR")
    if mirror and "/" in repo and not Path(repo).exists():
        folder = Path(mirror).expanduser().resolve() / repo
        if not folder.is_dir():
            raise UserError(f"HARNESS_HUB_MIRROR holds no {repo}: {folder} is missing")
        return _Place(str(folder), config.dataset_name, {}, folder)
    return _Place(repo, config.dataset_name, kwargs, None)


def _load(declared: Declared, place: _Place) -> tuple[Any, str]:
    """The documents of the evaluated split, as a `DatasetDict`, and their version."""
    import datasets

    kwargs, name, split = place.kwargs, place.name, declared.split
    version = None
    if place.folder is not None:
        # `datasets` knows a folder by its README alone, so every version has a cache of its own.
        version = hash_files(filter(Path.is_file, place.folder.rglob("*")), place.folder)
        kwargs = {"cache_dir": str(Path(datasets.config.HF_DATASETS_CACHE) / "mirror" / version)}
        if name is not None and name not in datasets.get_dataset_config_names(place.path):
            name = None
    if kwargs.pop("load_from_disk", False):
        documents = datasets.load_from_disk(place.path)[split]
        return _processed(declared, documents), str(documents._fingerprint)
    for switch in ("force_download", "force_unzip", "local_files_only"):
        kwargs.pop(switch, None)
    documents = datasets.load_dataset(place.path, name, split=split, **kwargs)
    # Of the hub its commit and config, of files their names and times of change.
    version = version or documents._fingerprint
    return _processed(declared, documents), f"{version} {len(documents)}"


def _processed(declared: Declared, documents: Any) -> Any:
    import datasets

    process = declared.config.process_docs
    return datasets.DatasetDict(
        {declared.split: documents if process is None else process(documents)}
    )


@cache
def _task_class() -> type:
    """Their task, given its documents: its own loader tries five times over and loads all splits.

    It is the kind for chat models, which says how pictures and texts follow each other.
    """
    base = module("lmms_eval.api.task").ConfigurableMessagesTask

    class Task(base):  # type: ignore[misc, valid-type]
        def __init__(self, documents: Any, declared: Declared) -> None:
            self._given = documents
            settings = copy.deepcopy(vars(declared.config))
            settings.pop("group")  # it stands as a tag already
            super().__init__(config=settings)

        def download(self, dataset_kwargs: dict[str, Any] | None = None) -> None:
            self.dataset = self.dataset_no_image = self._given
            if not self.config.process_results_use_image:
                bare = {name: t.remove_columns(_media(t)) for name, t in self._given.items()}
                self.dataset_no_image = type(self._given)(bare)

    return Task


def _media(table: Any) -> list[str]:
    """Columns whose contents scoring does without, so that nothing is decoded for it."""
    import datasets

    kinds = (datasets.Image, datasets.Audio)
    return [name for name, feature in table.features.items() if isinstance(feature, kinds)]
