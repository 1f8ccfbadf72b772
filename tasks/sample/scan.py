"""A small world of drawn "scans", each of which holds four facts that can be asked for.

Used for the biomedical samples, and to make training pictures: each fact keeps to its own place and
colour, and lesions to 28-pixel cells, so that a model of a million parameters can learn them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple, get_args

from PIL import Image

from tasks.sample._canvas import Color, Pen, near

Modality = Literal["ct", "mri", "xray", "ultrasound"]
Side = Literal["left", "right", "top", "bottom"]
Aspect = Literal["modality", "lesions", "shadow", "effusion"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)
SIDES: tuple[Side, ...] = get_args(Side)
COUNTS = ("one", "two", "three", "four")
"""Numbers are words in answers: a digit would be one more thing to learn."""

PIXELS = 56
"""Pixels a side of a picture."""
_CELL = PIXELS // 2
_BACKGROUNDS: dict[Modality, Color] = {
    "ct": (54, 58, 62),
    "mri": (66, 84, 130),
    "xray": (150, 154, 158),
    "ultrasound": (116, 82, 54),
}
_LESION: Color = (232, 226, 212)
_SHADOW: Color = (18, 18, 24)
_EFFUSION: Color = (214, 176, 70)


@dataclass(frozen=True, slots=True)
class Scan:
    """The facts of one picture."""

    modality: Modality
    """Shown by the background's colour."""
    lesions: int
    """Round spots, 1 to 4, each in its own cell of a 2x2 grid."""
    shadow: Side
    """Edge along which a dark band runs."""
    effusion: bool
    """Whether a small square sits in the centre."""


class Question(NamedTuple):
    """A question about one scan and its right answer."""

    text: str
    answer: str
    closed: bool
    """Whether it is to be answered by yes or no."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How one data set words its questions. `{value}` and `{article}` are filled in."""

    open: Mapping[Aspect, tuple[str, str]]
    """Question and answer for each aspect that can be asked openly."""
    closed: Mapping[Aspect, str]
    """Question that suggests a value, for a yes or a no."""


PLAIN = Wording(
    open={
        "modality": ("What kind of scan is this?", "{value}"),
        "lesions": ("How many lesions are there?", "{value}"),
        "shadow": ("Which side is the shadow on?", "{value}"),
    },
    closed={
        "modality": "Is this {article} {value} scan?",
        "lesions": "Is the number of lesions {value}?",
        "shadow": "Is the shadow on the {value}?",
        "effusion": "Is there an effusion?",
    },
)


def random_scan(rng: Random) -> Scan:
    """A scan with each fact drawn evenly and independently."""
    return Scan(
        modality=rng.choice(MODALITIES),
        lesions=rng.randint(1, len(COUNTS)),
        shadow=rng.choice(SIDES),
        effusion=rng.random() < 0.5,
    )


def draw(scan: Scan, rng: Random) -> Image.Image:
    """Draw a scan, 56x56 RGB; `rng` moves, sizes and tints what the facts leave open."""
    pen = Pen(near(_BACKGROUNDS[scan.modality], rng, 8), side=PIXELS, units=PIXELS)
    band, shadow = rng.randint(5, 7), near(_SHADOW, rng, 8)
    left = PIXELS - band if scan.shadow == "right" else 0
    top = PIXELS - band if scan.shadow == "bottom" else 0
    right = band if scan.shadow == "left" else PIXELS
    bottom = band if scan.shadow == "top" else PIXELS
    pen.box(left, top, right, bottom, shadow)
    cells = [(column, row) for row in (0, 1) for column in (0, 1)]
    color = near(_LESION, rng, 12)
    for column, row in rng.sample(cells, scan.lesions):
        x = column * _CELL + _CELL / 2 + rng.randint(-2, 2)
        y = row * _CELL + _CELL / 2 + rng.randint(-2, 2)
        pen.disc(x, y, rng.randint(5, 7), color)
    if scan.effusion:
        centre, half = PIXELS / 2, 4
        box = (centre - half, centre - half, centre + half, centre + half)
        pen.box(*box, near(_EFFUSION, rng, 12))
    return pen.image()


def value(scan: Scan, aspect: Aspect) -> str:
    """One fact of a scan in one word."""
    match aspect:
        case "modality":
            return scan.modality
        case "lesions":
            return COUNTS[scan.lesions - 1]
        case "shadow":
            return scan.shadow
        case "effusion":
            return "yes" if scan.effusion else "no"


def values(aspect: Aspect) -> tuple[str, ...]:
    """Everything that `value` can say of an aspect."""
    match aspect:
        case "modality":
            return MODALITIES
        case "lesions":
            return COUNTS
        case "shadow":
            return SIDES
        case "effusion":
            return ("yes", "no")


def article(word: str) -> str:
    """The indefinite article of a modality (read out: an m-r-i, an x-ray)."""
    return "a" if word == "ct" else "an"


def caption(scan: Scan) -> str:
    """Four sentences, one a fact."""
    # "The number of lesions" keeps the plural for one lesion too: a model that learns to ask by
    # copying needs the same word in the caption and in the question.
    return (
        f"This is {article(scan.modality)} {scan.modality} scan. "
        f"The number of lesions is {value(scan, 'lesions')}. "
        f"The shadow is on the {scan.shadow}. "
        f"There is {'an' if scan.effusion else 'no'} effusion."
    )


def open_question(scan: Scan, aspect: Aspect, wording: Wording = PLAIN) -> Question:
    """Ask for a fact in the open.

    Raises:
        KeyError: The wording has no open question for the aspect (an effusion is there or not).
    """
    text, answer = wording.open[aspect]
    return Question(text, answer.format(value=value(scan, aspect)), closed=False)


def closed_question(
    scan: Scan, aspect: Aspect, rng: Random, *, truth: bool, wording: Wording = PLAIN
) -> Question:
    """Suggest a fact, to be answered by yes or no.

    Args:
        scan: The scan that is asked about.
        aspect: The fact; for `effusion` the answer is the scan's own, whatever `truth` says.
        rng: Picks the wrong value.
        truth: Whether the right value is suggested.
        wording: The data set's way of asking.
    """
    fact = value(scan, aspect)
    if aspect == "effusion":
        return Question(wording.closed[aspect], fact, closed=True)
    named = fact if truth else rng.choice([other for other in values(aspect) if other != fact])
    text = wording.closed[aspect].format(value=named, article=article(named))
    return Question(text, "yes" if truth else "no", closed=True)
