"""`harness export --to model-index`: read back by huggingface_hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_runs import HOSTILE, as_model, baseline, edit
from harness_helpers import Harness
from huggingface_hub import ModelCard, parse_eval_result_entries

CARD = """---
license: apache-2.0   # as the base
model-index:
- name: my-model
  results:
  - task: {type: text-generation}
    dataset: {name: GSM8K, type: gsm8k}
    metrics:
    - {type: accuracy, value: 12.5, verified: false}
tags: [a,   b]
---

# My model

text: <b>as it is</b>
---
"""


@pytest.fixture
def run(harness: Harness) -> Path:
    """A model's run over the biomedical tasks, with 78, 104, ... rows."""
    return as_model(baseline(harness, "yes"), "a-0000000a", "org/mine", lambda line: 51.23456)


def test_front_matter_alone(harness: Harness, run: Path) -> None:
    ran = harness("export", run, "--to", "model-index")
    assert ran.code == 0, ran.err
    card = ModelCard(ran.out + "\n")
    assert card.data.model_name == "org/mine"
    results = card.data.eval_results
    assert results is not None
    assert len(results) == 7 * 2
    first = results[0]
    assert (first.dataset_type, first.dataset_config, first.dataset_split) == (
        "AdaptLLM/biomed-VQA-benchmark", "SLAKE", "test",
    )  # fmt: skip
    assert (first.metric_type, first.metric_value) == ("recall", 51.2346)
    assert first.metric_name == "recall, open questions, paper protocol, 78 rows of 645"
    assert first.metric_args is not None
    assert first.metric_args["ci95"] == [49.2346, 53.2346]
    assert (first.metric_args["n"], first.metric_args["clusters"]) == (78, 90)
    assert first.metric_args["protocol"] == "paper"
    only = harness("export", run, "--to", "model-index", "--protocol", "strict", "--tasks", "slake")
    assert {r.metric_args["protocol"] for r in ModelCard(only.out + "\n").data.eval_results} == {
        "strict"
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_card_keeps_what_others_wrote(harness: Harness, run: Path, newline: str) -> None:
    path = Path("README.md")
    path.write_bytes(CARD.replace("\n", newline).encode())
    command = ("export", run, "--to", "model-index", "--out", path)
    assert harness(*command).code == 0
    text = path.read_bytes().decode()
    before, _, after = CARD.replace("\n", newline).partition("model-index:")
    assert text.startswith(before)
    assert text.endswith(after[after.index("tags:") :])
    if newline == "\r\n":
        assert text.count("\n") == text.count("\r\n")
    card = ModelCard(text)
    assert card.data.model_name == "my-model"
    assert len(card.data.eval_results) == 1 + 14
    index = yaml.safe_load(text.split("---")[1])["model-index"]
    assert index[0]["results"][0]["metrics"] == [
        {"type": "accuracy", "value": 12.5, "verified": False}
    ]
    # Again: replaced, not doubled; the rest stays.
    assert harness(*command).code == 0
    assert path.read_bytes().decode() == text

    def whole(value: dict[str, Any]) -> None:
        value["results"][0] |= {"score": 70.0, "n": 645}

    edit(run / "results.json", whole)
    assert harness(*command, "--tasks", "slake", "--protocol", "paper").code == 0
    again = ModelCard(path.read_bytes().decode())
    assert len(again.data.eval_results) == 1 + 14
    (moved,) = [r for r in again.data.eval_results if r.metric_value == 70.0]
    assert moved.metric_name == "recall, open questions, paper protocol"


@pytest.mark.parametrize(
    "text",
    ["", "# No head\n", "---\n---\ntext\n", "---\n# remark\n---\n", "---\nlicense: mit\n---\n",
     "---\nlicense: mit\nmodel-index:\n---\nx"],
)  # fmt: skip
def test_cards_without_scores(harness: Harness, run: Path, text: str) -> None:
    path = Path("README.md")
    path.write_text(text)
    assert harness("export", run, "--to", "model-index", "--out", path).code == 0
    card = ModelCard(path.read_text())
    assert len(card.data.eval_results) == 14
    assert "license: mit" not in text or card.data.license == "mit"
    assert "No head" not in text or "# No head" in card.text
    assert path.read_text().endswith(text.removeprefix("---\n")[-2:])


@pytest.mark.parametrize(
    "text",
    ["---\n{a: [\n---\n", "---\n- a\n---\n", "---\n{license: mit}\n---\n", "---\na: &x [*x]\nb: *y\n---\n",
     "---\nmodel-index: 5\n---\n", "---\nmodel-index: [{name: a}, {name: b}]\n---\n",
     "---\nmodel-index: [{name: a, results: 5}]\n---\n", b"\xff\xfe"],
)  # fmt: skip
def test_cards_that_cannot_be_merged(harness: Harness, run: Path, text: str | bytes) -> None:
    path = Path("README.md")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = harness("export", run, "--to", "model-index", "--out", path)
    assert (ran.code, ran.out) == (2, "")
    assert "README.md" in ran.err
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())


def test_a_models_folder(harness: Harness, run: Path) -> None:
    ran = harness("export", run, "--to", "model-index", "--out", "model")
    assert ran.code == 0, ran.err
    assert len(ModelCard.load("model/README.md").data.eval_results) == 14
    names = sorted(path.name for path in Path("model/.eval_results").iterdir())
    tasks = ("pathvqa", "pmc_vqa", "slake", "vqa_rad")
    assert names == sorted(f"{task}{end}.yaml" for task in tasks for end in ("", "_strict"))
    data = yaml.safe_load(Path("model/.eval_results/slake.yaml").read_text())
    entries = parse_eval_result_entries(data)
    assert [(e.dataset_id, e.task_id, e.value) for e in entries] == [
        ("AdaptLLM/biomed-VQA-benchmark", "slake_open", 51.2346),
        ("AdaptLLM/biomed-VQA-benchmark", "slake_closed", 51.2346),
    ]
    assert "paper protocol, n = 78 of 645; 95 % interval 49.2 to 53.2" in str(entries[0].notes)
    assert entries[0].date
    assert harness("export", run, "--to", "model-index", "--out", "model").code == 0
    Path("model/.eval_results/slake.yaml").write_text(yaml.safe_dump([{**data[0], "notes": "x"}]))
    ran = harness("export", run, "--to", "model-index", "--out", "model")
    assert ran.code == 2
    assert "was not written by this program" in ran.err


def test_what_is_no_models_score_stays_off(harness: Harness) -> None:
    plain, blank = baseline(harness, "yes"), baseline(harness, "yes", "slake", "--images", "blank")
    part = baseline(harness, "yes", "slake", "--limit", "5")
    food = baseline(harness, "yes", "food")
    blank = as_model(blank, "b-0000000b", "org/mine", lambda line: 50.0)
    part = as_model(part, "c-0000000c", "org/mine", lambda line: 50.0)
    mine = as_model(plain, "d-0000000d", "org/mine", lambda line: 50.0)
    twin = as_model(plain, "e-0000000e", "org/mine", lambda line: 50.0)
    other = as_model(food, "f-0000000f", "org/other", lambda line: 50.0)
    more = as_model(food, "g-0000000g", "org/mine", lambda line: 50.0)
    Path("README.md").write_text(CARD)
    cases = {
        (plain,): "does not belong on a model card: baseline, sample rows",
        (blank,): "control: images blank",
        (part,): "partial",
        (mine, other): "of 2 models (org/mine, org/other)",
        (mine, twin): "slake is in d-0000000d and in e-0000000e",
    }
    for runs, words in cases.items():
        ran = harness("export", *runs, "--to", "model-index", "--out", "README.md")
        assert (ran.code, ran.out) == (2, ""), runs
        assert words in ran.err
        assert Path("README.md").read_text() == CARD
    assert harness("export", mine, more, "--to", "model-index").code == 0


def test_hostile_model_name(harness: Harness) -> None:
    run = as_model(baseline(harness, "yes"), "a-0000000a", HOSTILE + "\n---\n", lambda line: 1.0)
    ran = harness("export", run, "--to", "model-index", "--out", "README.md")
    assert ran.code == 0, ran.err
    assert ModelCard.load("README.md").data.model_name == " ".join((HOSTILE + " ---").split())


def test_a_task_of_ones_own(harness: Harness) -> None:
    run = as_model(baseline(harness, "yes", "vqa_rad"), "a-0000000a", "m", lambda line: 1.0)
    text = (run / "results.json").read_text().replace('"vqa_rad"', '"mine"')
    (run / "results.json").write_text(text)
    assert json.loads(text)["results"][0]["task"] == "mine"
    ran = harness("export", run, "--to", "model-index", "--out", "model")
    assert ran.code == 0, ran.err
    assert {r.dataset_type for r in ModelCard.load("model/README.md").data.eval_results} == {"mine"}
    assert not Path("model/.eval_results").exists()
