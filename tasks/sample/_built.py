"""Painters of built land: traffic, housing, industry."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tasks.sample._canvas import Color, Pen, near
from tasks.sample._ground import PAVED, ROAD, WATER, WHITE, draw_house, draw_trees, wave

_CARS: tuple[Color, ...] = ((214, 60, 52), (240, 240, 240), (50, 70, 130), (40, 40, 44))


def _airplanes(pen: Pen, rng: Random) -> None:
    pen.box(8, 8, 92, 92, near(PAVED, rng))
    for x, y in ((30, 34), (70, 66)):
        body = near(WHITE, rng, 8)
        pen.line([(x, y - 18), (x, y + 16)], 5, body)
        pen.shape([(x, y - 6), (x + 19, y + 6), (x + 19, y + 10), (x, y + 4)], body)
        pen.shape([(x, y - 6), (x - 19, y + 6), (x - 19, y + 10), (x, y + 4)], body)
        pen.shape([(x, y + 11), (x + 8, y + 17), (x - 8, y + 17)], body)


def _bridge(pen: Pen, rng: Random) -> None:
    pen.line(wave(50, 4, rng), 46, near(WATER, rng))
    pen.box(-1, 42, 101, 58, (206, 204, 198))
    pen.box(-1, 45, 101, 55, ROAD)
    for x in range(4, 100, 12):
        pen.box(x, 49.4, x + 6, 50.6, WHITE)
    for x in (34, 50, 66):
        pen.box(x - 1.5, 38, x + 1.5, 62, (206, 204, 198))


def _harbor(pen: Pen, rng: Random) -> None:
    pen.box(0, 0, 100, 100, near(WATER, rng))
    pen.box(0, 0, 100, 16, near(PAVED, rng))
    for x in (18, 50, 82):
        pen.box(x - 2, 14, x + 2, 94, (186, 158, 118))
        for y in range(26, 95, 13):
            for side in (-1, 1):
                hull, tip = near(WHITE, rng, 10), x + side * 14
                pen.box(min(x + side * 3, tip), y - 2.6, max(x + side * 3, tip), y + 2.6, hull, 2)
                pen.box(x + side * 8 - 2, y - 1.4, x + side * 8 + 2, y + 1.4, rng.choice(_CARS))


def _highway(pen: Pen, rng: Random) -> None:
    draw_trees(pen, rng, 10)
    pen.box(28, -1, 72, 101, ROAD)
    pen.box(48.5, -1, 51.5, 101, (206, 196, 120))
    for lane in (35.5, 42, 58, 64.5):
        for dash in range(0, 100, 10):
            pen.box(lane - 0.5, dash, lane + 0.5, dash + 5, WHITE)
    for x in (32, 39, 45, 55, 61, 68):
        y = rng.uniform(8, 92)
        pen.box(x - 1.8, y - 3.6, x + 1.8, y + 3.6, rng.choice(_CARS), 1)


def _intersection(pen: Pen, rng: Random) -> None:
    for x, y in ((18, 18), (82, 18), (18, 82), (82, 82)):
        draw_house(pen, x, y, 12, rng)
    pen.box(38, -1, 62, 101, ROAD)
    pen.box(-1, 38, 101, 62, ROAD)
    for step in range(40, 62, 4):
        pen.box(step - 1, 31, step + 1, 36, WHITE)
        pen.box(step - 1, 64, step + 1, 69, WHITE)
        pen.box(31, step - 1, 36, step + 1, WHITE)
        pen.box(64, step - 1, 69, step + 1, WHITE)


def _overpass(pen: Pen, rng: Random) -> None:
    draw_trees(pen, rng, 14)
    for left, right in ((28, 48), (52, 72)):
        pen.box(left, -1, right, 101, ROAD)
        for y in range(0, 100, 10):
            pen.box((left + right) / 2 - 0.5, y, (left + right) / 2 + 0.5, y + 5, WHITE)
    pen.shape([(-1, 70), (101, 40), (101, 66), (-1, 96)], (56, 60, 62))
    pen.shape([(-1, 66), (101, 36), (101, 60), (-1, 90)], (206, 204, 198))
    pen.shape([(-1, 69), (101, 39), (101, 57), (-1, 87)], (120, 122, 126))
    pen.line([(-1, 78), (101, 48)], 1, WHITE)


def _parking(pen: Pen, rng: Random) -> None:
    pen.box(0, 0, 100, 100, near((122, 124, 126), rng, 6))
    for y in (14, 38, 62, 86):
        for x in range(6, 98, 8):
            pen.box(x - 4.3, y - 9, x - 3.7, y + 9, WHITE)
            if rng.random() < 0.8:
                pen.box(x - 2.6, y - 7, x + 2.6, y + 7, near(rng.choice(_CARS), rng), 1.5)


def _railway(pen: Pen, rng: Random) -> None:
    draw_trees(pen, rng, 10)
    for x in (36, 64):
        pen.box(x - 10, -1, x + 10, 101, (138, 128, 120))
        for y in range(0, 101, 5):
            pen.box(x - 7, y, x + 7, y + 2, (96, 72, 54))
        for rail in (-4, 4):
            pen.box(x + rail - 0.6, -1, x + rail + 0.6, 101, (216, 218, 222))


def _residential(pen: Pen, rng: Random) -> None:
    pen.box(0, 47, 100, 53, ROAD)
    for x in range(11, 100, 19):
        for y in (10, 34, 66, 90):
            draw_house(pen, x + rng.uniform(-1, 1), y, 7.5, rng)
    draw_trees(pen, rng, 9)


def _runway(pen: Pen, rng: Random) -> None:
    pen.box(32, -1, 68, 101, (78, 80, 86))
    pen.box(33.5, -1, 34.5, 101, WHITE)
    pen.box(65.5, -1, 66.5, 101, WHITE)
    for x in range(38, 64, 6):
        pen.box(x - 1.4, 78, x + 1.4, 96, WHITE)
    for y in range(2, 72, 14):
        pen.box(49, y, 51, y + 8, WHITE)
    pen.line([(68, rng.uniform(30, 60)), (101, rng.uniform(10, 80))], 10, (104, 106, 110))


def _sparse_residential(pen: Pen, rng: Random) -> None:
    pen.line([(20, 101), (34, 62), (101, 40)], 3, (206, 196, 176))
    draw_trees(pen, rng, 26)
    draw_house(pen, 30, 46, 10, rng)
    draw_house(pen, 68, 66, 9, rng)


def _stadium(pen: Pen, rng: Random) -> None:
    pen.box(10, 16, 90, 84, (206, 206, 206), 34)
    pen.box(14, 20, 86, 80, near((190, 92, 70), rng, 8), 30)
    pen.box(24, 30, 76, 70, (92, 162, 76), 18)
    pen.box(34, 32, 66, 68, (108, 182, 88))
    pen.line([(50, 32), (50, 68)], 1, WHITE)
    pen.ring(50, 50, 7, 1, WHITE)


def _storage_tanks(pen: Pen, rng: Random) -> None:
    pen.box(6, 6, 94, 94, near((190, 184, 172), rng, 6))
    for x, y in [(x, y) for y in (28, 72) for x in (22, 50, 78)]:
        pen.disc(x + 2.5, y + 2.5, 12, (100, 98, 94))
        pen.disc(x, y, 12, near(WHITE, rng, 6))
        pen.ring(x, y, 9.5, 0.8, (184, 186, 188))
        pen.line([(x, y), (x + 9, y - 6)], 1.4, (176, 178, 180))


BUILT: dict[str, Callable[[Pen, Random], None]] = {
    "airplanes": _airplanes,
    "bridge": _bridge,
    "harbor": _harbor,
    "highway": _highway,
    "intersection": _intersection,
    "overpass": _overpass,
    "parking": _parking,
    "railway": _railway,
    "residential": _residential,
    "runway": _runway,
    "sparse residential": _sparse_residential,
    "stadium": _stadium,
    "storage tanks": _storage_tanks,
}
"""Kind of scene to the function that draws it."""
