"""Checks of trust: what a checkpoint's folder holds before anything in it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import digest

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Pickled beside the weights by trainers, and never loaded here.
_TRAINER_STATE = frozenset((
    "training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth",
))  # fmt: skip
_GENERATE = "custom_generate/generate.py"
_ADAPTER_HINT = "This is a LoRA adapter: merge it into its base model first."


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        UserError: It is missing or damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        hint = "A checkpoint folder holds config.json, *.safetensors and tokenizer files."
        if (folder / "adapter_config.json").is_file():
            hint = _ADAPTER_HINT
        raise UserError(f"{folder} holds no checkpoint: config.json is missing", hint)
    return _read_object(path)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object")
    return value


def check_weights(folder: Path, ref: str, *, allow_pickle: bool) -> None:
    """Refuse a folder without weights, with missing shards, or with pickles nobody asked for."""
    read_config(folder)
    _check_shards(folder, ref)
    if not any(not _of_adapter(path) for path in (*_safe(folder), *_pickled(folder))):
        hint = "If this is a folder of checkpoints, name one of them."
        if any(folder.glob("adapter_model.*")):
            hint = _ADAPTER_HINT
        raise UserError(f"{ref} holds no weights: no *.safetensors in {folder}", hint)
    pickled = loaded_pickles(folder)
    if pickled and not allow_pickle:
        raise UserError(
            f"{ref}: its weights are pickled ({pickled[0].name}), and a pickle can run any code",
            "Load and save it once with safe_serialization=True, or pass --allow-pickle if you "
            "trust who made it.",
        )


def _safe(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _pickled(folder: Path) -> list[Path]:
    found = sorted(path for pattern in PICKLED for path in folder.glob(pattern))
    return [path for path in found if path.name not in _TRAINER_STATE]


def _of_adapter(path: Path) -> bool:
    return path.name.startswith("adapter_model.")


def loaded_pickles(folder: Path) -> list[Path]:
    """Pickles that loading would open: all where nothing is safe, else an adapter's."""
    safe = any(not _of_adapter(path) for path in _safe(folder))
    return [path for path in _pickled(folder) if not safe or _of_adapter(path)]


def _check_shards(folder: Path, ref: str) -> None:
    """What an index lists is opened as a path: it must be a file of the folder, not pickled."""
    for index in folder.glob("*.safetensors.index.json"):
        if index.with_suffix("").with_suffix("").is_file():
            continue  # the weights in one file are taken first
        shards = _read_object(index).get("weight_map")
        for name in sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else ():
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise UserError(f"{index} lists {name!r}, which is no *.safetensors of its folder")
            if not (folder / name).is_file():
                raise UserError(
                    f"{ref} lacks {name}, which {index.name} lists",
                    "Fetch or copy the checkpoint again.",
                )


def _code_names(config: dict[str, Any]) -> set[str]:
    """The texts under every `auto_map` of a configuration, however deep."""
    names: set[str] = set()
    todo: list[tuple[bool, Any]] = [(False, config)]
    while todo:
        inside, value = todo.pop()
        if isinstance(value, dict):
            todo += [(inside or key == "auto_map", item) for key, item in value.items()]
        elif isinstance(value, list):
            todo += [(inside, item) for item in value]
        elif inside and isinstance(value, str):
            names.add(value)
    return names


def check_code(folder: Path, ref: str, revision: str | None, trusted: str | None) -> bool:
    """Refuse code of the checkpoint's own, unless it is pinned to what lies there.

    Returns:
        Whether loading the checkpoint runs such code.
    """
    # transformers runs this file for whoever trusts a checkpoint's code, named or not.
    wanted = {_GENERATE} if (folder / _GENERATE).exists() else set()
    for path in sorted(folder.glob("*config.json")):
        wanted |= _code_names(_read_object(path))
    if not wanted and (trusted is None or not _code_files(folder)):
        return False
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
    return bool(wanted)


def _code_files(folder: Path) -> list[Path]:
    # Named apart, as `**` does not follow a link to a folder.
    return sorted({*folder.glob("**/*.py"), *folder.glob("custom_generate/*.py")})


def _code_pin(folder: Path) -> str:
    files = _code_files(folder)
    return digest([(str(path.relative_to(folder)), hash_file(path)) for path in files])[:12]


def hash_file(path: Path) -> str:
    """Hash of a file's content, 32 hex digits."""
    import xxhash

    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    return hashed.hexdigest()
