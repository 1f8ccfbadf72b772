"""The report's charts: scores, before and after the filter, task types, texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synth._page import safe
from synth.quality._html import Bar, bars, number, section, table
from synth.quality._published import published
from synth.quality._tasks import OTHER, TASK_TYPES

Found = dict[str, Any]
_MEASURES = {
    "diversity": "Diversity: different task types, of the usual 17",
    "knowledge": "Knowledge use",
    "complexity": "Complexity",
    "accuracy": "Accuracy",
}


def key(sources: Sequence[str], *, people: bool) -> str:
    """What the colours stand for."""
    entries = [(f"c{n % 6}", name) for n, name in enumerate(sources)]
    entries.append(("c0 soft", "before the filter"))
    if people:
        entries.append(("c0 hollow", "rated by people"))
    entries.append(("told", "published"))
    items = "".join(
        f'<li><svg viewBox="0 0 16 12" aria-hidden="true"><rect class="{look}" width="16" '
        f'height="12"/></svg>{safe(name)}</li>'
        for look, name in entries
    )
    return f'<ul class="key">{items}</ul>'


def scores(sets: Sequence[Found], *, rated: bool) -> str:
    """The four measures of Table 8 and Figure 3, the published values below ours."""
    looks = _looks(sets)
    parts = []
    for measure, title in _MEASURES.items():
        rows = []
        for found, look in zip(sets, looks, strict=True):
            rows += _rows(found, measure, look)
        rows += [
            Bar(f"{row.domain}, {row.whose}", row.score, "told")
            for row in published()
            if row.table == "Table 8" and row.measure == measure
        ]
        parts.append(f"<h3>{safe(title)}</h3>{bars(rows)}")
    by = {found["types"]["by"] for found in sets}
    told = "Task types were named by the judge." if "judge" in by else (
        "Task types were guessed from the questions' wording, by rules for English."
    )  # fmt: skip
    if not rated:
        told += (
            " Nobody rated the rest: name a model as `judge` in the recipe, or fill in the sheet."
        )
    return section("Scores", f'<p class="note">{safe(told)}</p>', *parts)


def _rows(found: Found, measure: str, look: str) -> list[Bar]:
    if measure == "diversity":
        types = found["types"]
        different = len(set(types["counts"]) - {OTHER})
        said = f"{number(found['diversity'])} <small>({different} types)</small>"
        rows = [Bar(found["name"], found["diversity"], look, said=said if types["of"] else "-")]
        people = found["people"]
        if people and people["diversity"] is not None:
            rows.append(Bar(f"{found['name']}, people", people["diversity"], f"{look} hollow"))
        return rows
    rows = []
    for who, name, more in (("judge", found["name"], ""), ("people", "", " hollow")):
        value = found[who][measure] if found[who] else None
        if value is not None and (value["n"] or who == "judge"):
            label = name or f"{found['name']}, people"
            rows.append(Bar(label, value["mean"], look + more, value["low"], value["high"]))
    return rows or [Bar(found["name"], None, look, said="not rated")]


def _looks(sets: Sequence[Found]) -> list[str]:
    names = list(dict.fromkeys(found["source"] for found in sets))
    return [
        f"c{names.index(found['source']) % 6}{'' if found['final'] else ' soft'}" for found in sets
    ]


_FILTER = {
    "consistency": "answers agree",
    "precise": "precise answer right",
    "informative": "informative answer right",
    "accuracy": "accuracy of both together",
}
_TABLE_7 = {
    ("consistency", False): "without filter: consistency",
    ("precise", False): "without filter: precise accuracy",
    ("informative", False): "without filter: informative accuracy",
    ("consistency", True): "with filter: consistency",
    ("accuracy", True): "with filter: combined accuracy",
}


def before_and_after(sets: Sequence[Found]) -> str:
    """What a filter changed (Table 7); nothing where there was none."""
    filtered = [found["source"] for found in sets if not found["final"]]
    if not filtered:
        return ""
    columns: list[tuple[str, dict[str, str]]] = []
    for source in filtered:
        for found in (found for found in sets if found["source"] == source):
            when = "after" if found["final"] else "before"
            rated = found["judge"] or found["people"]
            cells = {name: _cell(rated[name]) if rated else "-" for name in _FILTER}
            columns.append((f"{source}, {when}", {"rows": f"{found['rows']:,}", **cells}))
    for domain in ("biomed", "food"):
        for final in (False, True):
            told = {
                name: number(row.score)
                for name in _FILTER
                for row in published()
                if row.table == "Table 7"
                and row.domain == domain
                and row.measure == _TABLE_7.get((name, final))
            }
            columns.append((f"published {domain}, {'after' if final else 'before'}", told))
    names = {"rows": "triplets", **_FILTER}
    rows = [
        (title, *(cells.get(name, "-") for _, cells in columns)) for name, title in names.items()
    ]
    note = (
        "In percent, by the judge (else by people). A precise answer counts as right with accuracy "
        "4 or 5, an informative one with 3 or 5."
    )
    head = ("", *(name for name, _ in columns))
    return section("Before and after the filter", f'<p class="note">{note}</p>', table(head, rows))


def _cell(value: Found) -> str:
    if value["low"] is None:
        return number(value["mean"])
    return f"{number(value['mean'])} ({number(value['low'])} to {number(value['high'])})"


def task_types(sets: Sequence[Found]) -> str:
    """Share of each task type among the samples of what becomes training data (Figure 3)."""
    final = [
        (found, look) for found, look in zip(sets, _looks(sets), strict=True) if found["final"]
    ]
    names = [kind.name for kind in TASK_TYPES] + [OTHER]
    shares = {
        (place, name): 100 * found["types"]["counts"].get(name, 0) / found["types"]["of"]
        for place, (found, _) in enumerate(final)
        for name in names
        if found["types"]["of"]
    }
    most = max(shares.values(), default=0.0)
    seen = [name for name in names if any(found["types"]["counts"].get(name) for found, _ in final)]
    rows = [
        Bar(name if place == 0 else "", shares.get((place, name)), look)
        for name in seen
        for place, (_, look) in enumerate(final)
    ]
    without = ", ".join(name for name in names if name not in {*seen, OTHER})
    rest = f'<p class="note">None: {safe(without)}.</p>' if without else ""
    by = " and ".join(sorted({found["types"]["by"] for found, _ in final}))
    note = f"Percent of the samples, by {by}; the longest bar is {number(most)} %."
    return section("Task types", f'<p class="note">{safe(note)}</p>', bars(rows, most), rest)


_TEXTS = {
    "instruction": "Question",
    "informative": "Informative answer",
    "precise": "Precise answer",
}


def texts(sets: Sequence[Found]) -> str:
    """Lengths and distinct n-grams."""
    looks = _looks(sets)
    parts = ["<h3>Words, mean of all triplets</h3>"]
    for name, title in _TEXTS.items():
        means = [found["words"][name].get("mean") for found in sets]
        most = max((mean for mean in means if mean), default=0.0)
        rows = [
            Bar(found["name"], mean, look)
            for found, look, mean in zip(sets, looks, means, strict=True)
        ]
        parts.append(f"<h4>{title}</h4>{bars(rows, most)}")
    of = sets[0]["distinct"]["of"] if sets else 0
    parts.append(f"<h3>Different runs of two words, percent, over {of:,} samples of each set</h3>")
    for name, title in _TEXTS.items():
        rows = [
            Bar(found["name"], found["distinct"]["grams"][name][1], look)
            for found, look in zip(sets, looks, strict=True)
        ]
        parts.append(f"<h4>{title}</h4>{bars(rows)}")
    return section("Texts", *parts, _text_table(sets))


def _text_table(sets: Sequence[Found]) -> str:
    rows = []
    for found in sets:
        for name in _TEXTS:
            words = found["words"][name]
            spread = ("mean", "lower_quartile", "median", "upper_quartile")
            cells = [number(words.get(part)) for part in spread]
            cells += [number(value) for value in found["distinct"]["grams"][name]]
            rows.append((f"{found['name']}: {name}", *cells))
    head = ("", "words", "lower quartile", "median", "upper quartile",
            "distinct-1", "distinct-2", "distinct-3")  # fmt: skip
    return f"<details><summary>All numbers</summary>{table(head, rows)}</details>"
