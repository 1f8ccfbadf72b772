"""Drawn ingredients: a form, a colour and an accent each."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from tasks.sample._canvas import Color, Pen, Point, near


class Look(NamedTuple):
    """How an ingredient is drawn."""

    form: str
    """A key of `_FORMS`."""
    color: Color
    accent: Color


LOOKS: dict[str, Look] = {
    "avocado": Look("core", (146, 184, 92), (112, 72, 44)),
    "banana": Look("slice", (214, 182, 96), (248, 232, 164)),
    "blueberry": Look("berry", (66, 78, 146), (120, 132, 190)),
    "bread": Look("toast", (178, 118, 60), (240, 210, 156)),
    "broccoli": Look("floret", (62, 124, 52), (150, 184, 110)),
    "carrot": Look("stick", (236, 128, 34), (204, 98, 20)),
    "cheese": Look("cube", (248, 204, 66), (228, 170, 36)),
    "chicken": Look("slab", (222, 164, 86), (150, 92, 40)),
    "corn": Look("grain", (250, 212, 52), (206, 148, 20)),
    "cucumber": Look("slice", (88, 152, 72), (206, 232, 178)),
    "egg": Look("egg", (253, 252, 246), (250, 186, 40)),
    "eggplant": Look("slice", (92, 48, 110), (226, 212, 176)),
    "fries": Look("stick", (248, 212, 104), (206, 148, 48)),
    "grape": Look("berry", (126, 56, 120), (178, 116, 172)),
    "green beans": Look("stick", (86, 156, 70), (52, 104, 48)),
    "lettuce": Look("leaf", (128, 190, 78), (88, 156, 58)),
    "mushroom": Look("cap", (224, 208, 184), (158, 124, 92)),
    "noodles": Look("strand", (244, 220, 146), (196, 152, 76)),
    "olives": Look("ring", (58, 56, 44), (92, 90, 70)),
    "onion": Look("ring", (190, 120, 176), (236, 208, 230)),
    "orange": Look("wedge", (250, 150, 40), (254, 206, 130)),
    "popcorn": Look("leaf", (253, 247, 222), (232, 196, 110)),
    "potato": Look("cube", (228, 196, 128), (186, 142, 76)),
    "rice": Look("grain", (252, 250, 244), (184, 178, 160)),
    "salmon": Look("slab", (246, 146, 110), (255, 206, 184)),
    "shrimp": Look("curl", (246, 148, 116), (255, 212, 192)),
    "steak": Look("slab", (116, 62, 44), (62, 32, 26)),
    "strawberry": Look("wedge", (220, 44, 52), (250, 214, 150)),
    "tomato": Look("slice", (206, 44, 34), (240, 128, 104)),
}
"""Ingredient, by a plain word, to its look."""


def draw_food(pen: Pen, food: str, rng: Random) -> None:
    """Draw one patch of an ingredient, about 26 units wide, around the pen's origin.

    Args:
        pen: Where to draw: see `Pen.at`.
        food: A key of `LOOKS`.
        rng: Tints and scatters.
    """
    look = LOOKS[food]
    spots, piece = _FORMS[look.form]
    color, accent = near(look.color, rng, 5), near(look.accent, rng, 5)
    for x, y in spots(rng):
        piece(pen.at(x, y), color, accent)


def _one(_: Random) -> list[Point]:
    return [(0, 0)]


def _four(rng: Random) -> list[Point]:
    corners = ((-6.5, -5), (6, -6.5), (-5, 6.5), (7, 5))
    return [(x + rng.uniform(-1, 1), y + rng.uniform(-1, 1)) for x, y in corners]


def _rows(rng: Random) -> list[Point]:
    return [(rng.uniform(-2, 2), y) for y in (-9, -5.5, -2, 1.5, 5, 8.5)]


def _heap(count: int, reach: float) -> Callable[[Random], list[Point]]:
    def spots(rng: Random) -> list[Point]:
        polar = [(rng.uniform(0, 2 * math.pi), reach * rng.random() ** 0.5) for _ in range(count)]
        points = [(radius * math.cos(angle), radius * math.sin(angle)) for angle, radius in polar]
        return sorted(points, key=lambda point: point[1])  # the lower ones lie in front

    return spots


def _slice(pen: Pen, rind: Color, flesh: Color) -> None:
    pen.disc(0, 0, 6.5, rind)
    pen.disc(0, 0, 4.4, flesh)


def _core(pen: Pen, flesh: Color, stone: Color) -> None:
    pen.disc(0, 0, 6.8, (70, 104, 48))
    pen.disc(0, 0, 5.6, flesh)
    pen.disc(0, 0, 2.6, stone)


def _stick(pen: Pen, color: Color, shade: Color) -> None:
    pen.line([(-11, 1.6), (11, -0.8)], 3.2, shade)
    pen.line([(-11, 0.9), (11, -1.5)], 2, color)


def _strand(pen: Pen, color: Color, shade: Color) -> None:
    wave = [(2 * step - 13, 2.2 * math.sin(1.1 * step)) for step in range(14)]
    pen.line(wave, 2.6, shade)
    pen.line([(x, y - 0.5) for x, y in wave], 1.5, color)


def _grain(pen: Pen, color: Color, shade: Color) -> None:
    pen.oval(0, 0.5, 2, 1.4, shade)
    pen.oval(0, 0, 1.8, 1.1, color)


def _berry(pen: Pen, color: Color, shine: Color) -> None:
    pen.disc(0, 0, 4.4, color)
    pen.disc(-1.4, -1.4, 1.3, shine)


def _leaf(pen: Pen, color: Color, shade: Color) -> None:
    pen.disc(0, 0.9, 5.2, shade)
    pen.disc(0, 0, 4.6, color)


def _cube(pen: Pen, top: Color, front: Color) -> None:
    pen.box(-4.6, -3.4, 4.6, 5.4, front, 1)
    pen.box(-4.6, -5, 4.6, 2.6, top, 1)


def _ring(pen: Pen, color: Color, line: Color) -> None:
    pen.ring(0, 0, 6, 3, color)
    pen.ring(0, 0, 5, 1, line)


def _wedge(pen: Pen, color: Color, dot: Color) -> None:
    pen.shape([(-6, -4), (6, -4), (0, 7)], color)
    pen.disc(0, -1, 1.8, dot)


def _curl(pen: Pen, color: Color, line: Color) -> None:
    pen.arc(0, 0, 6.5, (30, 310), 4, color)
    pen.arc(0, 0, 5.4, (60, 280), 1, line)


def _cap(pen: Pen, stem: Color, cap: Color) -> None:
    pen.box(-1.8, 0, 1.8, 6, stem, 1)
    pen.oval(0, -1, 6.2, 4, cap)


def _floret(pen: Pen, head: Color, stem: Color) -> None:
    pen.box(-1.4, 0, 1.4, 7, stem, 1)
    for x, y in ((-3.2, 0), (3.2, 0), (0, -3)):
        pen.disc(x, y, 3.8, head)


def _egg(pen: Pen, white: Color, yolk: Color) -> None:
    pen.oval(0, 0.6, 13.2, 11.4, (206, 202, 190))
    pen.oval(0, 0, 13, 11, white)
    pen.disc(1, 0, 5.4, yolk)


def _slab(pen: Pen, color: Color, mark: Color) -> None:
    pen.box(-13, -9, 13, 11, color, 7)
    for x in (-7, 0, 7):
        pen.line([(x - 2, 6), (x + 3, -5)], 1.8, mark)


def _toast(pen: Pen, crust: Color, crumb: Color) -> None:
    for inset, color in ((0.0, crust), (1.8, crumb)):
        pen.box(-9 + inset, -5, 9 - inset, 12 - inset, color, 1)
        pen.oval(0, -5, 11 - inset, 6.5 - inset, color)


_FORMS: dict[str, tuple[Callable[[Random], list[Point]], Callable[[Pen, Color, Color], None]]] = {
    "berry": (_heap(8, 9), _berry),
    "cap": (_four, _cap),
    "core": (_four, _core),
    "cube": (_four, _cube),
    "curl": (_four, _curl),
    "egg": (_one, _egg),
    "floret": (_four, _floret),
    "grain": (_heap(46, 12), _grain),
    "leaf": (_heap(11, 8), _leaf),
    "ring": (_four, _ring),
    "slab": (_one, _slab),
    "slice": (_four, _slice),
    "stick": (_rows, _stick),
    "strand": (_rows, _strand),
    "toast": (_one, _toast),
    "wedge": (_four, _wedge),
}
"""Form to where its pieces lie and how one of them is drawn."""
