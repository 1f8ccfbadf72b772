"""A drawn village after the rain, and the questions of FloodNet about it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image

from tasks.sample._canvas import Color, Pen, near
from tasks.sample._ground import GRASS, ROAD, draw_ground, draw_house, draw_tree

_COUNTS = ("zero", "one", "two", "three", "four")
_WATER: Color = (98, 134, 156)
_PLOTS = ((22, 24), (78, 24), (22, 76), (78, 76))


@dataclass(frozen=True, slots=True)
class Village:
    """The facts of one picture."""

    flooded: tuple[bool, ...]
    """One entry a building, 1 to 4: whether it stands in water."""
    road_flooded: bool

    @property
    def condition(self) -> str:
        """`flooded` if anything is under water, else `non flooded`."""
        return "flooded" if self.road_flooded or any(self.flooded) else "non flooded"


def draw_village(village: Village, rng: Random) -> Image.Image:
    """Draw houses on both sides of a road, with water where it is flooded."""
    pen = Pen(near(GRASS, rng, 8))
    draw_ground(pen, GRASS, rng)
    pen.box(43, -1, 57, 101, ROAD)
    for y in range(2, 100, 12):
        pen.box(49.4, y, 50.6, y + 6, (236, 236, 230))
    if village.road_flooded:
        _pool(pen, 50, rng.uniform(44, 56), (15, 30), rng)
    plots = rng.sample(_PLOTS, len(_PLOTS))
    for (x, y), under_water in zip(plots, village.flooded, strict=False):
        if under_water:
            _pool(pen, x, y, (20, 21), rng)
        draw_house(pen, x + rng.uniform(-2, 2), y + rng.uniform(-2, 2), 11, rng)
    for x, y in plots[len(village.flooded) :]:
        for dx, dy in ((-8, -5), (6, -7), (-2, 7)):
            draw_tree(pen, x + dx, y + dy, rng.uniform(4, 6), rng)
    return pen.image()


def _pool(pen: Pen, x: float, y: float, radii: tuple[float, float], rng: Random) -> None:
    rx, ry = radii
    pen.oval(x, y, rx, ry, (142, 138, 108))
    pen.oval(x, y, rx - 1.2, ry - 1.2, near(_WATER, rng, 6))
    pen.oval(x - rx / 3, y - ry / 2, rx / 4, ry / 10, (150, 180, 196))


def questions(village: Village) -> list[tuple[str, str]]:
    """Four questions about a village and their answers: a condition, two counts, a yes or no."""
    return [
        ("What is the overall condition of the image?", village.condition),
        ("How many buildings are in the image?", _COUNTS[len(village.flooded)]),
        ("How many buildings are flooded?", _COUNTS[sum(village.flooded)]),
        ("Is the road flooded?", "yes" if village.road_flooded else "no"),
    ]
