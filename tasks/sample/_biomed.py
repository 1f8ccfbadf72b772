"""Samples of the biomedical tasks: drawn scans with several questions each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

from tasks import _prompts
from tasks.sample import scan as scans
from tasks.sample._canvas import png
from tasks.sample._record import Record, Sample, record
from tasks.sample._rng import deck, seeded
from tasks.sample.scan import Aspect, Question, Scan, Wording

_OPEN: tuple[Aspect, ...] = ("modality", "lesions", "shadow")
_CLOSED: tuple[Aspect, ...] = ("modality", "lesions", "shadow", "effusion")
_LETTERS = "ABCD"

# Answers of more than one word give the open questions partial recall.
_WORDINGS = {
    "slake": scans.PLAIN,
    "pathvqa": Wording(
        open={
            "modality": ("Which modality is shown?", "{value} scan"),
            "lesions": ("How many lesions does the picture show?", "{value}"),
            "shadow": ("Where does the shadow lie?", "along the {value} edge"),
        },
        closed={
            "modality": "Is the modality {value}?",
            "lesions": "Does the number of lesions equal {value}?",
            "shadow": "Does the shadow lie along the {value} edge?",
            "effusion": "Is an effusion seen in the centre?",
        },
    ),
    "vqa_rad": Wording(
        open={
            "modality": ("What imaging method was used?", "{value}"),
            "lesions": ("What is the total of the lesions?", "{value} lesions in total"),
            "shadow": ("At which edge is the dark band?", "{value} edge"),
        },
        closed={
            "modality": "Was {value} used?",
            "lesions": "Are the lesions {value} in total?",
            "shadow": "Is the dark band at the {value} edge?",
            "effusion": "Does the patient have an effusion?",
        },
    ),
}
_PICTURES = {"slake": 26, "pathvqa": 18, "vqa_rad": 8, "pmc_vqa": 15}


def _scans(count: int, rng: Random) -> list[Scan]:
    """Scans in which every value of every fact is as frequent as the others."""
    facts = zip(
        deck(scans.MODALITIES, count, rng),
        deck(range(1, len(scans.COUNTS) + 1), count, rng),
        deck(scans.SIDES, count, rng),
        deck((True, False), count, rng),
        strict=True,
    )
    return [Scan(*fact) for fact in facts]


def _open_closed(task: str) -> Iterator[Record]:
    count, wording, rng = _PICTURES[task], _WORDINGS[task], seeded("sample", task)
    truths = {aspect: deck((True, False), count, rng) for aspect in _CLOSED}
    row = 0
    for picture, scan in enumerate(_scans(count, rng)):
        image = png(scans.draw(scan, rng))
        questions = [scans.open_question(scan, aspect, wording) for aspect in _OPEN]
        for aspect in _CLOSED:
            truth = truths[aspect][picture]
            questions.append(scans.closed_question(scan, aspect, rng, truth=truth, wording=wording))
        for question in questions:
            fields = record(task, row, picture, image, question.text, question.answer)
            yield {**fields, "answer_type": "CLOSED" if question.closed else "OPEN"}
            row += 1


def _multiple_choice() -> Iterator[Record]:
    task = "pmc_vqa"
    count, rng = _PICTURES[task], seeded("sample", task)
    letters = deck(_LETTERS, count * (len(_OPEN) + 1), rng)
    row = 0
    for picture, scan in enumerate(_scans(count, rng)):
        image = png(scans.draw(scan, rng))
        asked = [scans.open_question(scan, aspect) for aspect in _OPEN]
        wrong = [
            [other for other in scans.values(aspect) if other != scans.value(scan, aspect)]
            for aspect in _OPEN
        ]
        asked.append(Question("Which description fits the picture?", _describe(scan), closed=False))
        wrong.append([_describe(other) for other in _lookalikes(scan, rng)])
        for question, others in zip(asked, wrong, strict=True):
            letter = letters[row]
            options = rng.sample(others, len(others))
            options.insert(_LETTERS.index(letter), question.answer)
            prompt = _prompts.multiple_choice(question.text, options)
            fields = record(task, row, picture, image, prompt, letter)
            yield {**fields, **dict(zip(_LETTERS, options, strict=True))}
            row += 1


def _describe(scan: Scan) -> str:
    lesions = "one lesion" if scan.lesions == 1 else f"{scans.value(scan, 'lesions')} lesions"
    return f"{scans.article(scan.modality)} {scan.modality} scan with {lesions}"


def _lookalikes(scan: Scan, rng: Random) -> list[Scan]:
    """Three scans that differ in the modality, in the number of lesions, and in both."""
    modality = rng.choice([other for other in scans.MODALITIES if other != scan.modality])
    lesions = rng.choice([n for n in range(1, len(scans.COUNTS) + 1) if n != scan.lesions])
    return [
        Scan(modality, scan.lesions, scan.shadow, scan.effusion),
        Scan(scan.modality, lesions, scan.shadow, scan.effusion),
        Scan(modality, lesions, scan.shadow, scan.effusion),
    ]


SAMPLES = {
    **{
        task: Sample(_PICTURES[task] * (len(_OPEN) + len(_CLOSED)), partial(_open_closed, task))
        for task in _WORDINGS
    },
    "pmc_vqa": Sample(_PICTURES["pmc_vqa"] * (len(_OPEN) + 1), _multiple_choice),
}
