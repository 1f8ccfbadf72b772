"""Samples of the food tasks: drawn plates, bowls and dishes, one question a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks import _prompts, _vocabulary
from tasks.sample import _recipes
from tasks.sample._canvas import png
from tasks.sample._dishes import DISHES, draw_dish
from tasks.sample._ingredients import LOOKS
from tasks.sample._plate import Vessel, draw_meal
from tasks.sample._record import Record, Sample, record
from tasks.sample._rng import deck, seeded

_ROWS = 48
_RECIPES = 24
_VESSELS: tuple[Vessel, ...] = ("plate", "bowl", "dish")

# Some names lie inside others (corn, popcorn; egg, eggplant), as they do in the real rows.
_NUTRITION5K = {
    "avocado": "avocado",
    "banana": "banana",
    "blueberry": "blueberries",
    "bread": "whole wheat bread",
    "broccoli": "broccoli",
    "carrot": "carrot",
    "cheese": "cheddar cheese",
    "chicken": "grilled chicken",
    "corn": "corn",
    "cucumber": "cucumbers",
    "egg": "fried eggs",
    "eggplant": "eggplant",
    "fries": "french fries",
    "grape": "grapes",
    "green beans": "green beans",
    "lettuce": "lettuce",
    "mushroom": "mushroom",
    "noodles": "noodles",
    "olives": "olives",
    "onion": "onions",
    "orange": "orange",
    "popcorn": "popcorn",
    "potato": "roasted potatoes",
    "rice": "white rice",
    "salmon": "salmon",
    "shrimp": "shrimp",
    "steak": "steak",
    "strawberry": "strawberries",
    "tomato": "tomatoes",
}
_FOODSEG103 = {
    **{food: food for food in LOOKS},
    "cheese": "cheese butter",
    "chicken": "chicken duck",
    "fries": "french fries",
    "mushroom": "white button mushroom",
    "salmon": "fish",
}


def _multi_label(task: str, prompt: str, names: Mapping[str, str], most: int) -> Iterator[Record]:
    rng = seeded("sample", task)
    for row, size in enumerate(deck(range(1, most + 1), _ROWS, rng)):
        foods = rng.sample(tuple(names), size)
        image = png(draw_meal(foods, rng.choice(("plate", "bowl")), rng))
        yield record(task, row, row, image, prompt, [names[food] for food in foods])


def _ingredients() -> Iterator[Record]:
    return _multi_label("nutrition5k", _prompts.nutrition5k(), _NUTRITION5K, 5)


def _categories() -> Iterator[Record]:
    prompt = _prompts.foodseg103(_vocabulary.foodseg103())
    return _multi_label("foodseg103", prompt, _FOODSEG103, 4)


def _dishes() -> Iterator[Record]:
    task = "food101"
    names = [name.replace("_", " ") for name in _vocabulary.food101()]
    prompt, rng = _prompts.food101(names), seeded("sample", task)
    for row, dish in enumerate(deck(tuple(DISHES), _ROWS, rng)):
        image = png(draw_dish(dish, rng))
        yield record(task, row, row, image, prompt, dish.replace("_", " "))


def _recipe_rows() -> Iterator[Record]:
    task, rng = "recipe1m", seeded("sample", "recipe1m")
    for row, vessel in enumerate(deck(_VESSELS, _RECIPES, rng)):
        foods = rng.sample(_recipes.FOODS, rng.randint(3, 4))
        image = png(draw_meal(foods, vessel, rng))
        yield record(task, row, row, image, _recipes.PROMPT, _recipes.recipe(foods, vessel))


SAMPLES = {
    "recipe1m": Sample(_RECIPES, _recipe_rows),
    "nutrition5k": Sample(_ROWS, _ingredients),
    "food101": Sample(_ROWS, _dishes),
    "foodseg103": Sample(_ROWS, _categories),
}
