"""Toy domains: what their pictures show, in which colours, under which names."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from harness.demo.world import _words as words
from tasks.sample._canvas import Color
from tasks.sample.scan import MODALITIES, Scan, value


class Told(NamedTuple):
    """The words for what one picture shows."""

    kind: str
    view: str
    number: str
    things: str
    band: str
    side: str
    mark: str
    marked: bool
    """Whether the mark is there."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A world of pictures that differ in four facts: kind, number, side, mark."""

    view: str
    kinds: tuple[str, str, str, str]
    backgrounds: tuple[Color, Color, Color, Color]
    """One for each kind."""
    things: tuple[str, ...]
    band: str
    mark: str
    colors: tuple[Color, Color, Color]
    """Of things, band and mark."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one picture of a domain shows."""

    domain: Domain
    kind: int
    count: int
    """Things, 1 to 4."""
    things: int
    """Which of the domain's things."""
    side: int
    marked: bool

    @property
    def told(self) -> Told:
        """The same in words."""
        domain = self.domain
        return Told(
            domain.kinds[self.kind],
            domain.view,
            words.NUMBERS[self.count - 1],
            domain.things[self.things],
            domain.band,
            words.SIDES[self.side],
            domain.mark,
            self.marked,
        )


PLAIN = Domain(
    view="picture",
    kinds=("red", "green", "blue", "gray"),
    backgrounds=((200, 60, 60), (60, 170, 70), (60, 80, 200), (130, 130, 130)),
    things=("circles",),
    band="bar",
    mark="line",
    colors=((240, 220, 60), (250, 250, 250), (20, 20, 20)),
)
"""The only pictures a base model has seen."""

HAND_MADE = (
    Domain(
        "garden",
        ("spring", "summer", "autumn", "winter"),
        ((140, 220, 140), (60, 160, 60), (190, 130, 60), (230, 235, 245)),
        ("roses", "tulips", "daisies", "lilies"),
        "fence",
        "bee",
        ((230, 60, 120), (120, 80, 40), (40, 30, 0)),
    ),
    Domain(
        "street",
        ("sunny", "rainy", "foggy", "dark"),
        ((170, 210, 250), (100, 120, 140), (200, 200, 200), (25, 25, 40)),
        ("cars", "trucks", "bikes", "vans"),
        "wall",
        "tree",
        ((220, 40, 40), (160, 110, 80), (30, 140, 40)),
    ),
    Domain(
        "sea",
        ("calm", "stormy", "frozen", "tropical"),
        ((80, 140, 220), (40, 60, 100), (200, 230, 240), (40, 200, 190)),
        ("boats", "fishes", "whales", "shells"),
        "border",
        "wave",
        ((250, 250, 240), (230, 210, 150), (10, 20, 80)),
    ),
    Domain(
        "kitchen",
        ("simple", "rustic", "bright", "old"),
        ((210, 210, 215), (170, 120, 80), (250, 240, 200), (120, 100, 90)),
        ("plates", "cups", "bowls", "bottles"),
        "shelf",
        "towel",
        ((240, 240, 255), (90, 50, 20), (200, 30, 30)),
    ),
    Domain(
        "desk",
        ("wooden", "metal", "glass", "plastic"),
        ((180, 130, 80), (140, 145, 150), (190, 225, 230), (240, 200, 60)),
        ("pens", "books", "keys", "coins"),
        "ledge",
        "paper",
        ((30, 40, 120), (250, 230, 90), (255, 255, 255)),
    ),
    Domain(
        "sky",
        ("clear", "cloudy", "starry", "pink"),
        ((100, 170, 250), (170, 180, 190), (10, 10, 50), (240, 160, 180)),
        ("birds", "planes", "kites", "stars"),
        "roof",
        "sun",
        ((40, 40, 40), (150, 50, 40), (255, 220, 0)),
    ),
)
"""Domains on which a synthesizer is tuned, beside random ones."""

SCAN_WORDS = frozenset((*MODALITIES, "scan", "lesions", "shadow", "effusion"))
"""What only the target domain speaks of; no other domain's picture does."""


def random_domain(rng: Random) -> Domain:
    """A domain of random names and colours; none of its names is the target domain's."""

    def some(names: tuple[str, ...], count: int) -> list[str]:
        return rng.sample([name for name in names if name not in SCAN_WORDS], count)

    def color() -> Color:
        return rng.randrange(256), rng.randrange(256), rng.randrange(256)

    a, b, c, d = some(words.KINDS, 4)
    return Domain(
        view=some(words.VIEWS, 1)[0],
        kinds=(a, b, c, d),
        backgrounds=(color(), color(), color(), color()),
        things=tuple(some(words.THINGS, 2)),
        band=some(words.BANDS, 1)[0],
        mark=some(words.MARKS, 1)[0],
        colors=(color(), color(), color()),
    )


def random_facts(domain: Domain, rng: Random) -> Facts:
    """A picture's facts, each drawn evenly and independently."""
    return Facts(
        domain,
        kind=rng.randrange(4),
        count=rng.randint(1, 4),
        things=rng.randrange(len(domain.things)),
        side=rng.randrange(4),
        marked=rng.random() < 0.5,
    )


def random_told(rng: Random) -> Told:
    """Any words in their places: a text that no picture belongs to."""
    return Told(
        rng.choice(words.KINDS),
        rng.choice(words.VIEWS),
        rng.choice(words.NUMBERS),
        rng.choice(words.THINGS),
        rng.choice(words.BANDS),
        rng.choice(words.SIDES),
        rng.choice(words.MARKS),
        rng.random() < 0.5,
    )


def scan_told(scan: Scan) -> Told:
    """A scan of the target domain in words."""
    number = value(scan, "lesions")
    side = value(scan, "shadow")
    return Told(scan.modality, "scan", number, "lesions", "shadow", side, "effusion", scan.effusion)
