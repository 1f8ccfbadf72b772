"""From a model's name to a checked local checkpoint."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import digest

_DETERMINING = (
    "*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "additional_chat_templates/*.jinja",
)  # fmt: skip
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Written by trainers and people; they move no answer.
_IRRELEVANT = frozenset(("training.json", "trainer_state.json", "all_results.json", "README.txt"))
_COMMIT = re.compile(r"[0-9a-f]{40}")


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
        patterns = (*_DETERMINING, *(_PICKLED if self.allow_pickle else ()))
        patterns += ("*.py",) if self.remote_code else ()
        files = {path for pattern in patterns for path in self.folder.glob(pattern)}
        names = sorted(
            (str(path.relative_to(self.folder)), path)
            for path in files
            if path.name not in _IRRELEVANT
        )
        return digest([(name, _hash_file(path)) for name, path in names])[:32]


def _hash_file(path: Path) -> str:
    import xxhash

    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    return hashed.hexdigest()


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
    if Path(ref).expanduser().is_dir():
        folder, revision = Path(ref).expanduser(), None
    elif _looks_like_hub_id(ref):
        folder, revision = _download(ref, allow_pickle=allow_pickle)
    else:
        raise UserError(
            f"--model {ref}: no such folder",
            "Give a folder that holds a checkpoint, or a hub id such as org/name@revision.",
        )
    checkpoint = Checkpoint(ref, folder, revision, allow_pickle, trust_remote_code is not None)
    _check_weights(folder, ref, allow_pickle=allow_pickle)
    _check_code(folder, ref, revision, trust_remote_code)
    return checkpoint


def _looks_like_hub_id(ref: str) -> bool:
    return re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*(@[\w./-]+)?", ref) is not None


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        UserError: It is missing or damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        hint = "A checkpoint folder holds config.json, *.safetensors and tokenizer files."
        if (folder / "adapter_config.json").is_file():
            hint = "This is a LoRA adapter: merge it into its base model first."
        raise UserError(f"{folder} holds no checkpoint: config.json is missing", hint)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a JSON object")
    return config


def _check_weights(folder: Path, ref: str, *, allow_pickle: bool) -> None:
    read_config(folder)
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if not pickled:
        raise UserError(
            f"{ref} holds no weights: no *.safetensors in {folder}",
            "If this is a folder of checkpoints, name one of them.",
        )
    if not allow_pickle:
        raise UserError(
            f"{ref}: its weights are pickled ({pickled[0]}), and a pickle can run any code",
            "Load and save it once with safe_serialization=True, or pass --allow-pickle if you "
            "trust who made it.",
        )


def _check_code(folder: Path, ref: str, revision: str | None, trusted: str | None) -> None:
    wanted: set[str] = set()
    for path in folder.glob("*config.json"):
        try:
            auto_map = json.loads(path.read_text(encoding="utf-8")).get("auto_map") or {}
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        for value in auto_map.values():
            wanted.update(v for v in (value if isinstance(value, list) else [value]) if v)
    if not wanted:
        return
    pin = revision or _code_pin(folder)
    if any("--" in name for name in wanted):
        raise UserError(
            f"{ref} asks for code from another repository ({sorted(wanted)[0]}): refused",
            "Copy that code into the checkpoint's folder if you trust it.",
        )
    if trusted is None:
        raise UserError(
            f"{ref} asks to run code of its own ({sorted(wanted)[0]}): refused",
            f"Read that code; if you trust it, pass --trust-remote-code {pin}",
        )
    if trusted != pin:
        raise UserError(
            f"--trust-remote-code {trusted} is not the revision of {ref}, which is {pin}",
            "The code may have changed since you read it: read it again, then pass that revision.",
        )


def _code_pin(folder: Path) -> str:
    files = sorted(folder.glob("*.py"))
    return digest([(path.name, _hash_file(path)) for path in files])[:12]


def _download(ref: str, *, allow_pickle: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    repo, _, revision = ref.partition("@")
    patterns = [*_DETERMINING, "*.py", *(_PICKLED if allow_pickle else ())]
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
