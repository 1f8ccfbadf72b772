"""Drawn land as seen from above."""

from __future__ import annotations

from random import Random

from PIL import Image

from tasks.sample._built import BUILT
from tasks.sample._canvas import Color, Pen, near
from tasks.sample._ground import draw_ground
from tasks.sample._nature import NATURE

SCENES = {**NATURE, **BUILT}
"""Kind of scene to the function that draws it."""

_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def draw_scene(kind: str, ground: Color, rng: Random) -> Image.Image:
    """Draw a kind of scene on open ground, turned by a random quarter.

    Args:
        kind: A key of `SCENES`.
        ground: Colour of the land around it (some scenes leave none).
        rng: Tints, scatters and turns.
    """
    pen = Pen(near(ground, rng))
    draw_ground(pen, ground, rng)
    SCENES[kind](pen, rng)
    turn = rng.choice(_TURNS)
    return pen.image() if turn is None else pen.image().transpose(turn)
