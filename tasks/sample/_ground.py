"""What drawn land consists of: ground colours, roofs, trees, winding lines."""

from __future__ import annotations

import math
from random import Random

from tasks.sample._canvas import Color, Pen, Point, near

GRASS: Color = (118, 154, 86)
SOIL: Color = (178, 146, 106)
SAND: Color = (226, 206, 156)
PAVED: Color = (158, 158, 156)
WATER: Color = (62, 116, 156)
ROAD: Color = (96, 98, 102)
TREE: Color = (54, 104, 54)
WHITE: Color = (240, 240, 236)
_ROOFS: tuple[Color, ...] = ((178, 82, 60), (150, 100, 76), (122, 116, 118), (196, 128, 88))


def draw_ground(pen: Pen, color: Color, rng: Random) -> None:
    """Speckle open ground, so that it looks grown rather than painted."""
    for _ in range(160):
        pen.disc(rng.uniform(0, 100), rng.uniform(0, 100), 1, near(color, rng, 16))


def draw_house(pen: Pen, x: float, y: float, half: float, rng: Random) -> None:
    """Draw a roof with its ridge and shadow around (x, y)."""
    roof = near(rng.choice(_ROOFS), rng)
    dark: Color = (roof[0] * 3 // 4, roof[1] * 3 // 4, roof[2] * 3 // 4)
    wide, tall = rng.choice(((half, half * 0.75), (half * 0.8, half)))
    pen.box(x - wide + 1.5, y - tall + 1.5, x + wide + 1.5, y + tall + 1.5, (60, 66, 54))
    pen.box(x - wide, y - tall, x + wide, y + tall, roof)
    pen.box(x - wide, y, x + wide, y + tall, dark)


def draw_tree(pen: Pen, x: float, y: float, radius: float, rng: Random) -> None:
    """Draw a tree's crown around (x, y)."""
    green = near(TREE, rng, 14)
    pen.disc(x + 0.8, y + 0.8, radius, (38, 66, 40))
    pen.disc(x, y, radius, green)
    pen.disc(
        x - radius / 3, y - radius / 3, radius / 3, (green[0] + 22, green[1] + 26, green[2] + 18)
    )


def draw_trees(pen: Pen, rng: Random, count: int) -> None:
    """Draw trees all over the picture."""
    for _ in range(count):
        draw_tree(pen, rng.uniform(2, 98), rng.uniform(2, 98), rng.uniform(2.5, 4.5), rng)


def wave(x: float, swing: float, rng: Random) -> list[Point]:
    """A winding line from top to bottom around the given x."""
    phase = rng.uniform(0, 6.3)
    return [(x + swing * math.sin(phase + step / 3.2), 5.0 * step) for step in range(-1, 22)]
