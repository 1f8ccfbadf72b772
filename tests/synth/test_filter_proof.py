"""The filter on drawn data whose truth is known: what it keeps is right more often."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from synth_pairs import lines_of
from toy_judge import make_judge, told

from harness.recipes import FilterRecipe
from harness.statistics import Estimate, clustered_mean
from synth.filtering import filter_triplets, open_judge
from tasks.sample.scan import random_scan

ROWS = 1_500


def accuracy(right: list[bool]) -> Estimate:
    values = np.array(right, np.float64) * 100
    return clustered_mean(values, np.arange(len(values)))


@pytest.mark.slow
def test_kept_triplets_are_right_more_often(tmp_path: Path) -> None:
    seconds = make_judge(tmp_path / "judge")
    rng = Random("scans that the judge has not seen")
    truth = [told(random_scan(rng), rng) for _ in range(ROWS)]
    lines = [
        {"id": str(n), "index": n, "instruction": case.instruction,
         "informative": case.informative, "precise": case.precise}
        for n, case in enumerate(truth)
    ]  # fmt: skip
    source = tmp_path / "triplets.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    judge = open_judge(FilterRecipe(model=str(tmp_path / "judge"), engine="transformers"))
    assert judge.style == "base"
    found = filter_triplets(judge, source, tmp_path / "out", tmp_path / "answers.jsonl")
    found.counts.check()
    kept = [line["index"] for line in lines_of(tmp_path / "out" / "triplets.jsonl")]
    verdicts = Counter(
        (truth[line["index"]].verdict.casefold(), line["verdict"])
        for line in lines_of(tmp_path / "out" / "rejects.jsonl")
    ) + Counter((truth[index].verdict.casefold(), "yes") for index in kept)
    agreed = sum(n for (wanted, said), n in verdicts.items() if wanted == said) / ROWS
    before = accuracy([case.right for case in truth])
    after = accuracy([truth[index].right for index in kept])
    told_of = (
        f"judge trained in {seconds:.0f} CPU s, right on {agreed:.1%}; kept {len(kept)} of {ROWS}; "
        f"precise answers right: {before.mean:.1f} ({before.low:.1f} to {before.high:.1f}) before, "
        f"{after.mean:.1f} ({after.low:.1f} to {after.high:.1f}) after"
    )
    sys.stderr.write(f"{told_of}\n")
    assert agreed > 0.9
    assert None not in (before.high, after.low)
    assert after.low > before.high + 10
