"""The one error a user is meant to read."""


class UserError(Exception):
    """Something the user can mend: shown as one clear message, never a traceback.

    Args:
        message: What is wrong and where.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UnreadableRow(ValueError):
    """A record that cannot be read as a row: it belongs to no column and is counted apart."""


class LabelError(ValueError):
    """A label outside its task's vocabulary: the row fails, and counts as wrong."""
