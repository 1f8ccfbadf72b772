"""Painters of the sweet dishes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tasks.sample._canvas import Color, Pen, near
from tasks.sample._plate import draw_vessel

_CREAMS: tuple[Color, ...] = ((248, 196, 208), (196, 232, 206), (246, 236, 204), (208, 196, 236))


def _cup_cakes(pen: Pen, rng: Random) -> None:
    for x in (28, 72):
        pen.shape([(x - 17, 56), (x + 17, 56), (x + 12, 86), (x - 12, 86)], (150, 96, 58))
        for step in (-10, -3, 4, 11):
            pen.line([(x + step, 57), (x + step * 0.75, 85)], 1, (120, 72, 42))
        cream = rng.choice(_CREAMS)
        for y, half in ((54, 19), (43, 15), (33, 10)):
            pen.oval(x, y, half, 9, near(cream, rng, 5))
        pen.disc(x, 22, 4.5, (204, 30, 44))


def _donuts(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    icings: tuple[Color, ...] = ((236, 120, 164), (96, 56, 38), (134, 190, 218))
    sprinkles = ((-10, 3), (10, -4), (3, 11), (-4, -11), (8, 8), (-8, -7))
    for x, y in ((33, 37), (67, 37), (50, 67)):
        pen.ring(x, y, 18, 13, (204, 148, 76))
        pen.ring(x, y, 16, 9, near(rng.choice(icings), rng, 6))
        for dx, dy in sprinkles:
            pen.disc(x + dx, y + dy, 1.3, rng.choice(_CREAMS))


def _ice_cream(pen: Pen, rng: Random) -> None:
    pen.shape([(30, 48), (70, 48), (50, 96)], (216, 164, 92))
    for step in (-12, -4, 4, 12):
        pen.line([(50 + step, 50), (50 + step * 0.2, 84)], 1, (176, 122, 60))
    scoops = rng.sample(_CREAMS, 3)
    for (x, y), cream in zip(((38, 42), (62, 42), (50, 24)), scoops, strict=True):
        pen.disc(x, y, 16, near(cream, rng, 6))
        pen.disc(x - 5, y - 5, 4, (255, 252, 246))


def _macarons(pen: Pen, rng: Random) -> None:
    pen.box(6, 14, 94, 90, (240, 236, 230), 6)
    for x, y in [(x, y) for y in (33, 70) for x in (24, 50, 76)]:
        color = near(rng.choice(_CREAMS), rng, 16)
        filling: Color = (color[0] - 40, color[1] - 40, color[2] - 40)
        pen.box(x - 11, y - 13, x + 11, y - 3, color, 5)
        pen.box(x - 10, y - 4, x + 10, y + 4, filling, 1)
        pen.box(x - 11, y + 3, x + 11, y + 13, color, 5)


def _pancakes(pen: Pen, rng: Random) -> None:
    pen.oval(50, 84, 44, 10, (240, 238, 232))
    for y in (80, 70, 60, 50):
        pen.oval(50, y, 35, 11, (176, 110, 52))
        pen.oval(50, y - 3, 35, 11, near((232, 180, 100), rng, 6))
    pen.oval(50, 46, 24, 7, (140, 72, 28))
    for x, bottom in ((32, 66), (50, 76), (66, 62)):
        pen.line([(x, 47), (x, bottom)], 5, (140, 72, 28))
    pen.shape([(42, 40), (56, 36), (62, 42), (48, 47)], (252, 232, 130))


def _waffles(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    pen.box(20, 20, 80, 80, near((222, 162, 76), rng, 8), 5)
    for x in range(24, 76, 11):
        for y in range(24, 76, 11):
            pen.box(x, y, x + 7.6, y + 7.6, (176, 114, 46), 1)
    pen.disc(50, 48, 12, (252, 248, 236))
    for x, y in ((41, 58), (60, 54), (51, 38)):
        pen.disc(x, y, 4.4, (70, 80, 150))


SWEETS: dict[str, Callable[[Pen, Random], None]] = {
    "cup_cakes": _cup_cakes,
    "donuts": _donuts,
    "ice_cream": _ice_cream,
    "macarons": _macarons,
    "pancakes": _pancakes,
    "waffles": _waffles,
}
"""Class name of Food101 to the function that draws it."""
