"""Templates over captions: sensible questions whose answers stand in the caption."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth._types import Pair, Reject, Triplet
from synth.generators._base import Answer
from synth.generators._candidate import Candidate
from synth.generators._recipe import read_recipe
from synth.generators._rules import Rules, candidates
from synth.pairs import open_pairs
from tasks import ImageRef

NOTHING = Answer("", None, None)


def pair(caption: str, row_id: str = "0") -> Pair:
    return Pair(0, row_id, ImageRef("a.png"), caption)


def found(caption: str) -> dict[str, Candidate]:
    return {one.kind: one for one in candidates(pair(caption), 0)}


def recipes(folder: Path) -> list[Pair]:
    pairs = open_pairs(str(folder / "recipe1m" / "image_caption_pairs.jsonl"))
    return [one for one in pairs if isinstance(one, Pair)]


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def test_every_real_recipe_has_questions_and_their_answers_are_written(shared_data: Path) -> None:
    kinds = set()
    for one in recipes(shared_data):
        recipe = read_recipe(one.caption)
        assert recipe is not None
        assert one.caption.startswith(recipe.title.split(" Recipe")[0])
        assert len(recipe.ingredients) >= 3
        assert len(recipe.steps) >= 2
        asked = candidates(one, 0)
        kinds |= {candidate.kind for candidate in asked}
        plain = re.sub(r"[\[\]*#]|\(/[^)]*\)", "", one.caption)
        written = letters(plain) + letters(re.sub(r"\([^()]*\)", "", plain))
        for candidate in asked:
            if candidate.kind == "is it in there":
                continue
            parts = candidate.precise.split(", ") if candidate.kind == "ingredients" else [
                candidate.precise
            ]  # fmt: skip
            assert all(letters(part) in written for part in parts), candidate
        for seed in range(5):
            assert isinstance(Rules(seed).read(one, NOTHING), Triplet)
    assert kinds == {
        "title", "ingredients", "is it in there", "amount", "first step", "next step", "time", "oven",
    }  # fmt: skip


def test_ingredients_with_amounts_out_of_a_list() -> None:
    recipe = read_recipe(
        "Pea Soup. Ingredients: 2 red onions, chopped, 1 kg of potatoes, 300ml double cream (cold, "
        "please), A large glass of red wine, Milk 1 cup, 1-2 bay leaves, ½ cup peas, Salt to taste. "
        "Chop the onions. Cook the peas for about 10 minutes."
    )
    assert recipe is not None
    assert [tuple(one) for one in recipe.ingredients] == [
        ("red onions", "2"), ("potatoes", "1 kg"), ("double cream", "300ml"),
        ("red wine", "A large glass"), ("milk", "1 cup"), ("bay leaves", "1-2"), ("peas", "½ cup"),
        ("salt", None),
    ]  # fmt: skip
    assert recipe.steps == ("Chop the onions.", "Cook the peas for about 10 minutes.")


@pytest.mark.parametrize(
    ("caption", "kind", "precise"),
    [
        ("Axial CT of the abdomen shows a lesion in the right lobe of the liver.", "modality", "CT"),
        ("Axial CT of the abdomen shows a lesion in the right lobe of the liver.", "site",
         "In the right lobe of the liver"),
        ("Chest X-ray. There is no pneumothorax.", "finding", "No"),
        ("Chest X-ray showing a large pleural effusion.", "finding", "Yes"),
        ("Radiograph of the left knee without fracture.", "side", "Left"),
        ("Radiograph of the left knee without fracture.", "organ", "Knee"),
        ("Photomicrograph of the prostate (H&E, x200).", "stain", "H&E"),
        ("Many planes are parked next to a long building in an airport.", "scene", "Airport"),
        ("Many planes are parked next to a long building in an airport.", "place",
         "Next to a long building in an airport"),
        ("Two white storage tanks are near a river.", "count", "Two"),
        ("A brown dog sitting on a wooden bench.", "colour", "Brown"),
        ("This image shows a dog on the beach, late in summer.", "what is shown", "Dog on the beach"),
    ],
)  # fmt: skip
def test_questions_of_other_fields(caption: str, kind: str, precise: str) -> None:
    candidate = found(caption)[kind]
    assert candidate.precise.lower().removeprefix("a ") == precise.lower()
    assert precise.rsplit(maxsplit=1)[-1].lower() in candidate.informative.lower() or precise in (
        "Yes",
        "No",
    )


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("MRI of the brain, suspicious for a tumour.", "finding"),
        ("A PET scan beside a CT scan of the chest.", "modality"),
        ("CT of the left kidney and the right kidney.", "side"),
        ("CT: a mass is seen. Later there was no mass.", "finding"),
        ("A bowl with three slices of pork.", "count"),
        ("A red ball and a blue ball.", "colour"),
        ("A 45-year-old man followed for two years with CT.", "count"),
    ],
)
def test_what_the_caption_does_not_settle_is_not_asked(caption: str, kind: str) -> None:
    assert kind not in found(caption)


@pytest.mark.parametrize(
    "caption",
    [
        "dog",
        "a b",
        "这是一张猫的照片 非常可爱的猫",
        "Ингредиенты: мука, яйца и молоко.",
        "... !! ??",
    ],
)
def test_no_template(caption: str) -> None:
    outcome = Rules(0).read(pair(caption), NOTHING)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "no template"


@given(st.text(max_size=400) | st.lists(st.sampled_from([
    "Ingredients:", "2 eggs,", "(", ")", "CT", "no", "mass", "in the liver", "left knee", ". ", "two",
    "white", "dogs", "airport", "oven", "350°F", "for 5 minutes", "Bake", "\n", "**", "[a](b)", "half a",
]), max_size=40).map(" ".join), st.integers(0, 3))  # fmt: skip
def test_any_caption_gives_a_triplet_or_a_reject(caption: str, seed: int) -> None:
    outcome = Rules(seed).read(pair(caption), NOTHING)
    if isinstance(outcome, Triplet):
        assert outcome.instruction.strip()
        assert outcome.precise.strip()
        assert outcome.informative.strip()
    else:
        assert outcome.reason in ("no template", "malformed")


def test_choices_hang_on_seed_and_id_alone(shared_data: Path) -> None:
    rows = recipes(shared_data)
    forward = {one.id: Rules(1).read(one, NOTHING) for one in rows}
    backward = {one.id: Rules(1).read(one, NOTHING) for one in reversed(rows)}
    other = {one.id: Rules(2).read(one, NOTHING) for one in rows}
    assert forward == backward
    assert forward != other
    asked = {outcome.instruction for outcome in forward.values() if isinstance(outcome, Triplet)}
    assert len(asked) > 15


def test_long_captions_take_no_long_time() -> None:
    import time

    began = time.process_time()
    for text in (
        "word " * 4_000,
        "2 red onions, " * 1_400,
        "the left " * 2_200,
        "no mass in the " * 1_300,
    ):
        for start in ("", "Soup. Ingredients: ", "CT of the chest. ", "An aerial view. "):
            Rules(0).read(pair((start + text)[:20_000]), NOTHING)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("piece", ["[", "[](", "(", "#", "two red ", "left lung ", "1/", "\n"])
def test_endless_captions_are_read_in_no_time(piece: str) -> None:
    caption = ("Soup. Ingredients: " + piece * 20_000)[:20_000]
    began = time.process_time()
    candidates(Pair(0, "0", ImageRef("a.png"), caption), 0)
    assert time.process_time() - began < 2


def test_abbreviations_end_no_sentence() -> None:
    from synth.generators._candidate import sentences_of

    text = "Herbs, e.g. thyme, at ca. 3 cm. Fig. 2 shows Dr. Oetker. Done!"
    assert sentences_of(text) == [
        "Herbs, e.g. thyme, at ca. 3 cm.", "Fig. 2 shows Dr. Oetker.", "Done!",
    ]  # fmt: skip
