"""lmms-eval's tasks through this harness: equal answers and scores, refusals, journal, re-scoring."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from chat_server import Server, serving
from harness_helpers import Harness, Ran
from lmms_world import said_to, write_own, write_stock
from PIL import ImageFile

import harness as package
from tasks import UserError, resolve
from tasks.from_lmms_eval._package import plain
from tasks.sources import NoRows, open_source

pytestmark = pytest.mark.filterwarnings("ignore")
STOCK = ("pope", "ai2d", "mme", "mmmu_val")
RUNNER = Path(__file__).parent.parent / "support" / "lmms_runner.py"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of stock data sets under `stock`, and a task file of one's own under `own`."""
    root = tmp_path_factory.mktemp("lmms")
    write_stock(root / "stock")
    write_own(root / "own")
    write_own(root / "sound", broken=-1)
    return root


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(answer=said_to) as found:
        yield found


@pytest.fixture(autouse=True)
def _mirror(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_HUB_MIRROR", str(world / "stock"))


@pytest.fixture(scope="module")
def theirs(world: Path, server: Server, tmp_path_factory: Any) -> dict[str, Any]:
    """What lmms-eval's own runner says of the served model."""
    served = {
        "model": "openai",
        "model_args": f"model=said,base_url={server.url},api_key=none",
        "tasks": [*STOCK, "shades"],
        "folders": ["pope", "ai2d", "mme", "mmmu"],
        "include": [str(world / "sound")],
    }
    return _their_run(served, world, tmp_path_factory.mktemp("theirs"))


def _their_run(request: dict[str, Any], world: Path, folder: Path) -> dict[str, Any]:
    (folder / "request.json").write_text(json.dumps(request))
    environment = {
        **os.environ, "PYTHONSAFEPATH": "1", "OPENAI_API_KEY": "none", "HF_HOME": str(folder / "hf"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, RUNNER, folder / "request.json", folder / "answer.json"],
        cwd=world / "stock", env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads((folder / "answer.json").read_text()))


def _asked(harness: Harness, server: Server, tasks: str, *more: object) -> Ran:
    return harness(
        "eval", "--model", "said", "--engine", "openai", "--base-url", server.url,
        "--tasks", tasks, "--max-failed", "0.2", *more,
    )  # fmt: skip


def _samples(task: str) -> list[dict[str, Any]]:
    (path,) = Path("runs").glob(f"*/tasks/{task}/samples.parquet")
    return list(pq.read_table(path).to_pylist())


def _schema() -> Any:
    return json.loads((Path(package.__file__).parent / "results.schema.json").read_text())


def test_answers_and_scores_equal_those_of_its_own_runner(
    harness: Harness, server: Server, world: Path, theirs: dict[str, Any]
) -> None:
    own = world / "sound" / "shades.yaml"
    names = [*(f"lmms_eval:{name}" for name in STOCK), f"lmms_eval:{own}"]
    ran = _asked(harness, server, ",".join(names), "--json")
    assert ran.code == 0, ran.err
    jsonschema.validate(ran.json, _schema())
    lines = {(r["task"].removeprefix("lmms_eval:"), r["metric"]): r for r in ran.json["results"]}
    assert {line["protocol"] for line in lines.values()} == {"paper"}

    for task in (*STOCK, "shades"):
        texts = {row["row_index"]: row["text"] for row in _samples(f"lmms_eval:{task}")}
        assert {int(k): v for k, v in theirs["answers"][task].items()} == texts
    metrics = {"Exact Match": "exact_match"}
    full = {"mme_perception_score": 2000, "mme_cognition_score": 800}
    compared = 0
    for task, scores in theirs["scores"].items():
        for key, value in scores.items():
            metric = key.split(",")[0]
            if "_stderr" in metric or metric == "silence":
                continue
            score = lines[task, metrics.get(metric, metric)]["score"] / 100 * full.get(metric, 1)
            if metric == "mmmu_acc":
                score = round(score, 5)  # as lmms-eval does; here it stays the rows' mean
            assert score == pytest.approx(value, abs=1e-12), key
            compared += 1
    assert compared == 11
    assert len({line["score"] for line in lines.values()}) > 6  # not all of them nought


def test_which_scores_have_which_interval(harness: Harness, server: Server, world: Path) -> None:
    own = f"lmms_eval:{world / 'own' / 'shades.yaml'}"
    ran = _asked(harness, server, f"lmms_eval:pope,lmms_eval:mme,{own}", "--json")
    lines = {(r["task"], r["metric"]): r for r in ran.json["results"]}

    mean = lines["lmms_eval:pope", "pope_accuracy"]
    assert mean["main"]
    assert mean["n"] == 36
    assert mean["clusters"] == 12
    assert mean["ci95"]
    assert mean["reason"] is None
    values = [row["paper_pope_accuracy"] for row in _samples("lmms_eval:pope")]
    assert mean["score"] == pytest.approx(100 * sum(values) / 36)

    f1 = lines["lmms_eval:pope", "pope_f1_score"]
    assert "500 resamples of pictures" in f1["reason"]
    assert f1["rule"] == mean["rule"]
    assert f1["ci95"][0] <= f1["score"] <= f1["ci95"][1]
    assert {row["paper_pope_f1_score"] for row in _samples("lmms_eval:pope")} == {None}

    pairs = lines["lmms_eval:mme", "mme_perception_score"]
    assert "share of its maximum 2000" in pairs["rule"]
    assert pairs["ci95"] is None
    assert "fails on resampled rows" in pairs["reason"]

    lower = lines["lmms_eval:shades", "silence"]
    assert lower["score"] is None
    assert "lower is better" in lower["reason"]


def test_a_row_whose_scoring_fails_is_one_failed_row(
    harness: Harness, server: Server, world: Path
) -> None:
    ran = _asked(harness, server, f"lmms_eval:{world / 'own' / 'shades.yaml'}", "--json")
    (main,) = [line for line in ran.json["results"] if line["main"]]
    assert (main["failed"], main["n"]) == (1, 10)
    rows = _samples("lmms_eval:shades")
    assert [row["row_index"] for row in rows if row["failed"]] == [7]
    assert "KeyError: 'no such answer'" in rows[7]["reason"]
    assert rows[7]["paper_exact_match"] == 0.0
    assert main["score"] == pytest.approx(10 * sum(row["paper_exact_match"] for row in rows))


def test_a_run_continues_and_is_scored_again(harness: Harness, server: Server, world: Path) -> None:
    name = f"lmms_eval:{world / 'own' / 'shades.yaml'}"
    first = _asked(harness, server, name, "--json")
    (run,) = Path("runs").iterdir()
    asked = sum(server.attempts.values())
    (run / "results.json").unlink()
    again = _asked(harness, server, name, "--json")
    assert again.json == first.json
    assert sum(server.attempts.values()) == asked

    scored = harness("score", run, "--json", "--samples", "rows.jsonl")
    assert scored.json == first.json
    lines = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(10))
    assert {line["strict"] for line in lines if line["index"] != 7} == {None}

    rows = json.loads((world / "own" / "rows.json").read_text())
    rows[0]["answer"] = "b"
    (world / "own" / "rows.json").write_text(json.dumps(rows))
    refused = harness("score", run)
    assert refused.code == 2
    assert "no longer the same" in refused.err


def test_pictures_are_shown_in_their_places(harness: Harness, server: Server) -> None:
    server.bodies.clear()
    assert _asked(harness, server, "lmms_eval:mmmu_val", "--limit", "1").code == 0
    (content,) = [message["content"] for message in server.bodies[0]["messages"]]
    assert [part["type"] for part in content] == ["text", "image_url", "text", "image_url", "text"]
    assert server.bodies[0]["max_tokens"] == 128
    assert server.bodies[0]["stop"] == ["\n\n"]


@pytest.mark.parametrize("mode", ["blank", "shuffled", "none"])
def test_controls_work_on_them(harness: Harness, server: Server, mode: str) -> None:
    ran = _asked(harness, server, "lmms_eval:mmmu_val", "--images", mode, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["images"] == mode


def test_data_may_lie_in_a_folder(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_HUB_MIRROR")
    (task,) = resolve(["lmms_eval:pope"])
    source = open_source(task, str(world / "stock"))
    assert source.count() == 36
    before = source.fingerprint()
    named = world / "named"
    (named / "pope").parent.mkdir(exist_ok=True)
    if not (named / "pope").exists():
        (named / "pope").symlink_to(world / "stock" / "lmms-lab-encoder" / "POPE")
    assert open_source(task, str(named)).count() == 36
    assert open_source(task, str(world / "stock")).fingerprint() == before
    with pytest.raises(NoRows, match="neither"):
        open_source(task, str(world / "own"))
    with pytest.raises(NoRows, match="no sample rows"):
        open_source(task, "sample")


def test_a_group_leaves_out_what_cannot_be_run(harness: Harness, server: Server) -> None:
    ran = _asked(harness, server, "lmms_eval:mmmu", "--limit", "2")
    assert ran.code == 0
    assert "skipped lmms_eval:mmmu_test cannot be run: lmms-eval only writes a file" in ran.err
    assert "Traceback" not in ran.err


REFUSED = {
    "mmmu_vall": "did you mean 'mmmu_val'",
    "mmbench_en_dev": "external judge (API_KEY): set OPENAI_API_KEY",
    "mmvet": "set OPENAI_API_KEY",
    "videomme": "video or audio",
    "vstat": "Python class",
    "mmmu_test": "writes a file for a server",
    "mmmu_val_pass64": "asks every question 64 times",
    "nowhere.yaml": "no such file",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_why(harness: Harness, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ran = harness("eval", "--model", "x", "--engine", "constant", "--tasks", f"lmms_eval:{name}")
    assert ran.code == 2
    assert REFUSED[name] in ran.err


def test_a_judges_key_lifts_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert [task.id for task in resolve(["lmms_eval:mmbench_en_dev"])]


def test_show_and_predictions(harness: Harness) -> None:
    shown = harness("tasks", "show", "lmms_eval:pope")
    assert shown.code == 0
    assert "lmms-lab-encoder/POPE" in shown.out
    assert "pope_f1_score" in shown.out
    refused = harness("score", "--task", "lmms_eval:pope", "--predictions", "x.jsonl")
    assert refused.code == 2
    assert "together with its documents" in refused.err


def test_a_caption_score_has_one_scale_for_weak_and_strong_models() -> None:
    task = resolve(["lmms_eval:coco2014_cap_val"])[0]
    assert task.borrowed is not None
    maxima = {a.metric: a.maximum for a in task.borrowed.aggregations}
    assert maxima["coco_cider"] == 10.0
    assert maxima["coco_bleu_1"] is None


def test_settings_are_the_same_in_every_process() -> None:
    """A run is found again by them: functions count by their names, never by their addresses."""

    class Kind:
        def __call__(self) -> None: ...

    def asked(subject: str) -> Any:
        return plain({"process_docs": partial(_their_run, folder=subject), "other": Kind()})

    assert asked("law") == asked("law") != asked("art")
    assert "law" in repr(asked("law"))
    assert "0x" not in repr(asked("law"))


def test_its_import_leaves_this_process_as_it_was() -> None:
    resolve(["lmms_eval:pope"])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_nothing_of_it_is_imported_unasked() -> None:
    script = (
        "import sys\n"
        "from harness.cli import _run\n"
        "assert _run(['tasks', 'ls']) == 0\n"
        "assert _run(['eval', '--model', 'yes', '--engine', 'constant', '--tasks', 'slake',"
        " '--data', 'sample', '--limit', '3']) == 0\n"
        "from tasks.from_lmms_eval._index import known\n"
        "assert len(known()) > 1900\n"
        "loaded = [m for m in sys.modules if m.split('.')[0] in ('lmms_eval', 'torch')]\n"
        "assert not loaded, loaded[:5]\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.from_lmms_eval import _index

    monkeypatch.setattr(_index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="not installed") as caught:
        _index.package_folder()
    assert "lmms-eval==0.7.3" in str(caught.value)


def test_runs_are_compared_row_by_row(harness: Harness, server: Server) -> None:
    """What is no mean over rows (MME's sum of squares) is shown and not paired."""
    tasks = "lmms_eval:pope,lmms_eval:mmmu_val,lmms_eval:mme"
    assert _asked(harness, server, tasks, "--out", "a").code == 0
    constant = ("eval", "--model", "yes", "--engine", "constant", "--tasks", tasks, "--out", "b")
    assert harness(*constant).code == 0
    ran = harness("compare", *Path("a").iterdir(), *Path("b").iterdir(), "--json")
    assert ran.code == 0, ran.err
    assert "lmms_eval:mmmu_val" in ran.out
    assert {column["task"] for column in ran.json["unpaired"]} == {"lmms_eval:mme"}
    assert all(set(column["scores"]) == {"A", "B"} for column in ran.json["unpaired"])
    paired = {column["task"] for column in ran.json["pairs"][0]["columns"]}
    assert paired == {"lmms_eval:pope", "lmms_eval:mmmu_val"}
    (average,) = (a for a in ran.json["pairs"][0]["averages"] if a["name"] == "lmms_eval")
    differences = [column["difference"] for column in ran.json["pairs"][0]["columns"]]
    assert average["difference"] == pytest.approx(sum(differences) / 2)
    assert average["stderr"] > 0


def test_what_looks_like_a_mean_in_one_run_alone_is_not_paired(
    harness: Harness, server: Server, world: Path
) -> None:
    """The longest answer equals the mean answer's length where all answers are the same."""
    task = f"lmms_eval:{world / 'sound' / 'shades.yaml'}"
    assert _asked(harness, server, task, "--out", "a").code == 0
    constant = ("eval", "--model", "yes", "--engine", "constant", "--tasks", task, "--out", "b")
    assert harness(*constant).code == 0
    both = (*Path("a").iterdir(), *Path("b").iterdir(), "--all-metrics", "--json")
    for runs in (both, (both[1], both[0], *both[2:])):
        ran = harness("compare", *runs)
        assert ran.code == 0, ran.err
        assert "letters" in {column["metric"] for column in ran.json["unpaired"]}
