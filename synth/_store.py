"""Embedded pictures on disk: once each, as the bytes they came in."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


class PictureStore:
    """Where embedded pictures go: under the name of their content, as the bytes they came in.

    Args:
        folder: The stage's.
        root: Folder that pictures lie in already; None if they are to be written out.
    """

    def __init__(self, folder: Path, root: Path | None) -> None:
        self.root = root or folder
        self._writes = root is None

    def keep(self, data: bytes, content: str) -> str | None:
        """Write a picture out, once; gives its path under the root, or None if it lies there."""
        if not self._writes:
            return None
        name = f"images/{content}{_suffix(data)}"
        path = self.root / name
        if not (path.is_file() and path.stat().st_size == len(data)):
            path.parent.mkdir(exist_ok=True)
            _put(path, data)
        return name


def _put(path: Path, data: bytes) -> None:
    """Whole or absent, without waiting for the disk: a size that is wrong is written again."""
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _suffix(data: bytes) -> str:
    starts = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp"}
    return next((name for start, name in starts.items() if data.startswith(start)), ".tiff")
