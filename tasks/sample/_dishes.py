"""Drawn dishes for sixteen classes of Food101, each a shape and colours of its own."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image

from tasks.sample._canvas import Color, Pen, near
from tasks.sample._ingredients import draw_food
from tasks.sample._plate import TABLES, draw_vessel, scatter
from tasks.sample._sweets import SWEETS

_CRUST: Color = (204, 148, 76)
_BUN: Color = (214, 152, 78)


def draw_dish(name: str, rng: Random) -> Image.Image:
    """Draw a dish of Food101.

    Args:
        name: A key of `DISHES`.
        rng: Tints and scatters.
    """
    pen = Pen(near(rng.choice(TABLES), rng))
    DISHES[name](pen, rng)
    return pen.image()


def _caprese_salad(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    tomato, mozzarella = (214, 52, 40), (252, 250, 244)
    for place, color in enumerate((tomato, mozzarella, tomato, mozzarella, tomato)):
        layer = pen.at(50 + rng.uniform(-3, 3), 26 + 12 * place)
        layer.disc(0, 0.8, 15.4, (150, 140, 124))
        layer.disc(0, 0, 15, color)
    for x, y in scatter(rng, 5, 20):
        pen.oval(x, y, 5, 3, near((58, 130, 54), rng))


def _french_fries(pen: Pen, rng: Random) -> None:
    for _ in range(16):
        x = rng.uniform(30, 70)
        top = (x + rng.uniform(-10, 10), rng.uniform(10, 30))
        pen.line([(x, 70), top], 5, near((242, 202, 92), rng, 14))
        pen.line([(x + 1.6, 70), (top[0] + 1.6, top[1])], 1, (214, 160, 58))
    pen.shape([(22, 48), (78, 48), (70, 92), (30, 92)], (204, 40, 38))
    pen.oval(50, 48, 28, 6, (226, 70, 60))


def _guacamole(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "bowl", rng)
    pen.disc(50, 50, 35, (142, 176, 70))
    for x, y in scatter(rng, 22, 31):
        pen.disc(x, y, rng.uniform(2, 5), near((160, 194, 88), rng, 14))
    for x, y in scatter(rng, 6, 26):
        pen.box(x - 2, y - 2, x + 2, y + 2, (214, 58, 44))
    pen.shape([(62, 14), (90, 6), (80, 36)], (236, 196, 96))


def _hamburger(pen: Pen, rng: Random) -> None:
    pen.oval(50, 86, 42, 7, (232, 230, 224))
    pen.box(18, 72, 82, 86, _BUN, 6)
    pen.box(15, 62, 85, 74, near((98, 54, 36), rng, 8), 5)
    pen.shape([(16, 57), (84, 57), (70, 68), (58, 60), (40, 68), (28, 60)], (250, 202, 60))
    for x in range(16, 85, 7):
        pen.disc(x, 55, 5, near((112, 176, 66), rng))
    pen.box(18, 47, 82, 54, (214, 54, 40), 3)
    pen.oval(50, 40, 34, 22, near(_BUN, rng, 6))
    pen.box(16, 40, 84, 50, _BUN, 4)
    for x, y in ((34, 30), (46, 24), (58, 29), (68, 35), (42, 35), (54, 37)):
        pen.oval(x, y, 1.8, 1.1, (250, 232, 190))


def _hot_dog(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    pen.line([(24, 70), (76, 32)], 34, _BUN)
    pen.line([(20, 71), (80, 29)], 15, near((176, 68, 48), rng, 8))
    wave = [(24 + 4 * n, 68 - 2.9 * n + (3 if n % 2 else -3)) for n in range(14)]
    pen.line(wave, 2.6, (250, 206, 40))


def _miso_soup(pen: Pen, rng: Random) -> None:
    pen.disc(51, 53, 46, (60, 50, 46))
    pen.disc(50, 50, 46, (44, 26, 24))
    pen.disc(50, 50, 39, (150, 34, 30))
    pen.disc(50, 50, 35, near((206, 160, 92), rng, 8))
    for x, y in scatter(rng, 6, 25):
        pen.box(x - 4.5, y - 4.5, x + 4.5, y + 4.5, (250, 246, 230), 1)
    for x, y in scatter(rng, 9, 29):
        pen.ring(x, y, 3, 1.4, (70, 146, 62))


def _pizza(pen: Pen, rng: Random) -> None:
    pen.disc(50, 50, 46, near(_CRUST, rng, 8))
    pen.disc(50, 50, 40, (206, 72, 44))
    pen.disc(50, 50, 38, near((250, 206, 98), rng, 8))
    for x, y in scatter(rng, 8, 32):
        pen.disc(x, y, 6, (186, 44, 36))
    for x, y in scatter(rng, 7, 32):
        pen.oval(x, y, 3.4, 1.8, (64, 132, 52))
    for end in ((4, 50), (27, 10), (73, 10)):
        pen.line([end, (100 - end[0], 100 - end[1])], 0.8, (188, 122, 60))


def _spaghetti_bolognese(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    for nest in ((38, 34), (60, 34), (32, 52), (68, 52), (40, 68), (60, 68), (50, 50)):
        draw_food(pen.at(*nest, 1.1), "noodles", rng)
    for x, y in scatter(rng, 22, 17):
        pen.disc(x, y, rng.uniform(3, 6), near((162, 54, 32), rng, 12))
    pen.oval(48, 44, 5, 3, (66, 140, 56))


def _steak(pen: Pen, rng: Random) -> None:
    draw_vessel(pen, "plate", rng)
    pen.oval(44, 46, 28, 20, (236, 206, 170))
    pen.oval(45, 47, 26, 18, near((112, 60, 42), rng, 8))
    for x in (28, 38, 48, 58):
        pen.line([(x - 3, 57), (x + 7, 36)], 2.6, (62, 32, 26))
    draw_food(pen.at(60, 74, 1.2), "green beans", rng)


def _sushi(pen: Pen, rng: Random) -> None:
    pen.box(6, 12, 94, 90, (58, 48, 46), 3)
    fillings = ((246, 140, 104), (232, 74, 66), (250, 208, 78), (120, 178, 70))
    for x, y in [(x, y) for y in (33, 69) for x in (24, 50, 76)]:
        pen.disc(x, y, 13, (28, 40, 34))
        pen.disc(x, y, 10.6, (250, 248, 242))
        pen.disc(x, y, 5, near(rng.choice(fillings), rng, 6))


DISHES: dict[str, Callable[[Pen, Random], None]] = {
    "caprese_salad": _caprese_salad,
    "french_fries": _french_fries,
    "guacamole": _guacamole,
    "hamburger": _hamburger,
    "hot_dog": _hot_dog,
    "miso_soup": _miso_soup,
    "pizza": _pizza,
    "spaghetti_bolognese": _spaghetti_bolognese,
    "steak": _steak,
    "sushi": _sushi,
    **SWEETS,
}
"""Class name of Food101 to the function that draws it."""
