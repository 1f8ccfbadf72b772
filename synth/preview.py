"""`--preview`: a few pairs through the real generator and filter, as a page to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import images
from harness.errors import RowError
from harness.progress import note
from harness.stages import Stage
from synth._conversing import Task
from synth._lines import read_lines, read_triplets, triplet_line
from synth._making import journal_held
from synth._page import Shown, facts_of, spread, thumbnail, write_page
from synth._tuning import tuned_synthesizer
from synth._types import FORMATS, Conversation, Pair, Reject, Triplet
from synth.filtering import Judge, Judged, judge_some, open_judge
from synth.generating import generate, plan_generator
from synth.mixture import rows_of, wording_config, wording_of
from synth.pipeline import Synthesis
from tasks import ImageRef

__all__ = ["make_preview"]


def make_preview(synthesis: Synthesis, wanted: int) -> Path:
    """Show what would become of a few pairs, spread over the source.

    Answers go into the journals that the stages read, so nothing is paid for twice.

    Args:
        synthesis: The recipe's.
        wanted: How many pairs.

    Returns:
        The page.

    Raises:
        UserError: The recipe cannot be followed.
    """
    recipe = synthesis.recipe
    judge = open_judge(recipe.filter) if recipe.filter and synthesis.wants_tasks() else None
    tuned, _ = tuned_synthesizer(synthesis, make=False)
    plan = plan_generator(synthesis.recipe, tuned)
    chosen = set(spread(synthesis.pairs.count(), wanted, recipe.seed))
    some = _Some(synthesis, chosen)
    stage = Stage(
        synthesis.root,
        "preview",
        {
            "pairs": sorted(chosen),
            "generate": synthesis.generate_stage(plan).config,
            "filter": judge.config if judge else None,
            "mix": wording_config(wording_of(recipe)),
        },
        {"pairs": synthesis.source},
    )
    with stage.locked(), journal_held(synthesis.generate_answers(plan)) as answers:
        generate(
            some,
            synthesis.recipe,
            stage,
            plan,
            root=synthesis.pairs.root,
            total=len(chosen),
            answers=answers,
        )
        rows = _rows(synthesis, judge, stage.path, list(some))
        page = stage.path / "preview.html"
        facts = facts_of(
            [
                ("Pairs", f"{len(rows)} of {synthesis.pairs.count():,}, {recipe.pairs}"),
                (
                    "Generator",
                    recipe.generator if synthesis.wants_tasks() else "none: captions only",
                ),
                ("Model", plan.model.ref if plan else None),
                ("Filter", judge.plan.model.ref if judge else "none"),
                ("Filter prompt", judge.style if judge else None),
                ("Threshold", judge.threshold if judge else None),
                ("Seed", recipe.seed),
            ]
        )
        write_page(page, synthesis.name, facts, rows)
    kept = sum(row.reason is None for row in rows)
    note(f"preview: {kept} of {len(rows)} kept")
    return page


class _Some:
    """The chosen pairs of a source, in its order; can be read again."""

    def __init__(self, synthesis: Synthesis, chosen: set[int]) -> None:
        self._synthesis = synthesis
        self._chosen = chosen

    def __iter__(self) -> Iterator[Pair | Reject]:
        last = max(self._chosen, default=-1)
        for pair in self._synthesis.pairs:
            if pair.index > last:
                return
            if pair.index in self._chosen:
                yield pair


def _rows(
    synthesis: Synthesis, judge: Judge | None, folder: Path, pairs: list[Pair | Reject]
) -> list[Shown]:
    root = synthesis.pairs.root or folder
    triplets = {t.pair.index: t for t in read_triplets(folder / "triplets.jsonl", root)}
    rejects = {line["index"]: line for line in read_lines(folder / "rejects.jsonl")}
    judged: dict[int, Judged] = {}
    if judge is not None and triplets:
        lines = [triplet_line(triplet, "") for triplet in triplets.values()]
        with journal_held(synthesis.filter_answers(judge)) as answers:
            judged = {found.line["index"]: found for found in judge_some(judge, lines, answers)}
    return [
        _row(
            synthesis,
            pair,
            triplets.get(pair.index),
            rejects.get(pair.index),
            judged.get(pair.index),
        )
        for pair in pairs
    ]


def _row(
    synthesis: Synthesis,
    pair: Pair | Reject,
    triplet: Triplet | None,
    reject: dict[str, Any] | None,
    judged: Judged | None,
) -> Shown:
    if isinstance(pair, Reject):
        return Shown(pair.id, pair.index, None, "", None, None, "pair", pair.reason, pair.detail)
    stage, reason, detail = "", None, ""
    if reject is not None:
        stage, reason, detail = "generate", reject["reason"], reject["detail"]
    elif judged is not None and judged.reason is not None:
        stage, reason, detail = "filter", judged.reason, judged.detail
    picture = _picture(pair.image)
    kept = triplet if reason is None else None
    conversation = _conversation(synthesis, pair, kept) if picture else None
    judgement = judged.judgement if judged else None
    return Shown(
        pair.id, pair.index, picture, pair.caption, triplet, judgement, stage, reason, detail,
        conversation,
    )  # fmt: skip


def _conversation(synthesis: Synthesis, pair: Pair, triplet: Triplet | None) -> Conversation | None:
    task = None
    if triplet is not None:
        task = Task(triplet.instruction, triplet.informative, triplet.precise)
    wording = wording_of(synthesis.recipe)
    rows = rows_of(pair.id, pair.image.locator, pair.caption, task, wording)
    return rows.train if rows else None


def _picture(image: ImageRef) -> str | None:
    try:
        return thumbnail(images.load(image, FORMATS))
    except RowError:
        return None
