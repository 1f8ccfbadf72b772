"""Which texts out of a data set may be taken for a path."""

from __future__ import annotations


def is_plain_path(locator: object) -> bool:
    """Whether a locator is a relative path without `..`, and no address.

    Links are another matter: they are looked at when the file is opened.
    """
    if not isinstance(locator, str) or not locator or "\0" in locator or "://" in locator:
        return False
    return locator[0] not in "/\\~" and ".." not in locator.replace("\\", "/").split("/")
