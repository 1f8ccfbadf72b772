"""Pairs that repeat an earlier one."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
from copies import recompressed, resized, texture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.recipes import DedupRecipe
from synth import dedup as module
from synth._minhash import band_keys, signatures
from synth._types import Pair, Reject
from synth._words import jaccard, shingles
from synth.dedup import DedupReport, dedup
from tasks import ImageRef

CAPTION = "a bowl of warm oatmeal with sliced bananas and a spoon of honey on top"
NEARLY = CAPTION + " today"
OTHER = "porridge in a deep dish photographed from above next to fruit"


def _png(image: Image.Image) -> ImageRef:
    data = io.BytesIO()
    image.save(data, "PNG")
    return ImageRef("drawn", data=data.getvalue())


def _pairs(*given: tuple[Image.Image | ImageRef, str]) -> list[Pair]:
    refs = [(_png(i) if isinstance(i, Image.Image) else i, caption) for i, caption in given]
    return [Pair(n, f"p{n}", ref, caption) for n, (ref, caption) in enumerate(refs)]


def _said(pairs: list[Pair], **recipe: Any) -> list[str]:
    out = list(dedup(pairs, DedupRecipe(**recipe)))
    assert [entry.index for entry in out] == [pair.index for pair in pairs]
    return [
        f"{entry.reason}: {entry.detail}" if isinstance(entry, Reject) else "kept" for entry in out
    ]


def test_the_first_stays_and_is_named() -> None:
    picture = texture(1)
    copy = recompressed(resized(picture, 0.7), 60)
    pairs = _pairs((picture, CAPTION), (texture(2), CAPTION), (copy, NEARLY), (picture, CAPTION))
    assert _said(pairs) == [
        "kept", "kept", "duplicate: repeats row p0", "duplicate: repeats row p0",
    ]  # fmt: skip
    assert _said(pairs, images="exact")[2:] == ["kept", "duplicate: repeats row p0"]


def test_one_picture_with_two_captions_stays_two_pairs() -> None:
    picture = texture(1)
    pairs = _pairs((picture, CAPTION), (picture, OTHER), (picture, OTHER))
    report = DedupReport()
    kept = [p for p in dedup(pairs, DedupRecipe(), report) if isinstance(p, Pair)]
    assert [pair.id for pair in kept] == ["p0", "p1"]
    assert report.repeated_pictures == 1
    assert _said(pairs, text=None)[1:] == ["duplicate: repeats row p0"] * 2


def test_texts_alone() -> None:
    missing = ImageRef("gone.png", root=Path("/nowhere"))
    pairs = _pairs((missing, CAPTION), (missing, OTHER), (missing, NEARLY), (missing, CAPTION))
    said = _said(pairs, images="off")
    assert said == ["kept", "kept", *["duplicate: repeats row p0"] * 2]
    assert _said(pairs, images="off", text=None) == ["kept"] * 4


def test_unusable_pictures_are_rejects() -> None:
    broken = ImageRef("row 1", data=b"no picture")
    said = _said(_pairs((texture(1), CAPTION), (broken, CAPTION), (texture(1), CAPTION)))
    assert said[0] == "kept"
    assert said[1].startswith("unusable image: image 'row 1' is not")
    assert said[2] == "duplicate: repeats row p0"


def test_what_repeats_a_repetition_is_compared_with_what_stayed() -> None:
    first, second, third = "a b c d e f g h i j", "b c d e f g h i j k", "c d e f g h i j k l"
    pairs = _pairs(*((texture(1), caption) for caption in (first, second, third)))
    assert _said(pairs, text=0.7) == ["kept", "duplicate: repeats row p0", "kept"]


@pytest.mark.parametrize("images", ["near", "exact", "off"])
def test_blocks_change_nothing(images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = (CAPTION, NEARLY, OTHER)
    pairs = _pairs(*((texture(n % 5), captions[n % 3]) for n in range(24)))
    whole = _said(pairs, images=images)
    monkeypatch.setattr(module, "_BLOCK", 3)
    assert _said(pairs, images=images) == whole
    assert whole.count("kept") == {"near": 10, "exact": 10, "off": 2}[images]


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.integers(0, 29))
def test_minhash_finds_what_jaccard_says(letters: list[str], place: int) -> None:
    changed = [*letters]
    changed[place % len(letters)] = "z"
    one, two = shingles(" ".join(letters)), shingles(" ".join(changed))
    keys = band_keys(signatures([one, two, one]), 0.6)
    assert (keys[0] == keys[2]).all()
    if jaccard(one, two) >= 0.75:
        assert (keys[0] == keys[1]).any()


def test_jaccard() -> None:
    assert jaccard(shingles("The cat sat."), shingles("the CAT, sat")) == 1
    assert jaccard(shingles("a b c d"), shingles("b c d e")) == pytest.approx(1 / 3)
    assert jaccard(shingles("one"), shingles("two")) == 0


def test_equal_captions_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counted(*texts: Any) -> float:
        nonlocal compared
        compared += 1
        return jaccard(*texts)

    monkeypatch.setattr(module, "jaccard", counted)
    pairs = [Pair(n, f"p{n}", ImageRef("gone.png"), CAPTION) for n in range(3000)]
    assert _said(pairs, images="off").count("kept") == 1
    assert compared == 2999


def test_captions_of_one_template_are_not_all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share keys with thousands; those that repeat one are found all the same."""
    compared = 0

    def counted(*texts: Any) -> float:
        nonlocal compared
        compared += 1
        return jaccard(*texts)

    monkeypatch.setattr(module, "jaccard", counted)
    rng, count = random.Random(0), 8_000
    captions = [_of_template(rng) for _ in range(count)]
    repeats = {n: rng.randrange(7_000) for n in range(7_001, count, 9)}
    for number, earlier in repeats.items():
        captions[number] = f"{captions[earlier]} today"
    missing = ImageRef("gone.png")
    said = _said([Pair(n, f"p{n}", missing, text) for n, text in enumerate(captions)], images="off")
    found = {n: said[n] for n in range(count) if said[n] != "kept"}
    assert found == {n: f"duplicate: repeats row p{earlier}" for n, earlier in repeats.items()}
    assert compared < 2 * count


def _of_template(rng: random.Random) -> str:
    words = " ".join(f"word{rng.randrange(3_000)}" for _ in range(10))
    return (
        "this is a satellite picture from above that shows a place on the ground with many "
        f"{words} and it was taken on a clear day with good light from a plane high in the air"
    )
