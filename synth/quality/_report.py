"""The report as a stage: `quality.html`, `quality.json`, `sheet.csv`, and what was not rated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_json
from harness.progress import note
from harness.recipes import Recipe
from harness.stages import Counts, Stage
from synth._lines import writing_lines
from synth._making import Done, Made, fingerprint, made
from synth.pipeline import Result
from synth.quality._beside import side_by_side
from synth.quality._measure import Measured, measure
from synth.quality._page import Facts, write_page
from synth.quality._published import published
from synth.quality._rating import Rater, Ratings, open_rater, rate
from synth.quality._rubric import RUBRIC_VERSION
from synth.quality._samples import SAMPLES, sets_of
from synth.quality._sheet import Sheet, read_sheet, write_sheet
from synth.quality._sources import check_others, check_source, others, source_of
from synth.quality._types import Set, Source

PAGE_VERSION = 1
"""Counted up when the report's numbers or pages change."""


def check_report(recipe: Recipe, against: Sequence[Path], sheet: Path | None) -> None:
    """Refuse what no report could be made of, before hours are spent on triplets.

    Raises:
        UserError: As `report`.
    """
    check_source(recipe)
    check_others(against)
    if recipe.synth and recipe.synth.judge:
        open_rater(recipe.synth.judge)
    if sheet is not None:
        _filled(sheet)


def report(
    recipe: Recipe,
    result: Result,
    work: Path,
    against: Sequence[Path] = (),
    sheet: Path | None = None,
) -> Made:
    """Make the quality report of a recipe's triplets, or reuse it where it stands.

    Args:
        recipe: With a `synth:` section; its `judge` rates.
        result: Its finished stages.
        work: Root of all recipes' stages.
        against: Other recipes or triplets that are shown beside it.
        sheet: A sheet of this report's samples that people filled in.

    Raises:
        UserError: There are no triplets, the judge cannot be used, or the sheet is another's.
    """
    if recipe.synth is None:
        raise UserError("the recipe has no synth section", "Add `synth:` with `pairs:`.")
    use, seed = recipe.synth.judge, recipe.synth.seed
    rater = open_rater(use) if use else None
    filled = _filled(sheet) if sheet else None
    first = source_of(recipe, result, work)
    sources = [first, *others(against, first, work)]
    config = {
        "rubric_version": RUBRIC_VERSION,
        "page_version": PAGE_VERSION,
        "samples": SAMPLES,
        "seed": seed,
        "judge": rater.config if rater else None,
        "sources": [source.name for source in sources],
    }
    stage = Stage(work / recipe.name, "report", config, _inputs(sources, sheet))

    def write() -> Done:
        return _write(stage.path, sources, rater, filled, seed)

    return made(stage, write)


def _inputs(sources: Sequence[Source], sheet: Path | None) -> dict[str, str]:
    inputs = {}
    for number, source in enumerate(sources):
        inputs[f"{number}/triplets.jsonl"] = fingerprint(source.triplets)
        if source.kept:
            inputs[f"{number}/kept.jsonl"] = fingerprint(source.kept)
    return inputs | ({"sheet": fingerprint(sheet)} if sheet else {})


def _write(
    folder: Path, sources: Sequence[Source], rater: Rater | None, sheet: Sheet | None, seed: int
) -> Done:
    sets = [set_ for source in sources for set_ in sets_of(source, seed)]
    if sheet is not None:
        _check_sheet(sheet, sets)
    asked = [(set_.source, sample) for set_ in sets for sample in set_.samples]
    ratings = rate(rater, asked) if rater and asked else None
    measured = measure(sets, ratings, sheet)
    facts = _facts(sources, rater, sheet, seed)
    beside = side_by_side(sets, ratings.rated if ratings else {})
    write_page(folder / "quality.html", facts, measured, beside)
    write_json(folder / "quality.json", _json(facts, measured, rater))
    # One that is there may be filled in by now.
    if sheet is None and not (folder / "sheet.csv").exists():
        final = [sample for set_ in sets if set_.final for sample in set_.samples]
        write_sheet(folder / "sheet.csv", final)
    counts = _count(folder, sets, ratings)
    if ratings is not None:
        note(f"report: {counts.rows_out:,} of {counts.rows_in:,} samples rated")
    records = [found.record for found in ratings.rated.values()] if ratings else []
    more: dict[str, Any] = {
        "model": _told(rater),
        "engine": ratings.engine if ratings else None,
        "to_retry": ratings.to_retry if ratings else 0,
        "prompt_tokens": sum(record.prompt_tokens for record in records if record),
        "scores": _scores(measured),
    }
    files = ("quality.html", "quality.json", "rejects.jsonl")
    return Done(counts, files, sum(record.tokens for record in records if record), more)


def _filled(path: Path) -> Sheet:
    sheet = read_sheet(path)
    if not sheet.ratings:
        raise UserError(f"{path}: nothing is filled in", "Write 1 to 5 into its columns.")
    return sheet


def _check_sheet(sheet: Sheet, sets: Sequence[Set]) -> None:
    known = {sample.key for set_ in sets for sample in set_.samples}
    strangers = sum(key not in known for key in sheet.ratings)
    if strangers == len(sheet.ratings):
        raise UserError(
            "--read-sheet: none of its samples is in this report",
            "Read a sheet with the recipe and the --against it was made with.",
        )
    if strangers:
        note(f"{strangers} of {len(sheet.ratings)} samples of the sheet are not in this report")


def _facts(sources: Sequence[Source], rater: Rater | None, sheet: Sheet | None, seed: int) -> Facts:
    return Facts(
        name=sources[0].name,
        sources=[source.name for source in sources],
        judge=rater.plan.model.ref if rater else None,
        sees=bool(rater and rater.sees),
        people=len(sheet.ratings) if sheet else None,
        seed=seed,
    )


def _json(facts: Facts, measured: Measured, rater: Rater | None) -> dict[str, Any]:
    return {
        **facts._asdict(),
        "model": _told(rater),
        "scale": "grades of 1 to 5 as (grade - 1) / 4, in percent",
        "sets": measured.sets,
        "agreement": measured.agreement,
        "published": [row._asdict() for row in published()],
    }


def _scores(measured: Measured) -> list[dict[str, Any]]:
    """The few numbers that a command prints."""
    scores = []
    for found in measured.sets:
        row = {name: found[name] for name in ("name", "rows", "samples", "diversity")}
        for who in ("judge", "people"):
            if found[who]:
                grades = ("knowledge", "complexity", "accuracy", "consistency")
                row[who] = {name: found[who][name]["mean"] for name in grades}
        scores.append(row)
    return scores


def _count(folder: Path, sets: Sequence[Set], ratings: Ratings | None) -> Counts:
    """Every sample is rated or a reject; without a judge there is nothing to lose it for."""
    counts = Counts()
    samples = {sample.key: sample for set_ in sets for sample in set_.samples}
    with writing_lines(folder / "rejects.jsonl") as (reject,):
        for key, sample in samples.items():
            counts.rows_in += 1
            found = ratings.rated[key] if ratings else None
            if found is None or found.reason is None:
                counts.rows_out += 1
                continue
            counts.reject(found.reason)
            pair = sample.triplet.pair
            why = {"reason": found.reason, "detail": found.detail}
            reject({"sample": key, "id": pair.id, "index": pair.index, **why})
    return counts


def _told(rater: Rater | None) -> dict[str, Any] | None:
    if rater is None:
        return None
    plan = rater.plan
    return {**plan.model._asdict(), "engine": plan.name, "settings": plan.identity}
