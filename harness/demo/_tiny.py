"""Writes the tiny models' folders."""

import io
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

_FILES = ("config.json", "model.safetensors", "tokenizer.json", "processor_config.json")


def make_models(
    folder: Path, only: Sequence[str] = ("qwen2_vl", "llava_next", "mllama")
) -> dict[str, Path]:
    """Writes tiny vision-language checkpoints that load like the real ones.

    Their weights are random but seeded; greedy answers are a few readable words that depend on
    the picture and the prompt and end by themselves. A finished folder is left as it is, and
    one that lacks a file is made anew.

    Args:
        folder: Where `qwen2_vl`, `llava_next` and `mllama` go; made where it is missing.
        only: The ones to write.

    Returns:
        Each one's folder, in the order of `only`.

    Raises:
        ValueError: `only` names a model that there is not.
    """
    from harness.demo._tiny_models import MAKERS

    for name in only:
        if name not in MAKERS:
            raise ValueError(f"There is no tiny model {name!r}. Choose from: {', '.join(MAKERS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in only:
        if not _is_finished(folder / name):
            _make(name, folder / name)
    return {name: folder / name for name in only}


def _is_finished(path: Path) -> bool:
    return all((path / file).is_file() for file in _FILES)


def _make(name: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as scratch:
        made = Path(scratch) / name
        _write(name, made)
        if path.exists() and not _is_finished(path):
            shutil.rmtree(path)
        try:
            made.rename(path)
        except OSError:
            if not _is_finished(path):  # else another process was faster
                raise


def _write(name: str, path: Path) -> None:
    import torch
    from transformers.utils import logging

    from harness.demo._tiny_models import MAKERS

    had_progress_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    # transformers' own deprecations, and DeepSpeed's word on stdout that there is no GPU.
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", FutureWarning)
        try:
            with torch.random.fork_rng(devices=[]):
                model, processor = MAKERS[name]()
            model.save_pretrained(path)
        finally:
            if had_progress_bar:
                logging.enable_progress_bar()
    processor.save_pretrained(path)
    if name == "llava_next":
        _name_weights_as_published(path / "model.safetensors")


def _name_weights_as_published(path: Path) -> None:
    """Gives LLaVA-NeXT's vision tower the key names of the published checkpoints.

    transformers reads them with and without `vision_model` and writes what it has read, but
    without it where the model was built from a config; vLLM reads them only with it.
    """
    from safetensors.torch import load_file, save_file

    weights = {
        key.replace("vision_tower.", "vision_tower.vision_model.", 1): weight
        for key, weight in load_file(path).items()
    }
    save_file(weights, path, metadata={"format": "pt"})
