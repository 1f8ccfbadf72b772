"""Food tasks: recipes, ingredients, dishes."""

from __future__ import annotations

from tasks import _vocabulary as vocabulary
from tasks._types import Card, HubDataset, Task
from tasks.scorers import ClassChoice, MultiLabel, RougeL

_REPO = "AdaptLLM/food-VQA-benchmark"

RECIPE1M = Task(
    id="recipe1m",
    group="food",
    source=HubDataset(_REPO, ("Recipe1M",)),
    scorer=RougeL(),
    card=Card(
        title="Recipe1M",
        measures="writing the recipe of a pictured dish",
        prompt="{question}",
        rows="1,000",
        paper=(
            "Summary-level ROUGE-L F of the rouge package 1.0.1: sentences split at full "
            "stops, case-sensitive. Where the package fails on a long passage the true value."
        ),
        strict="Sentence-level ROUGE-L F of the rouge-score package, without stemming.",
        notes=("Recipe1M's training split is in the published caption sources.",),
    ),
)
NUTRITION5K = Task(
    id="nutrition5k",
    group="food",
    source=HubDataset(_REPO, ("Nutrition5K",)),
    scorer=MultiLabel(vocabulary.nutrition5k, "recall"),
    max_new_tokens=256,
    card=Card(
        title="Nutrition5k",
        measures="naming the ingredients of a dish",
        prompt="What ingredients are used to make the dish in the image?",
        rows="507",
        paper=(
            "Recall of the row's ingredients among the names found as substrings, longest first, "
            "out of 555 entries. No ingredients: 1."
        ),
        strict="Whole-word names; recall, precision and F1.",
        notes=("'deprecated' stands four times in the list and can never match under paper.",),
    ),
)
FOOD101 = Task(
    id="food101",
    group="food",
    source=HubDataset(_REPO, ("Food101",)),
    scorer=ClassChoice(vocabulary.food101),
    max_new_tokens=256,
    card=Card(
        title="Food-101",
        measures="which of 101 dishes is shown",
        prompt=(
            "What type of food is shown in this image?\n"
            "Choose one type from the following options:\n{options}"
        ),
        rows="25,250",
        paper=(
            "Class indices '0' to '100' as letters, class names as texts: a free-standing number "
            "is read as an index first. Nothing found: a seeded guess, and flagged."
        ),
        strict="The one class named as whole words; no guessing.",
    ),
)
FOODSEG103 = Task(
    id="foodseg103",
    group="food",
    source=HubDataset(_REPO, ("FoodSeg103",)),
    scorer=MultiLabel(vocabulary.foodseg103, "f1"),
    max_new_tokens=256,
    card=Card(
        title="FoodSeg103",
        measures="naming all food categories in a picture",
        prompt=(
            "Identify the food categories present in the image.\n"
            "The available categories are: {options}\n"
            "Please return a list of the selected food categories, formatted as a list of names "
            "like [candy, egg tart, french fries, chocolate]."
        ),
        rows="2,135",
        paper="F1 of the row's names found as substrings, longest first, out of 102.",
        strict="Whole-word names; F1, precision and recall.",
    ),
)

FOOD: tuple[Task, ...] = (RECIPE1M, NUTRITION5K, FOOD101, FOODSEG103)
