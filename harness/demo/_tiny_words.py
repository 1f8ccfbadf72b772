"""What the tiny models can read and say: an answer's grammar and the tokenizer's training text."""

from collections.abc import Iterator
from typing import NamedTuple

END = "end"
"""In `Slot.follow`: the answer may end after this slot."""


class Slot(NamedTuple):
    """One place in an answer.

    `follow` names only later slots, so an answer has at most `len(SLOTS)` words and always ends.
    """

    name: str
    words: str
    """Written as they stand in an answer, the space before them left out."""
    follow: tuple[str, ...]


SLOTS = (
    Slot("prompt", "", ("letter", "reply", "opening")),  # every token that no other slot holds
    Slot("letter", "A B C D", ("stop",)),
    Slot("reply", "Yes No Left Right Two Three", ("comma", "stop")),
    Slot("comma", ",", ("article", "adjective")),
    Slot("opening", "The This That One Each Our", ("subject",)),
    Slot("subject", "image scan picture dish plate lung heart brain field city", ("verb",)),
    Slot("verb", "shows is has was looks holds", ("article", "adjective")),
    Slot("article", "a the no two three some many", ("adjective", "noun")),
    Slot("adjective", "small large left right red green dark bright normal clear", ("noun",)),
    Slot(
        "noun",
        "mri ct xray ultrasound rice bread cake soup salad pizza beach forest park river bridge",
        ("link", "stop"),
    ),
    Slot("link", "with and near in on over", ("thing",)),
    Slot("thing", "water salt egg fish milk trees houses cars bone fluid yes", ("stop",)),
    Slot("stop", ".", (END,)),
)

# The sentences around a question, in our own words and in those of the tasks' public questions.
_SENTENCES = """\
What is the main organ in the image?
Is the lung healthy? Is there any sign of a lesion on the left side?
Are there two kidneys in this picture? Which side of the brain looks dark?
What type of food is shown in this image?
Choose one type from the following options: bread, cake, rice, soup, salad, pizza
What ingredients are used to make the dish in the image?
Identify the food categories present in the image. The available categories are: egg, fish, milk
Please return a list of the selected categories, formatted as a list of names like [candy, cake].
What is the category of this remote sensing image?
Answer the question using a single word or phrase. Reference categories include: forest, river
Please provide a one sentence caption for the provided remote sensing image in details.
Question: What does the arrow point to?
The choices are:
(A) lung (B) heart (C) brain (D) bone
How many houses are under water? Is the entire road flooded?
Describe the image. Answer with a precise response. Answer with an informative response.
You are a helpful assistant. Today is the first day of the month.
system user assistant
How do I cook this recipe? Give the steps, then the time in minutes: 10, 20, 30, 45.
"""


def spoken(slot: Slot) -> list[str]:
    """The slot's words as an answer's text has them, with a space before all but the first."""
    starts = slot.name in SLOTS[0].follow
    return [word if starts or word in ",." else f" {word}" for word in slot.words.split()]


def training_text() -> Iterator[str]:
    """Lines to train the tokenizer on; spoken words often enough to become one token each."""
    for _ in range(2):
        yield from sentences()
    words = [word for slot in SLOTS for word in spoken(slot)]
    for _ in range(25):
        yield from words
    yield from ["\n", "\n\n"] * 25


def sentences() -> list[str]:
    """What the training text has of questions and their surroundings."""
    return _SENTENCES.splitlines()
