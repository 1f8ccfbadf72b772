"""How an engine's errors are told: a line each, and whether they may pass."""

from __future__ import annotations

from harness.errors import RowError

_LONGEST = 400


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error may be gone with fewer or smaller requests beside it."""
    import torch

    # On a CPU, torch raises a plain RuntimeError.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def reason_of(error: BaseException) -> str:
    """What to write beside a row that fails."""
    if isinstance(error, RowError):
        return str(error)
    name = "out of memory" if is_out_of_memory(error) else type(error).__name__
    return one_line(f"{name}: {error}")


def one_line(text: str) -> str:
    """A message without its line breaks, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
