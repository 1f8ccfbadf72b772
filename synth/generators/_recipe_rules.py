"""What a cook would ask about a dish, as far as its recipe answers it."""

from __future__ import annotations

import re
from itertools import pairwise

from synth._text import pick
from synth.generators._candidate import Candidate, ended, listed, lowered
from synth.generators._recipe import CookingRecipe

_FEW = 8
_ABSENT = (
    "coconut milk", "peanuts", "shrimp", "pineapple", "mushrooms", "salmon", "avocado", "tofu",
    "chickpeas", "bacon", "spinach", "raisins", "walnuts", "soy sauce", "dark chocolate", "mustard",
)  # fmt: skip
_DURATION = (
    r"(?:(?:about|approximately|approx\.|around|at least|no more than)\s+)?"
    r"\d+(?:\s?(?:-|\u2013|to)\s?\d+)?\s?(?:min(?:ute)?s?|hours?|h|seconds?|days?)\b"
)
_TIMES = re.compile(_DURATION, re.IGNORECASE)
_FOR_A_TIME = re.compile(
    rf"^(?P<doing>[A-Z][^.,;:()]{{3,90}}?)\s+(?:for\s+)(?P<time>{_DURATION})", re.I
)
_DOING = re.compile(
    r"^(?:bake|beat|boil|braise|chill|cook|cool|fry|grill|heat|knead|let|leave|marinate|mix|preheat|"
    r"rest|roast|saut[ee\u0301\u00e9]|simmer|soak|steam|stir|toast|whisk|add|remove)\b",
    re.IGNORECASE,
)
_HEAT = re.compile(
    r"\b\d{2,3}\s?(?:°\s?)?[CF]\b(?:\s?[/(]\s?\d{2,3}\s?°?\s?[CF]\)?)?|"
    r"\b\d{2,3}\s?°[CF](?:\s?[/(]\s?\d{2,3}\s?°\s?[CF]\)?)?"
)
_NO_COMMAND = re.compile(
    r"^(?:the|this|that|these|it|if|when|while|once|at|in|on|for|you|your|i|there|to|time|then|now|"
    r"after|before|maybe|alternatively|optionally|enjoy|serve|eat|should|a|an|don't|do|here|"
    r"make sure|as|with|any|some|all|rinse and repeat|repeat|see|goal|set aside)\b",
    re.IGNORECASE,
)


def recipe_candidates(recipe: CookingRecipe, seed: int, row_id: str) -> list[Candidate]:
    """Every question the recipe answers."""
    found = [_title(recipe)]
    names = [one.name for one in recipe.ingredients]
    if len(names) >= 2:
        found += [_all_ingredients(recipe), _has(recipe, seed, row_id)]
    if (absent := _has_not(recipe, seed, row_id)) is not None:
        found.append(absent)
    found += _amounts(recipe)
    commands = [step for step in recipe.steps if not _NO_COMMAND.match(step)]
    if commands and recipe.steps[0] == commands[0]:
        found.append(_first_step(recipe))
    found += _next_steps(recipe)
    for step in recipe.steps:
        found += _time(recipe, step) + _oven(recipe, step)
    return found


def _names(recipe: CookingRecipe) -> list[str]:
    """Names in the recipe's order, each once."""
    return list(dict.fromkeys(one.name for one in recipe.ingredients))


def _made_of(recipe: CookingRecipe) -> str:
    """A clause that names the ingredients, or the first of them."""
    names = _names(recipe)
    if len(names) <= _FEW:
        return listed(names)
    return f"{', '.join(names[:_FEW])} and other ingredients"


def _title(recipe: CookingRecipe) -> Candidate:
    reasons = f"The recipe combines {_made_of(recipe)}."
    if recipe.steps and not _NO_COMMAND.match(recipe.steps[0]):
        reasons += f" Its preparation begins like this: {ended(recipe.steps[0])}"
    return Candidate(
        "title",
        (
            "What is the name of this dish?",
            "Which dish is shown in the picture?",
            "What would you call this dish on a menu?",
            "Name the dish in this photo.",
        ),
        f"{reasons} This is how {recipe.title} is made.",
        recipe.title,
    )


def _all_ingredients(recipe: CookingRecipe) -> Candidate:
    names = _names(recipe)
    how = ""
    if recipe.steps and not _NO_COMMAND.match(recipe.steps[0]):
        how = f" The first thing to do is: {ended(recipe.steps[0])}"
    return Candidate(
        "ingredients",
        (
            "Which ingredients are needed to make this dish?",
            "What goes into this dish?",
            "List the ingredients of the dish in the picture.",
            "What would I have to buy to cook this?",
        ),
        f"The dish is {recipe.title}. To make it you need {listed(names)}.{how}",
        ", ".join(names),
    )


def _has(recipe: CookingRecipe, seed: int, row_id: str) -> Candidate:
    name = pick(_names(recipe), seed, row_id, "ingredient")
    others = [other for other in _names(recipe) if other != name][:4]
    return Candidate(
        "is it in there",
        _is_used(name),
        f"The dish is {recipe.title}. Its recipe lists {name} along with {listed(others)}, which "
        f"makes {name} part of the dish.",
        "Yes",
    )


def _plural(name: str) -> bool:
    return name.endswith("s") and not name.endswith(("ss", "us"))


def _is_used(name: str) -> tuple[str, ...]:
    return (
        f"{'Are' if _plural(name) else 'Is'} {name} used in this dish?",
        f"Does the recipe for this dish call for {name}?",
        f"Would I need {name} to make this?",
    )


def _has_not(recipe: CookingRecipe, seed: int, row_id: str) -> Candidate | None:
    written = " ".join((recipe.title, *_names(recipe), *recipe.steps)).lower()
    free = [name for name in _ABSENT if not any(w.rstrip("s") in written for w in name.split())]
    if not free:
        return None
    name = pick(free, seed, row_id, "absent")
    return Candidate(
        "is it in there",
        _is_used(name),
        f"The dish is {recipe.title}, which is made with {listed(_names(recipe))}. The recipe does "
        f"not mention {name}.",
        "No",
    )


def _amounts(recipe: CookingRecipe) -> list[Candidate]:
    """How much of an ingredient, where its name stands for one entry alone."""
    found = []
    names = [one.name for one in recipe.ingredients]
    for one in recipe.ingredients:
        name = one.name
        head = name.split()[-1].rstrip("s")
        alone = sum(head in other for other in names) == 1
        if not alone or one.amount is None or not re.search(r"[\d\u00bc-\u00be]", one.amount):
            continue
        counted = re.fullmatch(r"[\d\s\-\u2013]+", one.amount) is not None
        if counted and not _plural(name):
            continue
        asked = f"How many {name} are" if counted else f"How much {name} is"
        if _plural(name) and not counted:
            asked = f"What quantity of {name} is"
        others = [other for other in _names(recipe) if other != name][:3]
        beside = f", along with {listed(others)}" if others else ""
        found.append(
            Candidate(
                "amount",
                (f"{asked} needed for this dish?", f"{asked} used in the recipe for this dish?"),
                f"The dish is {recipe.title}. Its recipe calls for {one.amount}"
                f"{'' if counted else ' of'} {name}{beside}.",
                one.amount,
            )
        )
    return found


def _first_step(recipe: CookingRecipe) -> Candidate:
    step, after = recipe.steps[0], recipe.steps[1:2]
    then = f" What follows is: {ended(after[0])}" if after else ""
    return Candidate(
        "first step",
        (
            "What is the first step in making this dish?",
            "How do I begin if I want to cook this?",
            "Which step does the preparation of this dish start with?",
        ),
        f"This is {recipe.title}, made with {_made_of(recipe)}. The preparation starts here: "
        f"{ended(step)}{then}",
        ended(step),
    )


def _next_steps(recipe: CookingRecipe) -> list[Candidate]:
    found = []
    for step, after in pairwise(recipe.steps):
        if _NO_COMMAND.match(step) or _NO_COMMAND.match(after) or len(step) > 120:
            continue
        plain = step.rstrip(".!")
        found.append(
            Candidate(
                "next step",
                (
                    f'When making this dish, what comes after this step: "{plain}"?',
                    f'I am cooking this and have just done this: "{plain}". What is next?',
                ),
                f'In the recipe for {recipe.title}, the step "{plain}" is followed by: '
                f"{ended(after)}",
                ended(after),
            )
        )
    return found


def _time(recipe: CookingRecipe, step: str) -> list[Candidate]:
    timed = _FOR_A_TIME.match(step)
    if timed is None or len(_TIMES.findall(step)) != 1 or not _DOING.match(step):
        return []
    doing = lowered(timed["doing"])
    if re.fullmatch(r"\w+ (?:it|them|this)", doing):
        return []
    return [
        Candidate(
            "time",
            (
                f"For this dish, how long should you {doing}?",
                f"When preparing this dish, for how long do you {doing}?",
            ),
            f"The dish is {recipe.title}. The recipe says: {ended(step)}",
            timed["time"],
        )
    ]


def _oven(recipe: CookingRecipe, step: str) -> list[Candidate]:
    heat = _HEAT.search(step)
    if heat is None or len(_HEAT.findall(step)) != 1 or "oven" not in step.lower():
        return []
    return [
        Candidate(
            "oven",
            (
                "To what temperature should the oven be heated for this dish?",
                "How hot should the oven be to bake this?",
            ),
            f"The dish is {recipe.title}. About the oven the recipe says: {ended(step)}",
            heat[0].strip(),
        )
    ]
