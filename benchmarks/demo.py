"""The demo's loop over three seeds: is the gain over base and over the control there in each?

    python benchmarks/demo.py [--seeds 3] [--workspace FOLDER]

A seed moves pictures, texts, sampling and training; base, judge and test rows stay. Beside the
differences: the share of generated triplets whose two answers are right, before and after the
filter, since what a drawn picture shows is known.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.comparison import compare_runs
from harness.demo.loop import runs_of
from harness.demo.world import _language as language
from harness.demo.world import _words as words
from harness.demo.world._domain import Told

_FACTS = re.compile(
    r"This is an? (\w+) scan\. The number of lesions is (\w+)\. The shadow is on the (\w+)\. "
    r"There is (no|an) effusion\."
)
_FIELDS = {"kind": "kind", "count": "number", "side": "side"}


def answers_right(row: dict[str, Any]) -> bool:
    """Whether a triplet asks about the picture, and both its answers are right."""
    found = _FACTS.fullmatch(row["caption"])
    if found is None:
        raise ValueError(f"no caption of a scan: {row['caption']!r}")
    kind, number, side, mark = found.groups()
    told = Told(kind, "scan", number, "lesions", "shadow", side, "effusion", mark == "an")
    precise, said = row["precise"].strip(" ."), row["informative"]
    for aspect, wordings in language._OPEN.items():
        if row["instruction"] in (text.format(**told._asdict()) for text in wordings):
            fact = language.fact(told, aspect)
            return precise == fact and fact in re.findall(r"\w+", said)
    if row["instruction"] in (t.format(a_mark="an effusion") for t in language._CLOSED["mark"]):
        return precise == language.fact(told, "mark") and said == language.statement(told, "mark")
    return _comparison_right(row["instruction"], told, precise, said)


def _comparison_right(instruction: str, told: Told, precise: str, said: str) -> bool:
    """Whether a question that suggests a value is answered rightly, in both ways."""
    values = {"kind": words.KINDS, "count": words.NUMBERS, "side": words.SIDES}
    for aspect, choices in values.items():
        for choice in choices:
            fields = told._replace(**{_FIELDS[aspect]: choice})._asdict()
            fields["a_kind"] = f"{words.article(fields['kind'])} {fields['kind']}"
            if instruction in (text.format(**fields) for text in language._CLOSED[aspect]):
                fact = language.fact(told, aspect)
                agrees = f"{language.statement(told, aspect).removesuffix('.')} indeed."
                differs = f"{language.statement(told, aspect).removesuffix('.')}, not {choice}."
                right = ("yes", agrees) if choice == fact else ("no", differs)
                return (precise, said) == right
    return False


def report(workspace: Path) -> None:
    """Print a finished loop's differences and how right its triplets are."""
    runs = runs_of(workspace)
    for low, high in (("base", "adapted"), ("captions_only", "adapted"), ("base", "captions_only")):
        pair = compare_runs((runs[low], runs[high]), rows=0).pairs[0]
        for average in pair.averages:
            if average.name != "biomed":
                continue
            a, b = average.scores
            e = average.estimate
            print(f"  {high} - {low}, {average.protocol}: {a:.1f} -> {b:.1f}, {e.difference:+.1f} "
                  f"({e.low:+.1f} to {e.high:+.1f}), p {e.p:.2g}")  # fmt: skip
    for stage in ("generate", "filter"):
        for path in workspace.glob(f"work/scans/{stage}-*/triplets.jsonl"):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            if rows:
                share = sum(map(answers_right, rows)) / len(rows)
                print(f"  after {stage}: {len(rows)} triplets, both answers right {share:.1%}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path("work/demo-seeds"))
    asked = parser.parse_args()
    for seed in range(asked.seeds):
        workspace = asked.workspace / str(seed)
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "harness", "demo", f"--workspace={workspace}",
             f"--seed={seed}", "--no-leaderboard"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        print(f"seed {seed}: {time.perf_counter() - began:.0f} s (finished stages are reused)")
        report(workspace)


if __name__ == "__main__":
    main()
