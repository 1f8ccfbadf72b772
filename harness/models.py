"""From a model's name to a checked local checkpoint."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness._trust import (
    PICKLED,
    check_code,
    check_weights,
    hash_file,
    loaded_pickles,
    read_config,
)
from harness.errors import UserError
from harness.files import digest

_DETERMINING = (
    "*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "additional_chat_templates/*.jinja",
)  # fmt: skip
# Written by trainers and people; they move no answer.
_IRRELEVANT = frozenset((
    "training.json", "adapt.json", "trainer_state.json", "all_results.json", "train_results.json",
    "eval_results.json", "README.txt",
))  # fmt: skip
_COMMIT = re.compile(r"[0-9a-f]{40}")

__all__ = ["Checkpoint", "open_checkpoint", "read_config"]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk that has passed the checks of trust."""

    ref: str
    """As the user named it."""
    folder: Path
    revision: str | None
    """Commit on the hub; None for a local folder."""
    allow_pickle: bool = False
    remote_code: bool = False
    """It has code of its own, which was pinned and may run."""

    @property
    def name(self) -> str:
        """Short name for people and folder names."""
        return self.ref.split("@")[0] if self.revision else self.folder.resolve().name

    @cached_property
    def config(self) -> dict[str, Any]:
        """The checkpoint's `config.json`."""
        return read_config(self.folder)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, configuration, tokenizer, processor and template, 32 hex digits.

        The whole of the weights is read, at the disk's pace: a time stamp says nothing about
        them. Equal files give an equal fingerprint wherever they lie.
        """
        patterns = (*_DETERMINING, *(("**/*.py",) if self.remote_code else ()))
        files = {path for pattern in patterns for path in self.folder.glob(pattern)}
        if self.allow_pickle:
            files.update(loaded_pickles(self.folder))
        names = sorted(
            (str(path.relative_to(self.folder)), path)
            for path in files
            if path.name not in _IRRELEVANT
        )
        return digest([(name, hash_file(path)) for name, path in names])[:32]


def open_checkpoint(
    ref: str, *, allow_pickle: bool = False, trust_remote_code: str | None = None
) -> Checkpoint:
    """Find a checkpoint and check that it may be loaded.

    Args:
        ref: A local folder, or a hub id as `org/name` or `org/name@revision`.
        allow_pickle: Accept weights that are not safetensors.
        trust_remote_code: Pinned revision of the code that may be run: the commit of a hub
            checkpoint, or the fingerprint of a local folder's Python files.

    Raises:
        UserError: No checkpoint there, pickled weights, remote code that is not pinned, a hub
            that cannot be reached.
    """
    local = Path(os.path.expanduser(ref))  # noqa: PTH111 - Path's own fails on an unknown ~user
    if local.is_dir():
        folder, revision = local.resolve(), None
    elif _looks_like_hub_id(ref):
        folder, revision = _download(ref, allow_pickle=allow_pickle)
    else:
        raise UserError(
            f"--model {ref}: no such folder",
            "Give a folder that holds a checkpoint, or a hub id such as org/name@revision.",
        )
    check_weights(folder, ref, allow_pickle=allow_pickle)
    remote_code = check_code(folder, ref, revision, trust_remote_code)
    return Checkpoint(ref, folder, revision, allow_pickle, remote_code)


def _looks_like_hub_id(ref: str) -> bool:
    return re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*(@[\w./-]+)?", ref) is not None


def _download(ref: str, *, allow_pickle: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    repo, _, revision = ref.partition("@")
    patterns = [*_DETERMINING, "*.py", *(PICKLED if allow_pickle else ())]
    try:
        folder = Path(snapshot_download(repo, revision=revision or None, allow_patterns=patterns))
    # huggingface_hub raises its own, httpx's and plain OS errors; each means "not to be had".
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), "")
        raise UserError(
            f"cannot fetch {ref} from the hub: {type(error).__name__}: {line}",
            "Check the name and the network (HF_HUB_OFFLINE, HF_TOKEN), or name a local folder.",
        ) from error
    commit = folder.name
    if not _COMMIT.fullmatch(commit):
        raise UserError(f"{ref}: the hub's cache has an unknown layout ({folder})")
    return folder, commit
