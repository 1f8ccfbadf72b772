"""lmms-eval itself: imported once, quietly, and without its side effects on this process."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks._errors import UserError
from tasks.from_lmms_eval._index import package_folder


def version() -> str:
    """The installed release."""
    return importlib.metadata.version("lmms-eval")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what lmms-eval's code prints off the screen, and Pillow's settings as they were.

    Its import, and that of many of its tasks, makes Pillow accept truncated files and pictures of
    any size for the whole process.
    """
    from PIL import Image, ImageFile

    settings = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    nowhere = io.StringIO()
    try:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = settings


def module(name: str) -> Any:
    """One of its modules.

    Raises:
        UserError: The package is missing or cannot be imported.
    """
    package_folder()
    try:
        with quiet():
            imported = importlib.import_module(name)
            _silence()
        return imported
    # Its import pulls in a hundred packages, any of which may fail in its own way.
    except Exception as error:
        raise UserError(
            f"lmms-eval cannot be imported: {one_line(error)}",
            "`python -c 'import lmms_eval.tasks'` shows the whole of it.",
        ) from error


def _silence() -> None:
    from loguru import logger

    with contextlib.suppress(ValueError):
        logger.remove(0)  # the handler that writes everything, debugging included, to stderr


def full_config(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A task file with its functions, as lmms-eval loads it.

    Args:
        path: The YAML file; its Python files are run.
        changes: Settings that a group makes for its member.

    Raises:
        UserError: It cannot be loaded.
    """
    utils = module("lmms_eval.utils")
    try:
        with quiet():
            config: dict[str, Any] = utils.load_yaml_config(str(path), mode="full")
    # Task files run their own Python, which imports whatever it likes.
    except Exception as error:
        raise UserError(f"{path} cannot be loaded by lmms-eval: {one_line(error)}") from error
    return {**config, **changes}


def one_line(error: BaseException) -> str:
    """An error's kind and the first line of what it says."""
    cause = getattr(error, "last_attempt", None)  # tenacity's wrapper around the last failure
    if cause is not None and (inner := cause.exception()) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def plain(value: Any) -> Any:
    """A configuration as JSON values: functions by module and name, addresses left out."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, functools.partial):
        return {"partial": plain([value.func, value.args, value.keywords])}
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
