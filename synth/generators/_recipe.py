"""A recipe out of a caption: title, ingredients with their amounts, steps."""

from __future__ import annotations

import re
from typing import NamedTuple

from synth.generators._candidate import lowered, sentences_of

_INGREDIENTS = re.compile(r"\bingredients?\s*:\s*", re.IGNORECASE)
_INSTRUCTIONS = re.compile(
    r"\b(?:instructions?|directions?|method|steps?|preparation)\s*:\s*", re.I
)
_TITLE_MARK = re.compile(r"^\s*(?:recipe(?: title| name)?|title|name)\s*:\s*", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_HEADING = re.compile(r"#{2,}[^.!?]*[.!?]?")
_STRONG = re.compile(r"\*{1,3}|__|`")
_ASIDE = re.compile(r"\([^()]*\)")
_FRACTION = "½¼¾⅓⅔⅛⅜⅝⅞"
_NUMBER = rf"(?:\d+(?:[.,/]\d+)?(?:\s?[{_FRACTION}])?(?:\s\d/\d)?|[{_FRACTION}])"
_COUNT_WORD = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|half an?|some|few)"
_UNIT = (
    r"(?:g|gr|grams?|kg|kilos?|mg|ml|cl|dl|l|lit(?:er|re)s?|oz|ounces?|lbs?|pounds?|cups?|tbsps?|tbs|"
    r"tb|tsps?|tablespoons?|teaspoons?|spoons?|pinch(?:es)?|dash(?:es)?|drizzles?|splash(?:es)?|"
    r"glass(?:es)?|cans?|tins?|jars?|packages?|packets?|envelopes?|heads?|sprigs?|sticks?|slices?|"
    r"pieces?|handfuls?|bunch(?:es)?|cloves?(?=\s+of)|peels?(?=\s+of)|bottles?|quarts?|pints?)"
)
_QUANTITY = re.compile(
    rf"^(?:around\s+|about\s+|approx\.?\s+|~\s*)?"
    rf"(?P<amount>(?:{_NUMBER}(?:\s?[-\u2013]\s?{_NUMBER})?|{_COUNT_WORD}(?:\s+or\s+{_COUNT_WORD})?)"
    rf"(?:\s*x\s*{_NUMBER})?"
    rf"(?:\s*(?:small |large |big )?{_UNIT}\b\.?)?(?:\s+{_UNIT}\b\.?)?"
    rf"(?:\s+or\s+{_NUMBER}\s*{_UNIT}\b\.?)?|(?:pinch|drizzle|dash|splash|handful)(?=\s+of\b))"
    r"(?:\s+(?:worth\s+)?of\b)?\s+",
    re.IGNORECASE,
)
_MORE = re.compile(r"\s+(?:\+|(?:or|with|to|enough|plus|for)\b|-\s)")
_TRAILING = re.compile(rf"\s+(?P<amount>{_NUMBER}\s*{_UNIT}\.?)$", re.IGNORECASE)
_MANNER = (
    r"(?:peeled|chopped|diced|minced|sliced|grated|shredded|crushed|crumbled|cooked|drained|rinsed|"
    r"soaked|melted|beaten|mashed|pressed|deseeded|halved|quartered|cubed|trimmed|softened|toasted|"
    r"divided|thawed|packed|sifted|cut|torn|not |needles|florets|to taste|as needed|or |and |"
    r"preferably|optional|plus|enough|fresh herbs|with their|for )"
)
_PREPARED = re.compile(
    rf"^(?:(?:finely|roughly|freshly|thinly|lightly|well)\s+)?{_MANNER}",
)
# Where steps stand without full stops, a capital letter begins a new one.
_VERBS = (
    "Add|Allow|Arrange|Bake|Beat|Blend|Boil|Bring|Brush|Chill|Chop|Coat|Combine|Cook|Cool|Cover|"
    "Crack|Crush|Cut|Dice|Dissolve|Divide|Drain|Drizzle|Dump|Eat|Fill|Flip|Fold|Form|Fry|Garnish|"
    "Grate|Grease|Grill|Grind|Heat|Knead|Knock|Layer|Leave|Let|Marinate|Mash|Melt|Mix|Peel|Place|"
    "Pour|Preheat|Prepare|Put|Reduce|Remove|Rest|Rinse|Roast|Roll|Run|Saute|Scald|Sear|Season|Serve|"
    "Shred|Sift|Simmer|Slice|Soak|Spread|Sprinkle|Steam|Stir|Strain|Toast|Top|Toss|Transfer|Turn|"
    "Use|Wash|Whisk|Work|Wrap|Zest|Enjoy|Optionally|Take|Increase|While|Once|When|If|You|At|With|For|"
    "This|It|To"
)
_RUN_ON = re.compile(rf"(?<=[a-z)\d])\s+(?=(?:{_VERBS})\b)")
_NO_INGREDIENT = re.compile(r"[.:;]|\b(?:must|make sure|you|recipe|depending)\b", re.I)
_LONGEST_STEP = 240
_LONGEST_TITLE = 90


class Ingredient(NamedTuple):
    """What goes in, and how much of it as far as it is said."""

    name: str
    amount: str | None


class CookingRecipe(NamedTuple):
    """What a caption says of a dish."""

    title: str
    ingredients: tuple[Ingredient, ...]
    steps: tuple[str, ...]


def read_recipe(caption: str) -> CookingRecipe | None:
    """Read a recipe; None where the caption is not one.

    Args:
        caption: `Title. Ingredients: a, b, c. Step. Step.`, as Recipe1M's pairs and their like.
    """
    mark = _INGREDIENTS.search(caption)
    if mark is None:
        return None
    title = _TITLE_MARK.sub("", _plain(caption[: mark.start()])).strip(" .:-\n")
    title = re.sub(r"\s+recipe$", "", title, flags=re.IGNORECASE)
    rest = caption[mark.end() :]
    written = _INSTRUCTIONS.search(rest)
    end, begin = (written.start(), written.end()) if written else (_end_of_list(rest),) * 2
    names = tuple(_ingredients(_plain(rest[:end])))
    if not title or len(title) > _LONGEST_TITLE or "\n" in title or not names:
        return None
    return CookingRecipe(title, names, tuple(_steps(rest[begin:])))


def _plain(text: str) -> str:
    """Without the marks of a page's source."""
    return _STRONG.sub("", _LINK.sub(r"\1", text))


def _end_of_list(text: str) -> int:
    """Where the ingredients end: the first full stop after which no list goes on."""
    goes_on = text.rfind(".,") + 1
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")" and depth > 0)
        if letter == "." and depth == 0 and place >= goes_on and text[place + 1 : place + 2] == " ":
            return place + 1
    return len(text)


def _split_list(text: str) -> list[str]:
    """At commas, semicolons and lines, outside brackets."""
    parts, depth, current = [], 0, ""
    for letter in text:
        depth += (letter in "([") - (letter in ")]" and depth > 0)
        if letter in ",;\n" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [*parts, current]


def _ingredients(text: str) -> list[Ingredient]:
    found: list[Ingredient] = []
    for part in _split_list(text):
        entry = " ".join(_ASIDE.sub(" ", part).split()).strip(" .*-\u2022")
        entry = _NO_INGREDIENT.split(entry)[0].strip()
        if not entry or (found and _PREPARED.match(entry)):
            continue
        amount = None
        if (leading := _QUANTITY.match(entry)) is not None:
            amount, entry = leading["amount"], entry[leading.end() :]
        elif (trailing := _TRAILING.search(entry)) is not None:
            amount, entry = trailing["amount"], entry[: trailing.start()]
        name = _MORE.split(entry, maxsplit=1)[0].strip(" .-")
        if 2 <= len(name) <= 45:
            # Only a list's own capital letter goes: `Mexican` keeps its own.
            kept = leading is not None and " " in name
            found.append(Ingredient(name if kept else lowered(name), amount))
    return found


def _steps(text: str) -> list[str]:
    """Sentences that say what to do; headings and overlong runs are left out."""
    steps = []
    for sentence in sentences_of(_HEADING.sub(" ", _LINK.sub(r"\1", text))):
        for step in _RUN_ON.split(_STRONG.sub("", sentence)):
            plain = " ".join(step.split()).lstrip(" -*\u2022.").strip()
            plain = re.sub(r"^\(?(?:step\s+)?\d+[.):]\s+", "", plain, flags=re.IGNORECASE)
            if 8 <= len(plain) <= _LONGEST_STEP and not plain.startswith("("):
                steps.append(plain)
    return steps
