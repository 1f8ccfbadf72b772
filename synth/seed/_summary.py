"""Which pictures and which kinds of tasks a synthesizer is tuned on: the paper's Figure 5."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from harness.files import replacing, write_json
from harness.progress import printable
from synth.seed._rows import SeedRow

# From the words of a task's name; the first that fits. The names are the paper's.
_TYPES = (
    ("Caption Generation", r"caption|describ|descript"),
    ("Visual Storytelling", r"stor(?:y|ies)"),
    ("Text Detection and OCR", r"ocr|text|docvqa|infographic|word|letter|digit|mnist|memotion"),
    ("Image-Text Matching", r"itm\b|match|selection|winoground|true_false"),
    ("Logo Detection", r"logo"),
    ("Face and Expression", r"face|facial|expression|age\b|gender|portrait|lfw|celeb"),
    ("Pose and Activity", r"pose|activit|action|hico|sport|gesture"),
    ("Sentiment", r"sentiment|emotion|humou?r"),
    ("Style Classification", r"style|pacs|genre|artist|art_|art\b|wikiart|semart|sketch"),
    ("Anomaly Detection", r"anomal|mvtec|defect|quality|corrupt"),
    ("Segmentation", r"segment"),
    ("Visual Grounding", r"ground|locali|bound|bbox|detection|region|relative_position"),
    ("Data Representation", r"chart|plot|dvqa|figure|diagram|graph|geometry|table"),
    ("Step-by-Step Guidance", r"recipe|wikihow|step|procedure|instruct"),
    ("Utility and Affordance", r"utility|affordance|usage"),
    ("Domain Classification", r"domain"),
    ("Scene Classification", r"scene|place|environment|weather|time_class|indoor|satellite|lsun"),
    ("Attribute and Context", r"attribute|colou?r|count|material|shape|size|context|relation"),
    ("Object Recognition", r"object|classif|recogni|species|animal|category|identif|breed"),
    ("Task-Oriented Recognition", r"vqa|qa\b|question"),
)
_KNOWN = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _TYPES)
_SHOWN = 20


def task_type(task: str) -> str:
    """The kind of a task, guessed from its name; `Other` where nothing fits."""
    return next((name for name, pattern in _KNOWN if pattern.search(task)), "Other")


@dataclass
class Summary:
    """Counts of the rows that became conversations."""

    tasks: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    train: int = 0
    validation: int = 0
    blank: int = 0

    def add(self, row: SeedRow, *, held_out: bool, blank: bool) -> None:
        """Count a row."""
        self.tasks[row.task] += 1
        self.types[task_type(row.task)] += 1
        self.sources[row.source] += 1
        self.blank += blank
        if held_out:
            self.validation += 1
        else:
            self.train += 1

    def counts(self) -> dict[str, Any]:
        """Rows of either file and blank pictures."""
        return {"train": self.train, "validation": self.validation, "blank": self.blank}

    def write(self, folder: Path) -> None:
        """Write `summary.json` and `summary.svg`."""
        parts = {"task_types": self.types, "sources": self.sources, "tasks": self.tasks}
        value = {name: dict(counted.most_common()) for name, counted in parts.items()}
        write_json(folder / "summary.json", {**self.counts(), **value})
        charts = (("Task types", self.types), ("Image sources", self.sources))
        with replacing(folder / "summary.svg") as temporary:
            text = _chart(charts)
            temporary.write_text(text, encoding="utf-8", errors="replace")


def _chart(charts: tuple[tuple[str, Counter[str]], ...]) -> str:
    """Bars of shares, one list below the other."""
    lines: list[str] = []
    y = 10
    for title, counted in charts:
        total = max(sum(counted.values()), 1)
        y += 24
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
        for name, rows in _shown(counted):
            y += 20
            share = rows / total
            label = escape(printable(name[:40]))
            lines.append(
                f'<text x="270" y="{y}" text-anchor="end">{label}</text>'
                f'<rect x="280" y="{y - 11}" width="{share * 400:.1f}" height="13" fill="#4269d0"/>'
                f'<text x="{286 + share * 400:.1f}" y="{y}">{100 * share:.1f} % ({rows:,})</text>'
            )
        y += 12
    size = f'width="800" height="{y + 10}" viewBox="0 0 800 {y + 10}"'
    style = 'font-family="sans-serif" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _shown(counted: Counter[str]) -> list[tuple[str, int]]:
    """The commonest, and one bar for the rest."""
    most = counted.most_common(_SHOWN)
    rest = sum(counted.values()) - sum(rows for _, rows in most)
    return [*most, (f"{len(counted) - len(most)} others", rest)] if rest else most
