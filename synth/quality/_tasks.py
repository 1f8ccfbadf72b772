"""The twenty usual task types, and plain rules that guess a question's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

USUAL = 17
"""What the published diversity divides the number of distinct types by."""
OTHER = "Other"
"""A question that is of no usual type, or that no rule knows."""


class TaskType(NamedTuple):
    """A kind of question about a picture."""

    name: str
    """As published."""
    describes: str
    """In our words, for the judge and for people."""
    rule: re.Pattern[str]
    """Found in the instructions of such questions, in English."""


def _type(name: str, describes: str, rule: str) -> TaskType:
    return TaskType(name, describes, re.compile(rf"\b(?:{rule})\b", re.IGNORECASE))


_BY_RULE_ORDER = (
    _type("Logo Detection", "finding or naming a brand, emblem or logo",
          r"logos?|brands?|emblems?|trademarks?"),
    _type("Text Detection and OCR", "reading what is written in the picture",
          r"written|inscriptions?|text (?:in|on|of)|printed on|which (?:word|letters?)"
          r"|(?:label|sign) (?:say|read)s?|read the (?:text|label|sign)"),
    _type("Face and Expression", "a face and what it expresses",
          r"facial|expressions? (?:on|of)|smil(?:e|es|ing)|frown\w*|whose face"),
    _type("Sentiment", "the mood or feeling that the picture conveys",
          r"sentiment|moods?|emotions?|feelings?|atmosphere"),
    _type("Segmentation", "telling the extent of a region or its outline",
          r"segment(?:s|ed|ation)?|outlines?|delineat\w+|boundar(?:y|ies)|which pixels"),
    _type("Image-Text Matching", "whether a text and the picture belong together",
          r"(?:match|fit|describe)(?:es|s)? (?:the|this) (?:text|caption|description|statement)"
          r"|which (?:caption|description|title|statement)|(?:caption|statement) (?:match|fit)\w*"),
    _type("Data Representation", "reading a chart, graph, plot or diagram",
          r"charts?|graphs?|diagrams?|axis|axes|plotted|curves?|histogram"),
    _type("Visual Storytelling", "telling a story that the picture suggests",
          r"stor(?:y|ies)|narrat\w+|tale"),
    _type("Caption Generation", "describing the picture as a whole, or giving it a title",
          r"describe (?:the|this) (?:image|picture|photo\w*|scan|scene)|captions?|summari[sz]e"
          r"|what (?:does|do) (?:this|the) (?:image|picture|photo\w*) (?:show|depict)"),
    _type("Step-by-Step Guidance", "how something is done, in steps or what comes next",
          r"steps?|how (?:to|(?:do|would|can|should) (?:you|one|i|we))"
          r"|how (?:is|are|was|were) .{0,60}(?:made|prepared|cooked|done|performed)|procedure"
          r"|instructions|(?:is|comes?) next|begin|what (?:is|should be) done"),
    _type("Visual Grounding", "where in the picture something is",
          r"where|located?|location|which (?:side|corner|part|quadrant|lobe|region)|position of"
          r"|coordinates"),
    _type("Anomaly Detection", "whether something is abnormal, diseased, damaged or out of place",
          r"abnormal\w*|anomal\w+|unusual|defects?|lesions?|diseases?|patholog\w+|diagnos\w+"
          r"|tumou?rs?|fractures?|findings?|damaged?|wrong with|rul(?:e|ed) out"),
    _type("Domain Classification", "which modality, field or category the picture is of",
          r"modality|(?:kind|type|sort) of (?:scan|image|picture|photo\w*|imaging|study|section)"
          r"|which (?:imaging|plane|view)|stain\w*|categor(?:y|ies)|classif\w+|which domain"),
    _type("Scene Classification", "which place, land use, setting or circumstances are shown",
          r"scenes?|settings?|environment|(?:kind|type|sort) of (?:place|area|land|terrain|room)"
          r"|land (?:use|cover)|landscape|(?:in|out)doors?|weather|season"),
    _type("Style Classification", "which style, tradition, era or manner something is of",
          r"styles?|artistic|genre|tradition|cuisine|which (?:era|period|culture)"),
    _type("Pose and Activity", "how somebody stands or lies, or what is being done",
          r"poses?|posture|gestures?|activit(?:y|ies)|doing|lying|standing|sitting"),
    _type("Utility and Affordance", "what something is for, or what it lets one do",
          r"used? (?:for|to|as)|purpose|function of|what for|tools?|utensils?|equipment"),
    _type("Task-Oriented Recognition", "counting, measuring, comparing, or reading off a value "
          "that a job needs",
          r"how (?:many|much|long|hot|far|tall)|counts?|number of|amounts?|quantit(?:y|ies)"
          r"|temperature|compar\w+|larger|smaller|difference"),
    _type("Attribute and Context", "colour, shape, size, material, state, or the reason for them",
          r"colou?rs?|shapes?|sizes?|textures?|materials?|made (?:of|from|with)|why|because"
          r"|appearance|what kind of|properties"),
    _type("Object Recognition", "naming what is shown, or whether it is there",
          r"what (?:is|are) (?:this|that|these|those|the|shown|visible)|which|identify|names?"
          r"|called|is there|are there|do(?:es)? .{0,60}(?:contain|include|show|have|need)"
          r"|would I (?:need|have)|call for|needed|ingredients?|dish|organ|species|can be seen"
          r"|what .{0,40} is (?:it|this|shown)"),
)  # fmt: skip

_ORDER = (
    "Domain Classification", "Object Recognition", "Pose and Activity", "Logo Detection",
    "Face and Expression", "Scene Classification", "Sentiment", "Caption Generation",
    "Text Detection and OCR", "Image-Text Matching", "Anomaly Detection", "Style Classification",
    "Attribute and Context", "Task-Oriented Recognition", "Step-by-Step Guidance",
    "Data Representation", "Utility and Affordance", "Visual Grounding", "Segmentation",
    "Visual Storytelling",
)  # fmt: skip
TASK_TYPES = tuple(sorted(_BY_RULE_ORDER, key=lambda kind: _ORDER.index(kind.name)))
"""In the published order."""
NAMES = frozenset(_ORDER)


def guess(instruction: str) -> str:
    """The type whose rule fits first, the narrow ones before the wide ones; else `Other`."""
    found = (kind.name for kind in _BY_RULE_ORDER if kind.rule.search(instruction[:2_000]))
    return next(found, OTHER)


def diversity(types: Iterable[str]) -> float | None:
    """Distinct types over the usual seventeen, 0 to 100; more than seventeen count as all.

    Args:
        types: One a sample; `Other` is none.

    Returns:
        None without samples.
    """
    seen = list(types)
    return 100.0 * min(1.0, len(NAMES.intersection(seen)) / USUAL) if seen else None
