"""Painters of open land: beaches, fields, forests, water."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from tasks.sample._canvas import Color, Pen, near
from tasks.sample._ground import SAND, WATER, WHITE, draw_tree, draw_trees, wave


def _beach(pen: Pen, rng: Random) -> None:
    pen.box(0, 0, 100, 100, near(SAND, rng))
    shore = wave(52, 5, rng)
    for shift, color in ((0, WHITE), (4, (122, 190, 200)), (14, WATER)):
        coast = [(x + shift, y) for x, y in shore]
        pen.shape([*coast, (101, 110), (101, -10)], color)
    for _ in range(9):
        x, y = rng.uniform(5, 40), rng.uniform(5, 95)
        pen.disc(x, y, 2.6, rng.choice(((220, 70, 60), (250, 210, 80), (90, 130, 200))))


def _desert(pen: Pen, rng: Random) -> None:
    pen.box(0, 0, 100, 100, near((222, 186, 124), rng))
    for row in range(9):
        y, phase = 12.0 * row, rng.uniform(0, 6)
        ridge = [(5.0 * step, y + 3 * math.sin(phase + step / 2.6)) for step in range(-1, 22)]
        pen.line(ridge, 3.4, (238, 208, 152))
        pen.line([(x, py + 2.4) for x, py in ridge], 1.6, (188, 148, 92))


def _farmland(pen: Pen, rng: Random) -> None:
    crops = ((150, 174, 80), (204, 186, 98), (120, 150, 70), (176, 140, 92), (94, 132, 62))
    for column in range(3):
        for row in range(3):
            color, left, top = near(rng.choice(crops), rng), 33.5 * column, 33.5 * row
            pen.box(left, top, left + 32, top + 32, color)
            furrow: Color = (color[0] - 24, color[1] - 24, color[2] - 20)
            upright = rng.random() < 0.5
            for step in range(3, 32, 5):
                start = (left + step, top) if upright else (left, top + step)
                end = (left + step, top + 32) if upright else (left + 32, top + step)
                pen.line([start, end], 1.2, furrow)


def _forest(pen: Pen, rng: Random) -> None:
    pen.box(0, 0, 100, 100, (44, 76, 44))
    for row in range(15):
        for column in range(14):
            x, y = 7.6 * column + rng.uniform(-3, 3), 7.2 * row + rng.uniform(-3, 3)
            draw_tree(pen, x, y, rng.uniform(4, 6), rng)


def _river(pen: Pen, rng: Random) -> None:
    draw_trees(pen, rng, 18)
    bed = wave(50, 17, rng)
    pen.line(bed, 27, (206, 194, 150))
    pen.line(bed, 22, near(WATER, rng))


NATURE: dict[str, Callable[[Pen, Random], None]] = {
    "beach": _beach,
    "desert": _desert,
    "farmland": _farmland,
    "forest": _forest,
    "river": _river,
}
"""Kind of scene to the function that draws it."""
