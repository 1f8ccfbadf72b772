"""What a caption of a picture from above answers: the kind of place, and what lies there."""

from __future__ import annotations

import re

from synth._text import pick
from synth.generators._candidate import Candidate, ended, raised

_PLACES = (
    r"airports?|runways?|bare land|baseball (?:field|diamond)s?|basketball courts?|beach(?:es)?|"
    r"bridges?|cemeter(?:y|ies)|churches|church|circular farmlands?|cloud|commercial area|"
    r"(?:dense |medium |sparse )?residential(?: area| district)s?|deserts?|farmlands?|"
    r"football fields?|forests?|freeways?|golf courses?|ground track field|harbou?rs?|"
    r"highways?|industrial (?:area|zone)s?|intersections?|islands?|lakes?|meadows?|"
    r"mobile home parks?|mountains?|overpass(?:es)?|palaces?|parking lots?|parks?|playgrounds?|"
    r"ponds?|ports?|power (?:station|plant)s?|railways?|railway stations?|resorts?|rivers?|"
    r"roundabouts?|schools?|snowbergs?|sea ice|squares?|stadiums?|storage tanks?|tennis courts?|"
    r"terraces?|thermal power stations?|viaducts?|wetlands?|annual crop(?: land)?|pastures?|"
    r"permanent crops?|herbaceous vegetation"
)
_PLACE = re.compile(rf"\b(?:{_PLACES})\b", re.IGNORECASE)
_FROM_ABOVE = re.compile(
    r"\b(?:aerial|satellite|remote[- ]sensing|overhead|from above|bird'?s[- ]eye|drone|"
    r"orthophoto)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:no|not|without|neither|nor)\b", re.IGNORECASE)
_LEAST = 2


def scene_candidates(caption: str, sentences: list[str], seed: int, row_id: str) -> list[Candidate]:
    """Questions on kind and content of a place; none where the caption names no such place.

    Args:
        caption: The whole of it.
        sentences: Its sentences.
        seed: Of the choice among places it names.
        row_id: The pair's.
    """
    named = list(dict.fromkeys(hit.lower() for hit in _PLACE.findall(caption)))
    above = _FROM_ABOVE.search(caption) is not None
    if not named or (not above and len(named) < _LEAST and len(sentences) > _LEAST):
        return []
    if _DENIED.search(caption):
        return []
    place = pick(named, seed, row_id, "place")
    sentence = ended(next(s for s in sentences if place in s.lower()))
    many = place.endswith("s")
    article = "" if many or place.endswith(("land", "ice", "vegetation", "area")) else "a "
    article = "an " if article and place[0] in "aeiou" else article
    found = [
        Candidate(
            "is it there",
            (
                f"{'Are' if many else 'Is'} there {article or 'any '}{place} in this scene?",
                f"Does this scene contain {article}{place}?",
            ),
            f"{sentence} So the scene contains {article}{place}.",
            "Yes",
        )
    ]
    if len(named) == 1:
        found.append(
            Candidate(
                "scene",
                (
                    "What kind of place is seen from above?",
                    "Which type of land use does this scene show?",
                    "How would you classify this scene?",
                ),
                f"{sentence} This makes it a scene of the type {named[0]}.",
                raised(named[0]),
            )
        )
    return found
