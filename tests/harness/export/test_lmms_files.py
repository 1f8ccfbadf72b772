"""`harness export --to lmms-eval`: the files lmms-eval 0.7.3 leaves, read by its own tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from export_runs import as_model, baseline, edit
from harness_helpers import Harness

from harness.samples import read_samples

# Runs lmms-eval's own tracker on a toy result and its own readers on our files.
PROBE = """
import json, sys
from pathlib import Path
from lmms_eval.baselines.loader import load_baseline
from lmms_eval.loggers.evaluation_tracker import EvaluationTracker
from lmms_eval.utils import get_results_filenames, make_table

ours = Path(sys.argv[1])
tracker = EvaluationTracker(output_path="theirs")
tracker.general_config_tracker.log_experiment_args("hf", "pretrained=org/mine", None, None, False)
sample = {"doc_id": 0, "doc": {"q": "?"}, "target": "yes", "arguments": ["?"], "resps": [["a"]],
          "filtered_resps": ["a"], "token_counts": [None], "doc_hash": "0", "score": 1.0}
tracker.save_results_aggregated(results={"results": {}}, samples={"t": [sample]},
                                datetime_str="20260101_000000")
tracker.save_results_samples(task_name="t", samples=[sample])
(results,) = Path("theirs").rglob("*_results.json")
(samples,) = Path("theirs").rglob("*_samples_t.jsonl")
(mine,) = ours.glob("*_results.json")
scores, aggregated = load_baseline(str(next(ours.glob("*_samples_vqa_rad.jsonl"))), "vqa_rad")
shown = json.loads(mine.read_text())
print("REPORT " + json.dumps({
    "folder": results.parent.name,
    "result_keys": sorted(json.loads(results.read_text())),
    "sample_keys": sorted(json.loads(samples.read_text().splitlines()[0])),
    "sample": json.loads(samples.read_text().splitlines()[0])["filtered_resps"],
    "table": make_table(shown) + make_table(shown, "groups"),
    "baseline": scores,
    "found": len(get_results_filenames([mine.name])),
    "aggregated": aggregated["results"]["vqa_rad"]["alias"],
}))
"""


def test_lmms_eval_reads_it(harness: Harness) -> None:
    run = as_model(baseline(harness, "yes"), "a-0000000a", "org/mine", lambda line: 51.25)
    ran = harness("export", run, "--to", "lmms-eval", "--out", "ours")
    assert ran.code == 0, ran.err
    folder = Path("ours/org__mine")
    assert sorted(ran.out.split()) == sorted(map(str, folder.iterdir()))
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("REPORT ")]
    theirs = json.loads(line.removeprefix("REPORT "))
    assert theirs["folder"] == folder.name
    (path,) = folder.glob("*_results.json")
    ours = json.loads(path.read_text())
    assert set(theirs["result_keys"]) <= set(ours)
    # What lmms_eval.evaluator adds before the tracker writes.
    assert set(ours) >= {
        "results", "groups", "group_subtasks", "configs", "versions", "n-shot",
        "higher_is_better", "n-samples", "config", "git_hash", "date",
    }  # fmt: skip
    sample = json.loads(next(folder.glob("*_samples_slake.jsonl")).read_text().splitlines()[0])
    assert set(theirs["sample_keys"]) <= set(sample)
    assert type(theirs["sample"]) is type(sample["filtered_resps"])
    assert "paper_open_recall" in theirs["table"]
    assert "51.25" in theirs["table"]
    assert "paper_average" in theirs["table"]
    assert len(theirs["baseline"]) == ours["n-samples"]["vqa_rad"]["effective"]
    assert (theirs["found"], theirs["aggregated"]) == (1, "vqa_rad")


def test_samples_give_the_scores(harness: Harness) -> None:
    run = baseline(harness, "yes")
    assert harness("export", run, "--to", "lmms-eval").code == 0
    folder = run / "export" / "lmms-eval" / "yes"
    (path,) = folder.glob("*_results.json")
    results = json.loads(path.read_text())["results"]
    for task in ("slake", "pmc_vqa"):
        (path,) = folder.glob(f"*_samples_{task}.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        rows = list(read_samples(run / "tasks" / task / "samples.parquet"))
        assert [line["doc_id"] for line in lines] == [sample.row.index for sample in rows]
        assert [line["filtered_resps"] for line in lines] == [sample.text for sample in rows]
        assert len({line["doc_hash"] for line in lines}) > len(lines) / 2
        checked = 0
        for name, score in results[task].items():
            metric, _, kind = name.partition(",")
            if kind != "none" or "_stderr" in metric:
                continue
            values = [line[metric] for line in lines if metric in line]
            assert sum(values) / len(values) == pytest.approx(score)
            checked += 1
        assert checked == {"slake": 6, "pmc_vqa": 2}[task]
    strict = ("--protocol", "strict", "--tasks", "slake", "--out", "s")
    assert harness("export", run, "--to", "lmms-eval", *strict).code == 0
    assert len(list(Path("s/yes").iterdir())) == 2
    assert "paper" not in next(Path("s/yes").glob("*.jsonl")).read_text()


def test_refusals(harness: Harness) -> None:
    run = baseline(harness, "yes", "vqa_rad")
    twin = as_model(run, "a-0000000a", "yes", lambda line: 1.0)
    Path("file").write_text("kept")
    cases = [
        ((run, twin, "--out", "o"), "would have the same file names"),
        ((run, "--out", "file"), "is a file"),
        ((run, "--published"), "--published is for tables"),
    ]
    for args, words in cases:
        ran = harness("export", *args, "--to", "lmms-eval")
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err
    edit(twin / "run.json", lambda value: value.update(end="2026-01-01T00:00:00+00:00"))
    ran = harness("export", run, twin, "--to", "lmms-eval", "--out", "o")
    assert ran.code == 0, ran.err
    assert len(list(Path("o/yes").iterdir())) == 4
    samples = run / "tasks" / "vqa_rad" / "samples.parquet"
    samples.write_bytes(samples.read_bytes()[:-20])
    ran = harness("export", run, "--to", "lmms-eval")
    assert ran.code == 2
    assert "samples.parquet" in ran.err
