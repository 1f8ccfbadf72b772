"""Pictures of the toy domains."""

from __future__ import annotations

from random import Random

from PIL import Image

from harness.demo.world._domain import Facts
from tasks.sample._canvas import Pen, near
from tasks.sample.scan import PIXELS

_CELL = PIXELS // 2


def draw(facts: Facts, rng: Random) -> Image.Image:
    """Draw a picture, 56x56 RGB: kind as background, things in a 2x2 grid, band and mark.

    Args:
        facts: What it shows.
        rng: Moves, sizes and tints what the facts leave open.
    """
    domain = facts.domain
    things, band, mark = domain.colors
    pen = Pen(near(domain.backgrounds[facts.kind], rng, 8), side=PIXELS, units=PIXELS)
    width = rng.randint(5, 7)
    boxes = (
        (0, 0, width, PIXELS),
        (PIXELS - width, 0, PIXELS, PIXELS),
        (0, 0, PIXELS, width),
        (0, PIXELS - width, PIXELS, PIXELS),
    )
    pen.box(*boxes[facts.side], near(band, rng))
    cells = [(column, row) for row in (0, 1) for column in (0, 1)]
    color = near(things, rng)
    for column, row in rng.sample(cells, facts.count):
        x = column * _CELL + _CELL / 2 + rng.randint(-2, 2)
        y = row * _CELL + _CELL / 2 + rng.randint(-2, 2)
        pen.disc(x, y, rng.randint(5, 7), color)
    if facts.marked:
        centre, half = PIXELS / 2, 4
        pen.box(centre - half, centre - half, centre + half, centre + half, near(mark, rng))
    return pen.image()
