"""One live process a folder: a lock of the operating system, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError


@contextmanager
def hold(folder: Path, hint: str) -> Iterator[None]:
    """Hold a folder; the operating system lets go when the process ends, however it ends.

    Args:
        folder: Made if missing.
        hint: What to do if it is held already.

    Raises:
        UserError: Another live process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise UserError(
                f"{folder} is in use by another process{f' ({holder})' if holder else ''}", hint
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(handle)
