"""Every page, drawn by Streamlit itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leaderboard_app import Pages, again, markdown, texts
from leaderboard_runs import HOSTILE

from leaderboard._text import clean

MODELS = [f"2026010{n}T000000Z-model{n}-all-0000000{n}" for n in range(1, 6)]
ALL = ("", "compare", "samples", "candidate", "task")


@pytest.fixture
def pages(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pages:
    return Pages(team, tmp_path / "cache", monkeypatch)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Pages]:
    return lambda runs: Pages(runs, tmp_path / "cache", monkeypatch)


def _ranked(pages: Pages, **values: object) -> Any:
    """The overview once everything has been read."""
    app = pages.open(**values)
    store = app.session_state["_store"]
    began = time.monotonic()
    while store.progress().done < store.progress().of and time.monotonic() - began < 60:
        time.sleep(0.05)
    return again(app)


def test_overview_has_measured_and_reported_rows(pages: Pages) -> None:
    app = _ranked(pages)
    frame = app.dataframe[0].value
    names = list(frame.index)
    assert names[0] == "AdaptLLM/biomed-Qwen2-VL-2B-Instruct"
    assert "○ constant-yes [baseline]" in names
    assert "◇ Qwen2-VL-2B [reported]" in names
    assert ("biomed", "SLAKE open") in frame.columns
    assert frame.loc["◇ Qwen2-VL-2B [reported]", ("biomed", "SLAKE open")] == " 50.0, reported"
    reported = frame.loc["◇ AdaMLLM-2B (food) [reported]"]
    assert {*reported["biomed"]} == {"     not reported"}  # it is never zero
    measured = frame.loc[names[0]]["biomed"]["VQA-RAD open"]
    assert re.fullmatch(
        r" \d\d\.\d, plus or minus \d+\.\d, rank 1 to \d, may have seen the test data", measured
    )
    assert "biomed has no average here; not run: PathVQA." in markdown(app)
    assert "as far as the rows tell" in markdown(app)
    assert "† may have seen" in markdown(app)
    problems = app.dataframe[1].value
    assert set(problems["state"]) == {"unfinished", "unreadable"}


def test_the_protocol_moves_the_scores_and_the_address(pages: Pages) -> None:
    paper = pages.open()
    strict = pages.open(protocol="strict")
    column = ("biomed", "VQA-RAD closed")
    name = "○ constant-yes [baseline]"
    assert "◇ Qwen2-VL-2B [reported]" not in strict.dataframe[0].value.index
    assert "left out here" in markdown(strict)
    both = (app.dataframe[0].value.loc[name, column] for app in (paper, strict))
    assert all(score.startswith(" 50.0, plus") for score in both)
    paper.segmented_control[0].set_value("strict").run()
    assert paper.query_params["protocol"] == "strict"
    nonsense = pages.open(protocol="neither", domain="<b>", pick=["?"], page="-3", score="77")
    assert len(nonsense.dataframe[0].value)


def test_filters(pages: Pages) -> None:
    app = pages.open(family="LLaVA-v1.6-8B")
    names = list(app.dataframe[0].value.index)
    assert "Lin-Chen/open-llava-next-llama3-8b" in names
    assert "Qwen/Qwen2-VL-2B-Instruct" not in names
    assert "◇ AdaMLLM-8B (food) [reported]" in names
    sized = list(pages.open(size="under 4B").dataframe[0].value.index)
    assert "Qwen/Qwen2-VL-2B-Instruct" in sized
    assert "◇ Llama-3.2-11B [reported]" not in sized
    assert "◇ GPT-4o [reported]" not in sized
    alone = list(pages.open(show=[""]).dataframe[0].value.index)
    assert not any("reported" in name or "baseline" in name for name in alone)
    food = pages.open(domain="food").dataframe[0].value
    assert {group for group, _ in food.columns} == {"food"}


def test_compare_two_runs(pages: Pages) -> None:
    app = pages.open("compare", a=MODELS[0], b=MODELS[1])
    frame = app.dataframe[1].value.set_index("column")
    assert frame.loc["SLAKE open", "verdict"] == "better"
    assert frame.loc["SLAKE open", "B - A"] > 0
    assert "biomed average" not in frame.index  # a task of the group was not run
    assert {metric.label for metric in app.metric} >= {"only B right", "only A right"}
    shown = texts(app)
    assert any(text.startswith("It shows ") for text in shown)
    gained = pages.open("compare", a=MODELS[0], b=MODELS[1], direction="gained", page="2")
    assert gained.query_params["page"] == "2"
    strict = pages.open("compare", b=MODELS[1], protocol="strict")
    assert strict.query_params["b"] == MODELS[1]
    assert strict.query_params["a"] != MODELS[1]


def test_compare_says_why_it_refuses(own_team: Path, elsewhere: Callable[[Path], Pages]) -> None:
    from compared_runs import reorder

    reorder(own_team / MODELS[0], "vqa_rad", list(range(20)))
    pages = elsewhere(own_team)
    refused = pages.open("compare", a=MODELS[0], b=MODELS[1])
    assert any("the runs have different rows" in text for text in texts(refused))


def test_samples_are_filtered_by_the_address(pages: Pages) -> None:
    app = pages.open("samples", run=MODELS[0], task="slake", rows="wrong", type="closed")
    assert "rows, page 1 of" in markdown(app)
    assert "wrong" in markdown(app)
    none = pages.open("samples", run=MODELS[0], task="slake", search="no such words")
    assert "No row is like that." in markdown(none)
    last = pages.open("samples", run=MODELS[0], task="slake", page="99999")
    assert last.title[0].value == "Samples"
    app.segmented_control(key="rows").set_value("all").run()
    assert "rows" not in app.query_params


def test_row_has_prompt_answers_and_both_protocols(pages: Pages) -> None:
    app = pages.open("row", run=MODELS[0], task="slake", row=1, b=MODELS[1])
    assert app.code[0].value == "How many lesions are there?"
    assert app.code[1].value == "two"
    assert {s.value for s in app.subheader} == {"Answer of A", "Answer of B"}
    assert set(app.dataframe[0].value["protocol"]) == {"paper", "strict"}
    for wrong in ({"row": "x"}, {"row": "99999"}, {"task": "../.."}, {"run": "../" * 9}):
        values = {"run": MODELS[0], "task": "slake", "row": "1"} | wrong
        assert "There is no such row" in markdown(pages.open("row", **values))


def test_candidate_and_task(pages: Pages) -> None:
    app = pages.open("candidate", run=MODELS[1])
    assert texts(app)[0] == "AdaptLLM/biomed-Qwen2-VL-2B-Instruct"
    assert "Qwen2-VL-2B" in texts(app)
    assert any("--to model-index" in text for text in texts(app))
    task = pages.open("task", task="vqa_rad")
    assert any("VQA-RAD's training split" in text for text in texts(task))
    assert {"paper", "strict", "strict - paper"} <= {*task.dataframe[0].value.columns}
    assert len(task.dataframe[1].value) > 20  # published
    assert "No run here holds this task." in markdown(pages.open("task", task="clrs"))


def test_where_a_candidate_comes_from(
    own_team: Path, tmp_path: Path, elsewhere: Callable[[Path], Pages]
) -> None:
    path = own_team / MODELS[1]
    record = json.loads((path / "run.json").read_text())
    stages = {}
    for name, before, after in (("generate", 50, 40), ("filter", 40, 25), ("mix", 25, 25),
                                ("train", 25, 25)):  # fmt: skip
        stage = tmp_path / "work" / "soup" / f"{name}-0000000a"
        stage.mkdir(parents=True)
        rejects = {"<b>torn</b>": before - after} if before > after else {}
        outputs = {"triplets.jsonl": name} if name in ("generate", "filter") else {}
        (stage / "stage.json").write_text(json.dumps({
            "schema_version": 1, "stage": name, "outputs": outputs, "rows_in": before, "rows_out": after,
            "rejects": rejects, "tokens": 7, "seconds": 61.0,
        }))  # fmt: skip
        stages[name] = f"work/soup/{name}-0000000a"
    (tmp_path / stages["mix"] / "README.md").write_text(f"# card\n{HOSTILE}")
    for number, of in enumerate(("generate filter", "generate"), 1):
        folder = tmp_path / "work" / "soup" / f"report-0000000{number}"
        folder.mkdir()
        inputs = {f"0/{place}": each for place, each in enumerate(of.split())}
        (folder / "stage.json").write_text(json.dumps({"inputs": inputs}))
        (folder / "quality.json").write_text(json.dumps({"sets": [{
            "name": of, "types": {"counts": {"captioning": 9}}, "samples": 9, "diversity": 5.9,
            "judge": {"knowledge": {"n": 9, "mean": 61.5}}, "people": None,
        }]}))  # fmt: skip
        os.utime(folder / "quality.json", (number, number))
    checkpoint = tmp_path / stages["train"] / "checkpoint"
    checkpoint.mkdir()
    losses = [{"step": n, "loss": 5 / n} for n in range(1, 60)]
    (checkpoint / "training.json").write_text(json.dumps({
        "stages": "single", "losses": losses, "steps": 59, "tokens": 12_345, "seconds": 90.0,
        "base_model": {"ref": "Qwen/Qwen2-VL-2B-Instruct"},
        "parameters": {"llm": {"all": 1_500_000_000}}, "data": {"name": "train.jsonl"},
    }))  # fmt: skip
    adapt = {"stages": stages, "variant": "recipe", "data": stages["mix"],
             "verdict": {"tasks": {"paper": "better on 2 of 7"}}, "recipe": {"name": "soup"}}  # fmt: skip
    (path / "run.json").write_text(json.dumps({**record, "adapt": adapt}))
    app = elsewhere(own_team).open("candidate", run=path.name)
    shown = texts(app)
    assert "better on 2 of 7" in shown
    assert "single-stage" in shown
    assert "1.5B" in shown
    assert any(text.startswith("# card") for text in shown)
    funnel = next(d.value for d in app.dataframe if "rows in" in d.value)
    assert list(funnel["rows out"]) == [40, 25, 25, 25]
    assert "evil.example" not in markdown(app)
    assert any("Kinds of tasks" in m.value for m in app.markdown)
    quality = next(d.value for d in app.dataframe if "diversity" in d.value)
    # The newest report is another variant's: it was made of other triplets.
    assert list(quality["set"]) == ["generate filter"]
    assert list(quality["knowledge"]) == [61.5]
    assert list(quality["rated by"]) == ["judge"]
    assert {m.label: m.value for m in app.metric}["tokens"] == "12,345"


@pytest.mark.parametrize("page", ALL)
def test_hostile_names_and_answers_are_never_markdown(pages: Pages, page: str) -> None:
    app = pages.open(page, run=MODELS[4], a=MODELS[0], b=MODELS[4], task="slake", page="1")
    assert "evil.example" not in markdown(app)
    assert "pwned" not in markdown(app)
    assert "\u202e" not in "".join(texts(app))
    labels = [str(w.label) for kind in (app.button, app.selectbox, app.multiselect) for w in kind]
    assert not any("evil" in label for label in labels)
    if page in ("samples", "candidate"):
        assert any("<script>window.pwned=1</script>" in text for text in texts(app))


def test_ten_thousand_characters(pages: Pages) -> None:
    app = pages.open("row", run=MODELS[4], task="food101", row=3)
    assert any(text == "w" * 10_000 for text in texts(app))


@pytest.mark.parametrize("page", ALL)
def test_nothing_there_yet(tmp_path: Path, elsewhere: Callable[[Path], Pages], page: str) -> None:
    app = elsewhere(tmp_path / "nowhere").open(page)
    assert app.title
    if page != "task":
        assert any("harness eval" in text for text in texts(app))


def test_runs_that_go_while_a_page_is_open(
    own_team: Path, elsewhere: Callable[[Path], Pages]
) -> None:
    pages = elsewhere(own_team)
    opened = {page: pages.open(page, run=MODELS[0], a=MODELS[0], b=MODELS[1]) for page in ALL}
    row = pages.open("row", run=MODELS[0], task="slake", row=1)
    samples = own_team / MODELS[1] / "tasks" / "slake" / "samples.parquet"
    samples.write_bytes(samples.read_bytes()[:2_000])
    shutil.rmtree(own_team / MODELS[0])
    time.sleep(0.6)
    for app in opened.values():
        again(app)
    assert "There is no such row" in markdown(again(row))
    damaged = pages.open("samples", run=MODELS[1], task="slake")
    assert any("the samples cannot be read" in text for text in texts(damaged))
    compared = pages.open("compare", a=MODELS[2], b=MODELS[1])
    assert any("cannot be read" in text for text in texts(compared))
    assert clean(MODELS[0]) not in str(again(opened[""]).dataframe[0].value.index)


def test_only_tries_are_shown_rather_than_nothing(
    own_team: Path, elsewhere: Callable[[Path], Pages]
) -> None:
    for path in own_team.glob("20*"):
        if path.name != MODELS[0]:
            shutil.rmtree(path)
    file = own_team / MODELS[0] / "results.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "partial": True}))
    app = elsewhere(own_team).open()
    assert "Only partial runs" in markdown(app)
    assert "○ Qwen/Qwen2-VL-2B-Instruct [partial]" in app.dataframe[0].value.index
