"""The prompt templates from which rows are built out of the original data sets.

A row's prompt is finished: nothing is added to it later. slake, pathvqa, vqa_rad, floodnet and
recipe1m ask the bare question and have no template.
"""

from __future__ import annotations

from collections.abc import Sequence


def multiple_choice(question: str, options: Sequence[str]) -> str:
    """The prompt of pmc_vqa: the question, then one lettered option a line."""
    choices = (f"({chr(ord('A') + place)}) {text}" for place, text in enumerate(options))
    return "\n".join([f"Question: {question}", "The choices are:", *choices])


def nutrition5k() -> str:
    """The prompt of nutrition5k."""
    return "What ingredients are used to make the dish in the image?"


def food101(options: Sequence[str]) -> str:
    """The prompt of food101, which lists every class."""
    return (
        "What type of food is shown in this image?\n"
        "Choose one type from the following options:\n"
        f"{', '.join(options)}"
    )


def foodseg103(options: Sequence[str]) -> str:
    """The prompt of foodseg103, which lists every category."""
    return (
        "Identify the food categories present in the image.\n"
        f"The available categories are: {', '.join(options)}\n"
        "Please return a list of the selected food categories, formatted as a list of names like "
        "[candy, egg tart, french fries, chocolate]."
    )


def scene(options: Sequence[str]) -> str:
    """The prompt of clrs and ucmerced, which lists every category."""
    return (
        "What is the category of this remote sensing image? "
        "Answer the question using a single word or phrase. "
        f"Reference categories include: {', '.join(options)}"
    )


def nwpu_captions() -> str:
    """The prompt of nwpu_captions."""
    return (
        "Please provide an one-sentence caption for the provided remote sensing image in details."
    )
