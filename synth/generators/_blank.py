"""The blank picture, one and the same in seed data and in generation."""

from __future__ import annotations

from PIL import Image

from harness import images
from harness.images import Picture

_SIZE = (336, 336)
"""Pixels; one tile of the published synthesizer's vision encoder."""


def blank_picture() -> Picture:
    """A grey picture."""
    return images.blank(Image.new("RGB", _SIZE))
