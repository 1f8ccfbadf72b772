"""Biomedical tasks: radiology, pathology and mixed medical images."""

from __future__ import annotations

from tasks._types import Card, HubDataset, Task
from tasks.scorers import MultipleChoice, OpenClosedVqa

_REPO = "AdaptLLM/biomed-VQA-benchmark"
_PAPER = (
    "OPEN: recall of the label's words after VQA normalising, hits counted in the answer. "
    "CLOSED: 1 if the answer holds 'yes' or 'no' anywhere and the label is a substring of it."
)
_STRICT = (
    "OPEN: recall with clipped counts, exact match, token F1. "
    "CLOSED: the first decisive yes or no by whole words; a contradiction is wrong."
)

SLAKE = Task(
    id="slake",
    group="biomed",
    source=HubDataset(_REPO, ("SLAKE",)),
    scorer=OpenClosedVqa(),
    card=Card(
        title="SLAKE",
        measures="open and closed medical questions in English",
        prompt="{question}",
        rows="1,061 (645 open, 416 closed)",
        paper=_PAPER,
        strict=_STRICT,
    ),
)
PATHVQA = Task(
    id="pathvqa",
    group="biomed",
    source=HubDataset(_REPO, ("PathVQA",)),
    scorer=OpenClosedVqa(),
    card=Card(
        title="PathVQA",
        measures="open and closed questions about pathology images",
        prompt="{question}",
        rows="6,719 (3,357 open, 3,362 closed)",
        paper=_PAPER,
        strict=_STRICT,
    ),
)
VQA_RAD = Task(
    id="vqa_rad",
    group="biomed",
    source=HubDataset(_REPO, ("VQA_RAD",)),
    scorer=OpenClosedVqa(),
    card=Card(
        title="VQA-RAD",
        measures="open and closed questions about radiology images",
        prompt="{question}",
        rows="451 (179 open, 272 closed)",
        paper=_PAPER,
        strict=_STRICT,
        notes=(
            "Its training split is in the seed data of the published synthesizer.",
            "Every test image probably also occurs in its training split.",
        ),
    ),
)
PMC_VQA = Task(
    id="pmc_vqa",
    group="biomed",
    source=HubDataset(_REPO, ("PMC-VQA",)),
    scorer=MultipleChoice(),
    card=Card(
        title="PMC-VQA",
        measures="four-way multiple choice about figures of medical papers",
        prompt="Question: {question}\nThe choices are:\n(A) ...\n(B) ...\n(C) ...\n(D) ...",
        rows="2,000",
        paper=(
            "A letter in brackets, else between blanks, else an option's text; the last one "
            "wins. Nothing found: a guess seeded by the row's index, and flagged."
        ),
        strict="The one letter or option text the answer names; no guessing.",
    ),
)

BIOMED: tuple[Task, ...] = (SLAKE, PATHVQA, VQA_RAD, PMC_VQA)
