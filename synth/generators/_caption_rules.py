"""What a caption that is no recipe answers: counts, colours, places, and what is shown at all."""

from __future__ import annotations

import re

from synth.generators._candidate import Candidate, ended, raised, sentences_of
from synth.generators._clinical_rules import clinical_candidates
from synth.generators._scene_rules import scene_candidates

_LEAST_WORDS = 3
_LATIN_SHARE = 0.6
_MOST_READ = 4_000
_LONGEST = 500
_MOST_SENTENCES = 20
_NUMBER = r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,2})"
_COLOUR = r"(?:white|black|red|green|blue|yellow|brown|gr[ae]y|orange|purple|pink|silver|golden)"
_THEN = (
    r"(?=\s+(?:is|are|was|were|with|in|on|and|or|near|next|beside|of|that|which|at|by|surrounded|"
    r"around|along|behind|between|from|to|under|over|there|parked|standing|sitting)\b|[.,;:)]|$)"
)
_COUNTED = re.compile(
    rf"\b(?P<number>{_NUMBER})\s+(?P<noun>(?:[a-z-]+\s){{0,3}}?[a-z]{{2,}}s)(?!\s+of\b)"
    rf"{_THEN}",
    re.IGNORECASE,
)
_COLOURED = re.compile(
    rf"\b(?P<colour>{_COLOUR})\s+(?P<noun>(?:[a-z-]+\s){{0,2}}?[a-z]{{3,}}){_THEN}", re.I
)
_PLACED = re.compile(
    r"^(?:there (?:is|are) )?"
    r"(?P<who>(?:an?|the|some|many|several|two|three|four|five)\s[\w\s-]{2,50}?)"
    r"\s(?:(?P<be>is|are)\s)?"
    r"(?:parked |located |situated |placed |standing |sitting |lying |seen )?"
    r"(?P<where>(?:next to|near|beside|on top of|on both sides of|in front of|between|behind|under|"
    r"on|in the middle of|at the edge of|along)\s[\w\s-]{3,70}?)[.]?$",
    re.IGNORECASE,
)
_UNCOUNTED = re.compile(
    r"\b(?:years?|months?|weeks?|days?|hours?|minutes?|seconds?|times|cases?|patients?|panels?|"
    r"degrees?|percents?|grams?|inches|meters|metres|cms|mms|is|was|has|its|this|plus)\b",
    re.IGNORECASE,
)
_NO_NOUN = re.compile(
    rf"^(?:and|or|{_COLOUR}|arrows?|circles?|box(?:es)?|lines?|stars?|onions?|teas?|beans?|peppers?|"
    r"wine|rice|meat)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:(?:it|this|there)\s+(?:is|are)\s+)?(?:(?:this|the)\s+)?(?:(?:image|picture|photo(?:graph)?|figure|fig\.?\s*\d*\w?|scene|view|"
    r"snapshot)\b[\s:.,-]*)?(?:(?:is|shows?|depicts?|displays?|illustrates?|presents?|features?|of)\s+)?"
    r"(?:(?:an?|the)\s+(?:image|picture|photo(?:graph)?|view)\s+(?:of|showing)\s+)?",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;:(]|\s(?:which|while|where|and (?:is|are|has|the|there))\b")
_DENIED = re.compile(r"(?:no|not|without|there)\b", re.IGNORECASE)
_ARTICLE = re.compile(rf"^(?:an?|the|some|many|several|{_NUMBER})\s+", re.IGNORECASE)


def caption_candidates(caption: str, seed: int, row_id: str) -> list[Candidate]:
    """Every question that a caption answers.

    Args:
        caption: Of any field.
        seed: Of choices among entries of a list.
        row_id: The pair's.
    """
    words = caption.split()
    letters = [letter for letter in caption if letter.isalpha()]
    latin = sum(letter.isascii() for letter in letters)
    if len(words) < _LEAST_WORDS or latin < _LATIN_SHARE * len(letters):
        return []
    caption = " ".join(words)[:_MOST_READ]
    sentences = [one for one in sentences_of(caption) if len(one) <= _LONGEST][:_MOST_SENTENCES]
    if not sentences:
        return []
    found = clinical_candidates(caption, sentences)
    if not found:
        found = scene_candidates(caption, sentences, seed, row_id)
        for sentence in sentences[:6]:
            found += _colours(sentence, caption) + _places(sentence)
    for sentence in sentences[:6]:
        found += _counts(sentence, caption)
    return found + _shown(sentences)


def _counts(sentence: str, caption: str) -> list[Candidate]:
    found = []
    for counted in _COUNTED.finditer(sentence):
        noun, number = counted["noun"], counted["number"]
        again = rf"\b(?:{_NUMBER}|many|some|several)\s+{re.escape(noun)}\b"
        if _UNCOUNTED.search(noun) or len(re.findall(again, caption, re.IGNORECASE)) > 1:
            continue
        found.append(
            Candidate(
                "count",
                (
                    f"How many {noun} are there in the picture?",
                    f"How many {noun} can be seen?",
                    f"Count the {noun}.",
                ),
                f"{ended(sentence)} So the number of {noun} is {number.lower()}.",
                raised(number),
            )
        )
    return found


def _colours(sentence: str, caption: str) -> list[Candidate]:
    found = []
    for coloured in _COLOURED.finditer(sentence):
        noun, colour = coloured["noun"], coloured["colour"].lower()
        others = re.findall(
            rf"\b{_COLOUR}\s+(?:\w+\s+)?{re.escape(noun)}\b", caption, re.IGNORECASE
        )
        if _NO_NOUN.match(noun) or len(others) > 1:
            continue
        verb = "are" if noun.endswith("s") and not noun.endswith("ss") else "is"
        found.append(
            Candidate(
                "colour",
                (f"What colour {verb} the {noun}?", f"Which colour do you see on the {noun}?"),
                f"{ended(sentence)} The {noun} {verb} {colour}.",
                raised(colour),
            )
        )
    return found


def _places(sentence: str) -> list[Candidate]:
    placed = _PLACED.match(sentence)
    if placed is None:
        return []
    who = _ARTICLE.sub("", placed["who"]).strip()
    plural = placed["be"] == "are" or (who.endswith("s") and not who.endswith("ss"))
    verb = "are" if plural else "is"
    return [
        Candidate(
            "place",
            (f"Where {verb} the {who}?", f"Where in the picture {verb} the {who}?"),
            f"{ended(sentence)} The {who} {verb} {placed['where']}.",
            raised(placed["where"]),
        )
    ]


def _shown(sentences: list[str]) -> list[Candidate]:
    """What the first sentence begins with; nothing where it begins with no description."""
    first = _OPENING.sub("", sentences[0]).strip()
    clause = _CLAUSE_END.split(first, maxsplit=1)[0].strip(" .-")
    if not 1 <= len(clause.split()) <= 20 or len(clause) < 3 or _DENIED.match(clause):
        return []
    told = " ".join(ended(sentence) for sentence in sentences[:4])
    return [
        Candidate(
            "what is shown",
            (
                "What is shown in this picture?",
                "What does the picture show?",
                "Describe in a few words what you see.",
                "What is the main subject of the picture?",
            ),
            told,
            raised(clause),
        )
    ]
