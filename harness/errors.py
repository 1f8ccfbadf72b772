"""Errors that are part of the interface."""

from tasks import UserError

__all__ = ["RowError", "UserError"]


class RowError(ValueError):
    """One row cannot be answered: it fails with this reason and the run goes on."""
