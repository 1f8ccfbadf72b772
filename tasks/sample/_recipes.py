"""Short recipes in whole sentences, made from the ingredients of a drawn dish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.sample._plate import Vessel

PROMPT = "Write a recipe for the dish in the image: its title, its ingredients and its steps."


class _Part(NamedTuple):
    title: str
    amount: str
    step: str


_PARTS = {
    "avocado": _Part("Avocado", "one ripe avocado", "Cut the avocado into cubes."),
    "broccoli": _Part("Broccoli", "one head of broccoli", "Steam the broccoli for five minutes."),
    "carrot": _Part("Carrot", "three carrots", "Peel the carrots and cut them into sticks."),
    "cheese": _Part("Cheese", "one cup of diced cheese", "Dice the cheese."),
    "chicken": _Part("Chicken", "two chicken breasts", "Fry the chicken until it is golden."),
    "corn": _Part("Corn", "one can of corn", "Drain the corn."),
    "cucumber": _Part("Cucumber", "one cucumber", "Slice the cucumber thinly."),
    "egg": _Part("Egg", "two eggs", "Fry the eggs in a little butter."),
    "green beans": _Part("Green Bean", "a handful of green beans", "Boil the green beans briefly."),
    "lettuce": _Part("Lettuce", "half a head of lettuce", "Wash and tear the lettuce."),
    "mushroom": _Part("Mushroom", "six mushrooms", "Brown the mushrooms in a hot pan."),
    "noodles": _Part("Noodle", "one pack of noodles", "Cook the noodles until they are tender."),
    "olives": _Part("Olive", "ten olives", "Pit the olives and cut them into rings."),
    "onion": _Part("Onion", "one red onion", "Cut the onion into rings."),
    "potato": _Part("Potato", "four potatoes", "Boil the potatoes and cut them into cubes."),
    "rice": _Part("Rice", "one cup of rice", "Boil the rice for twelve minutes."),
    "salmon": _Part("Salmon", "one fillet of salmon", "Sear the salmon on both sides."),
    "shrimp": _Part("Shrimp", "ten shrimp", "Sear the shrimp with a little garlic."),
    "tomato": _Part("Tomato", "two tomatoes", "Slice the tomatoes."),
}
FOODS = tuple(_PARTS)
"""Ingredients that a recipe can be written for."""

_STYLES: dict[Vessel, tuple[str, str]] = {
    "bowl": ("Bowl", "Toss everything in a bowl with oil and salt. Serve at once."),
    "plate": ("Plate", "Arrange everything on a warm plate. Season with salt and pepper."),
    "dish": ("Bake", "Layer everything in a baking dish. Bake for twenty minutes."),
}


def recipe(foods: Sequence[str], vessel: Vessel) -> str:
    """Title, ingredients and steps, each sentence with its full stop.

    Args:
        foods: Two or more of `FOODS`; the first two give the title.
        vessel: What the dish is served in: it gives the title's last word and the last steps.
    """
    parts = [_PARTS[food] for food in foods]
    style, ending = _STYLES[vessel]
    lines = [
        f"Title: {parts[0].title} and {parts[1].title} {style}.",
        f"Ingredients: {', '.join(part.amount for part in parts)}.",
        f"Steps: {' '.join(part.step for part in parts)} {ending}",
    ]
    return "\n".join(lines)
