"""Samples of the remote-sensing tasks: drawn land seen from above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks import _prompts, _vocabulary
from tasks.sample._canvas import png
from tasks.sample._flood import Village, draw_village, questions
from tasks.sample._ground import GRASS, PAVED, SAND, SOIL
from tasks.sample._land import draw_scene
from tasks.sample._record import Record, Sample, record
from tasks.sample._rng import deck, seeded

_CLRS_ROWS = 50
_UCMERCED_ROWS = 42
_VILLAGES = 12
_CAPTIONS = 30

# Class to scene. Classes that lie inside others (parking, park; railway, railway-station) are
# among the options of the prompt, so that answers can confuse them.
_CLRS = {
    "beach": "beach",
    "bridge": "bridge",
    "desert": "desert",
    "farmland": "farmland",
    "forest": "forest",
    "highway": "highway",
    "parking": "parking",
    "port": "harbor",
    "railway": "railway",
    "residential": "residential",
    "river": "river",
    "runway": "runway",
    "stadium": "stadium",
    "storage-tank": "storage tanks",
}
_UCMERCED = {
    "agricultural": "farmland",
    "airplane": "airplanes",
    "beach": "beach",
    "denseresidential": "residential",
    "forest": "forest",
    "freeway": "highway",
    "harbor": "harbor",
    "intersection": "intersection",
    "overpass": "overpass",
    "parkinglot": "parking",
    "river": "river",
    "runway": "runway",
    "sparseresidential": "sparse residential",
    "storagetanks": "storage tanks",
}
_GROUNDS = {"green grass": GRASS, "bare soil": SOIL, "yellow sand": SAND, "grey concrete": PAVED}

# Scene to a short and a long name for captions.
_SUBJECTS = {
    "airplanes": ("two airplanes", "two white airplanes parked side by side"),
    "bridge": ("a bridge", "a straight bridge across a wide river"),
    "highway": ("a highway", "a highway with several lanes and a few cars"),
    "intersection": ("a crossroads", "a crossroads with four houses at its corners"),
    "railway": ("a railway", "a railway with two parallel tracks"),
    "river": ("a river", "a winding river with trees on its banks"),
    "runway": ("a runway", "a long dark runway with white marks"),
    "sparse residential": ("two houses", "two houses among many trees"),
    "stadium": ("a stadium", "an oval stadium with a red track"),
    "storage tanks": ("six storage tanks", "six white storage tanks in two rows"),
}
_PLURAL = frozenset({"airplanes", "sparse residential", "storage tanks"})


def _scenes(task: str, count: int, classes: Mapping[str, str], prompt: str) -> Iterator[Record]:
    rng = seeded("sample", task)
    grounds = (GRASS, SOIL)
    for row, name in enumerate(deck(tuple(classes), count, rng)):
        image = png(draw_scene(classes[name], rng.choice(grounds), rng))
        yield record(task, row, row, image, prompt, name)


def _clrs() -> Iterator[Record]:
    return _scenes("clrs", _CLRS_ROWS, _CLRS, _prompts.scene(_vocabulary.clrs()))


def _ucmerced() -> Iterator[Record]:
    return _scenes("ucmerced", _UCMERCED_ROWS, _UCMERCED, _prompts.scene(_vocabulary.ucmerced()))


def _floodnet() -> Iterator[Record]:
    task, rng = "floodnet", seeded("sample", "floodnet")
    sizes = deck(range(1, 5), _VILLAGES, rng)
    # Four dry villages, two with a wet road, four with wet road and houses, two with wet houses.
    wet = deck((*[(0, 0)] * 4, *[(1, 0)] * 2, *[(1, 1)] * 4, *[(0, 1)] * 2), _VILLAGES, rng)
    row = 0
    for picture, (size, (road, houses)) in enumerate(zip(sizes, wet, strict=True)):
        under_water = rng.randint(1, size) if houses else 0
        village = Village(tuple(n < under_water for n in range(size)), road_flooded=bool(road))
        image = png(draw_village(village, rng))
        for question, answer in questions(village):
            yield record(task, row, picture, image, question, answer)
            row += 1


def _captions() -> Iterator[Record]:
    task, prompt = "nwpu_captions", _prompts.nwpu_captions()
    rng = seeded("sample", task)
    for row, kind in enumerate(deck(tuple(_SUBJECTS), _CAPTIONS, rng)):
        ground = rng.choice(tuple(_GROUNDS))
        image = png(draw_scene(kind, _GROUNDS[ground], rng))
        yield record(task, row, row, image, prompt, _references(kind, ground))


def _references(kind: str, ground: str) -> list[str]:
    """Five captions of one picture, from bare to detailed."""
    short, long = _SUBJECTS[kind]
    be, lie = ("are", "lie") if kind in _PLURAL else ("is", "lies")
    return [
        f"There {be} {short} on {ground}.",
        f"{long.capitalize()} {be} surrounded by {ground}.",
        f"The image shows {long}.",
        f"{short.capitalize()} {lie} in the middle of {ground}.",
        f"Seen from above, there {be} {long} and much {ground} around.",
    ]


SAMPLES = {
    "clrs": Sample(_CLRS_ROWS, _clrs),
    "ucmerced": Sample(_UCMERCED_ROWS, _ucmerced),
    "floodnet": Sample(_VILLAGES * 4, _floodnet),
    "nwpu_captions": Sample(_CAPTIONS, _captions),
}
