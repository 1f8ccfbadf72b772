"""Drawn plates, bowls and baking dishes, and meals on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Literal

from PIL import Image

from tasks.sample._canvas import Color, Pen, Point, near
from tasks.sample._ingredients import draw_food

Vessel = Literal["plate", "bowl", "dish"]

TABLES: tuple[Color, ...] = ((171, 128, 86), (104, 124, 148), (132, 150, 118), (186, 172, 158))
_PATCHES = {1: (0, 2), 2: (19, 1.5), 3: (20, 1.3), 4: (22, 1.2), 5: (24, 1.05)}
"""Number of ingredients to their distance from the middle and their size."""


def draw_vessel(pen: Pen, vessel: Vessel, rng: Random) -> None:
    """Draw an empty plate, bowl or baking dish in the middle of the table."""
    if vessel == "dish":
        pen.box(4, 6, 96, 94, (92, 56, 44), 9)
        pen.box(9, 11, 91, 89, near((226, 204, 164), rng, 6), 6)
        return
    pen.disc(51, 52, 47, (70, 62, 56))
    if vessel == "bowl":
        pen.disc(50, 50, 47, near((66, 104, 148), rng, 14))
        pen.disc(50, 50, 41, near((226, 230, 230), rng, 3))
        return
    pen.disc(50, 50, 47, near((243, 241, 236), rng, 3))
    pen.ring(50, 50, 38, 1, (212, 208, 198))


def draw_meal(foods: Sequence[str], vessel: Vessel, rng: Random) -> Image.Image:
    """Draw a vessel with a patch of each ingredient, the first one at a random angle.

    Args:
        foods: One to five ingredients.
        vessel: What they lie on.
        rng: Tints, turns and scatters.
    """
    pen = Pen(near(rng.choice(TABLES), rng))
    draw_vessel(pen, vessel, rng)
    turn = rng.uniform(0, 2 * math.pi)
    distance, size = _PATCHES[len(foods)]
    for place, food in enumerate(foods):
        angle = turn + 2 * math.pi * place / len(foods)
        x, y = 50 + distance * math.cos(angle), 50 + distance * math.sin(angle)
        draw_food(pen.at(x, y, size), food, rng)
    return pen.image()


def scatter(rng: Random, count: int, reach: float) -> list[Point]:
    """At most `count` points within `reach` of the picture's middle, well apart."""
    points: list[Point] = []
    for _ in range(20 * count):
        x, y = rng.uniform(-reach, reach), rng.uniform(-reach, reach)
        inside = x * x + y * y <= reach * reach
        if inside and all(abs(x - px) + abs(y - py) > reach / 2.4 for px, py in points):
            points.append((x, y))
    return [(50 + x, 50 + y) for x, y in points[:count]]
