"""The report for people: one page that needs no other file and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.files import replacing
from synth._page import safe
from synth.quality._beside import Beside, Written
from synth.quality._charts import before_and_after, key, scores, task_types, texts
from synth.quality._html import PAGE, STYLE, number, section, table
from synth.quality._measure import Measured
from synth.quality._published import published
from synth.quality._rubric import RUBRIC
from synth.quality._tasks import OTHER, TASK_TYPES
from synth.quality._types import GRADES


class Facts(NamedTuple):
    """What a reader should know first."""

    name: str
    """The recipe's."""
    sources: list[str]
    judge: str | None
    """Model that rates; None: there is none."""
    sees: bool
    """Whether the judge was shown the pictures."""
    people: int | None
    """Samples that people rated; None: no sheet came back."""
    seed: int


def write_page(path: Path, facts: Facts, measured: Measured, beside: list[Beside]) -> None:
    """Write the page.

    Args:
        path: The page.
        facts: What it is about.
        measured: Its numbers.
        beside: Pairs with what was written about them.
    """
    title = f"Quality of {facts.name}"
    body = "".join(
        (
            _facts(facts, measured),
            scores(measured.sets, rated=facts.judge is not None or facts.people is not None),
            before_and_after(measured.sets),
            task_types(measured.sets),
            texts(measured.sets),
            _people(facts, measured.agreement),
            _beside(facts, beside),
            _how(),
            _published(),
        )
    )
    page = PAGE.format(title=safe(title), style=STYLE, body=body)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")


def _facts(facts: Facts, measured: Measured) -> str:
    judge = "none: only what can be counted"
    if facts.judge is not None:
        judge = f"{facts.judge}, {'shown the pictures' if facts.sees else 'shown captions only'}"
    told = [("Judge", judge)]
    if facts.people is not None:
        told.append(("People", f"{facts.people:,} samples rated"))
    for found in measured.sets:
        lost = (found["judge"] or {}).get("rejects", {})
        without = ", ".join(f"{count:,} {reason}" for reason, count in lost.items())
        text = f"{found['rows']:,} triplets, {found['samples']:,} in the sample"
        told.append((found["name"], f"{text}; not rated: {without}" if without else text))
    told.append(("Seed of the sample", str(facts.seed)))
    rows = "".join(f"<dt>{safe(term)}</dt><dd>{safe(text)}</dd>" for term, text in told)
    return f"<dl>{rows}</dl>{key(facts.sources, people=facts.people is not None)}"


def _people(facts: Facts, agreement: dict[str, Any] | None) -> str:
    if agreement is None:
        todo = (
            "Fill in <code>sheet.csv</code> beside this page, and read it back with "
            "<code>--read-sheet</code>: it holds the same samples, in an order that does not tell "
            "who generated them."
        )
        if facts.people is not None:
            todo = (
                "There is no judge to compare with: name one as <code>judge</code> in the recipe."
            )
        return section("People and judge", f'<p class="note">{todo}</p>')
    rows = []
    for grade in GRADES:
        found = agreement[grade]
        if not found["n"]:
            rows.append((grade, "0", *["-"] * 6))
            continue
        rows.append(
            (
                grade, str(found["n"]), number(found["exact"]), number(found["within_one"]),
                _ranged(found["spearman"]), _ranged(found["kappa"]),
                number(found["people"]), number(found["judge"]),
            )
        )  # fmt: skip
    for name, shown in (("agree", "answers agree"), ("task_type", "task type")):
        found = agreement[name]
        rows.append((shown, str(found["n"]), number(found["exact"]), *["-"] * 5))
    head = (
        "",
        "samples",
        "equal, %",
        "within 1, %",
        "Spearman",
        "weighted kappa",
        "people",
        "judge",
    )
    told = (
        f"{agreement['both']:,} samples were rated by both. Kappa is Cohen's with squared weights; "
        "in brackets, 95 % intervals by bootstrap over pictures."
    )
    return section("People and judge", f'<p class="note">{told}</p>', table(head, rows))


def _ranged(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return f"- ({found['reason']})"
    if "low" not in found:
        return number(found["value"], 2)
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _beside(facts: Facts, beside: Sequence[Beside]) -> str:
    if not beside:
        return ""
    title = "The same pairs, side by side" if len(facts.sources) > 1 else "Some of the samples"
    looks = {name: f"c{place % 6}" for place, name in enumerate(facts.sources)}
    return section(title, *(_pair(pair, looks) for pair in beside))


def _pair(beside: Beside, looks: dict[str, str]) -> str:
    picture = '<div class="none">no picture</div>'
    if beside.picture is not None:
        picture = f'<img src="{safe(beside.picture, 10**7)}" alt="">'
    written = "".join(_written(one, looks[one.source]) for one in beside.written)
    return (
        f'<div class="pair"><div class="about"><div>{picture}</div>'
        f'<div><h4>{safe(beside.pair.id)}: caption</h4><p class="text">'
        f"{safe(beside.pair.caption, 1_500)}</p></div></div>"
        f'<div class="written">{written}</div></div>'
    )


def _written(written: Written, look: str) -> str:
    head = f"<b>{safe(written.source)}</b>"
    triplet = written.triplet
    if triplet is None:
        return f'<div class="{look}">{head}<p class="note">no triplet for this pair</p></div>'
    if written.kept is not None:
        head += (
            f" <small>{'kept by the filter' if written.kept else 'rejected by the filter'}</small>"
        )
    parts = [
        f'<h4>{name}</h4><p class="text">{safe(text, 1_500)}</p>'
        for name, text in (
            ("Question", triplet.instruction),
            ("Informative answer", triplet.informative),
            ("Precise answer", triplet.precise),
        )
    ]
    if written.rated is not None:
        parts.append(f"<h4>Judge</h4><p>{_said(written)}</p>")
    return f'<div class="{look}">{head}{"".join(parts)}</div>'


def _said(written: Written) -> str:
    rated = written.rated
    if rated is None or rated.rating is None:
        return safe(f"not rated: {rated.reason}" if rated else "not asked")
    rating = rated.rating
    grades = ", ".join(f"{name} {rating.grade(name)}" for name in GRADES)
    agree = "answers agree" if rating.agree else "answers disagree"
    return safe(f"{grades}; {agree}; {rating.task_type}")


def _how() -> str:
    parts = []
    for grade, (about, steps) in RUBRIC.items():
        items = "".join(f"<li>{safe(step)}</li>" for step in steps)
        parts.append(f"<h3>{safe(grade.capitalize())}: {safe(about)}</h3><ol>{items}</ol>")
    kinds = "".join(
        f"<li>{safe(kind.name)}: <small>{safe(kind.describes)}</small></li>" for kind in TASK_TYPES
    )
    told = (
        "The rubric is worded anew after the published one. Grades of 1 to 5 are shown as 0 to "
        "100: (grade - 1) / 4. The published ones were given by people, and their scaling is not "
        "known here: compare the sets of this page with each other first. Diversity is the number "
        f"of different task types over the usual 17, at most 100; {OTHER} is no type, and more "
        "samples show more types. "
        "Intervals are 95 %, clustered by picture."
    )
    return section(
        "How it is measured", f"<p>{told}</p>",
        f"<details><summary>The rubric</summary>{''.join(parts)}"
        f"<p>The informative answer holds the reasoning, the precise one the conclusion.</p>"
        "</details>",
        f"<details><summary>The twenty task types</summary><ol>{kinds}</ol></details>",
    )  # fmt: skip


def _published() -> str:
    rows = [
        (row.whose, row.table, row.domain, row.measure, number(row.score)) for row in published()
    ]
    head = ("data", "table", "domain or source", "measure", "score")
    return section(
        "Published values",
        '<p class="note">arXiv:2411.19930v4, Tables 6 to 8: rated by people, 200 samples a set, '
        "0 to 100.</p>",
        f"<details><summary>All of them</summary>{table(head, rows)}</details>",
    )
