"""Replicas through real Ray: killed actors, other numbers of replicas, equal results."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dying_engine
import psutil
import pytest
from dying_engine import DyingPlan
from PIL import Image

from harness import images
from harness.engines import _ray
from harness.engines._ray import ReplicatedEngine, ReplicatedPlan
from harness.errors import UserError
from harness.images import Picture
from harness.requests import Message, Request, Response, Sampling
from tasks.from_lmms_eval._questions import PICTURE_FORMAT

HARNESS = Path(sys.executable).with_name("harness")


def command(model: Path, out: str, *more: str) -> list[str]:
    return [
        str(HARNESS), "eval", "--model", str(model), "--engine", "transformers",
        "--engine-arg", "batch_size=4", "--tasks", "slake", "--data", "sample", "--limit", "150",
        "--json", "--out", out, *more,
    ]  # fmt: skip


def run(args: list[str]) -> Any:
    done = subprocess.run(args, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def journal(out: str) -> list[dict[str, Any]]:
    (path,) = Path(out).glob("*/tasks/slake/responses.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The results of one engine without Ray."""
    return run(command(tiny_models["qwen2_vl"], str(tmp_path_factory.mktemp("whole"))))


def replicas_of(pid: int) -> list[int]:
    """The processes of the actors below a command."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "ray::Replica" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def without_names(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key != "run_id"}


def test_a_killed_actor_costs_its_rows_in_flight_and_nothing_else(
    tiny_models: dict[str, Path], whole: Any
) -> None:
    process = subprocess.Popen(
        command(tiny_models["qwen2_vl"], "runs", "--replicas", "2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed: set[int] = set()
    deadline = time.monotonic() + 200
    while process.poll() is None and not killed and time.monotonic() < deadline:
        lines = [p.read_bytes().count(b"\n") for p in Path("runs").glob("*/tasks/slake/*.jsonl")]
        actors = replicas_of(process.pid)
        if actors and sum(lines) >= 10:
            os.kill(actors[0], signal.SIGKILL)
            killed.add(actors[0])
        time.sleep(0.005)
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert out.startswith("{"), (out[:500], err[-500:])
    assert killed, "the run was over before an actor could be killed"
    assert without_names(json.loads(out)) == without_names(whole)
    keys = [record["key"] for record in journal("runs")]
    assert len(keys) == len(set(keys))


def test_slurms_warning_ends_it_like_any_other_run(tiny_models: dict[str, Path]) -> None:
    process = subprocess.Popen(
        command(tiny_models["qwen2_vl"], "runs", "--replicas", "2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None:
        if sum(p.read_bytes().count(b"\n") for p in Path("runs").glob("*/tasks/*/*.jsonl")) >= 10:
            process.terminate()
            break
        time.sleep(0.005)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (143, ""), err
    assert "answers so far are kept" in err
    assert err.endswith("terminated\n")
    assert "SIGTERM received" not in err, "Ray's own handler"


def test_started_with_one_replica_and_finished_with_two(
    tiny_models: dict[str, Path], whole: Any
) -> None:
    model = tiny_models["qwen2_vl"]
    process = subprocess.Popen(
        command(model, "runs"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if sum(p.read_bytes().count(b"\n") for p in Path("runs").glob("*/tasks/*/*.jsonl")) >= 30:
            process.kill()
        time.sleep(0.005)
    process.wait()
    before = len(journal("runs"))
    assert not list(Path("runs").glob("*/results.json"))
    results = run(command(model, "runs", "--replicas", "2"))
    assert without_names(results) == without_names(whole)
    keys = [record["key"] for record in journal("runs")]
    assert len(keys) == len(set(keys))
    assert 0 < before < len(keys)


@pytest.mark.vllm
def test_vllm_in_an_actor(tiny_models: dict[str, Path], whole: Any) -> None:
    args = command(tiny_models["qwen2_vl"], "runs", "--replicas", "2")
    args[args.index("transformers")] = "vllm"
    args[args.index("batch_size=4")] = "max_num_seqs=8"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    results = run(args)
    scores = [[r["score"] for r in each["results"]] for each in (results, whole)]
    assert scores[0] == scores[1]
    (path,) = Path("runs").glob("*/run.json")
    assert json.loads(path.read_text())["engine"]["replicas"] == 2


def asked(plan: DyingPlan, replicas: int, names: list[str]) -> dict[str, Response]:
    """Rows of these names, answered by an engine that may die."""
    import ray

    ray.cloudpickle.register_pickle_by_value(dying_engine)
    engine = None
    try:
        engine = ReplicatedEngine(ReplicatedPlan(plan, replicas, None))
        rows = [Request(n, n, (Message("user", "?"),), Sampling(4), (), None) for n in names]
        return {response.request.key: response for response in engine.generate(rows)}
    finally:
        if engine is not None:
            engine.close()
        ray.shutdown()


@pytest.mark.parametrize("replicas", [1, 2])
def test_rows_that_kill_fail_alone(tmp_path: Path, replicas: int) -> None:
    names = [f"row{i}" for i in range(60)]
    names[5:5] = ["kill1", "kill2"]
    (tmp_path / "starts").mkdir()
    answers = asked(DyingPlan(tmp_path / "starts"), replicas, names)
    assert set(answers) == set(names)
    failed = {name: answer.error for name, answer in answers.items() if answer.error}
    assert set(failed) == {"kill1", "kill2"}
    assert all(
        str(e).startswith("the engine dies on it: ") and "\n" not in str(e) for e in failed.values()
    )
    # A start for each replica, one after the death in company, one after each death alone.
    assert len(list((tmp_path / "starts").iterdir())) <= replicas + 3


def test_a_replica_that_dies_while_it_starts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert asked(DyingPlan(tmp_path / "a", stillborn=2), 1, ["row"])["row"].text == "row"
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="died 3 times while it was started") as caught:
        asked(DyingPlan(tmp_path / "b", stillborn=99), 1, ["row"])
    assert "\n" not in str(caught.value)


def test_a_replica_that_no_machine_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the only machine with GPUs is gone: it pends for ever, and Ray says nothing."""
    (tmp_path / "starts").mkdir()
    monkeypatch.setattr(_ray, "_needs", lambda *_: {"CPU": 1, "unobtainable": 2})
    monkeypatch.setattr(_ray, "_NOTE_AFTER", 0.5)
    monkeypatch.setattr(_ray, "_GIVE_UP_AFTER", 2.0)
    with pytest.raises(UserError, match=r"no replica is alive.* needs 1 CPU and 2 unobtainable"):
        asked(DyingPlan(tmp_path / "starts"), 2, ["row"])
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "replicas" in text]
    assert line.startswith("2 of 2 replicas have not reported for ")
    assert line.endswith("waits for 1 CPU and 2 unobtainable (no machine of the cluster has that)")
    assert not list((tmp_path / "starts").iterdir())


def test_a_replica_that_waits_for_its_turn_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others hold what the second needs: the first answers everything, and a person is told."""
    (tmp_path / "starts").mkdir()
    names = [f"row{i}" for i in range(2_000)]

    def one_place(_: Any, ray: Any) -> dict[str, float]:
        return {"CPU": ray.cluster_resources()["CPU"]}

    monkeypatch.setattr(_ray, "_needs", one_place)
    monkeypatch.setattr(_ray, "_NOTE_AFTER", 0.05)
    assert set(asked(DyingPlan(tmp_path / "starts"), 2, names)) == set(names)
    assert len(list((tmp_path / "starts").iterdir())) == 1
    notes = [text for text in capsys.readouterr().err.splitlines() if "replicas" in text]
    assert notes
    assert "an engine that is being loaded looks the same" in notes[0]


def test_pictures_of_every_task_travel() -> None:
    """Those of lmms-eval's tasks too, which are pixels as they are."""
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", PICTURE_FORMAT):
        encoded = io.BytesIO()
        Image.new("RGB", (5, 4), "red").save(encoded, kind)
        data = encoded.getvalue()
        shown = images.decode(data, (kind,), "a picture")
        own = Picture(shown, data, images.fingerprint(data))
        asked = Request("0" * 32, "0", (Message("user", "?", 1),), Sampling(4), (own,), owner=own)
        sent = _ray._ship(asked)
        assert sent.request.images[0].image is None
        (got,) = _ray._unpack(sent).images
        assert images.pixel_hash(got.image) == images.pixel_hash(shown)
        assert (got.data, got.content) == (own.data, own.content)


def test_an_address_where_nothing_listens(
    harness: Any, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself would knock there for more than ten minutes."""
    monkeypatch.setattr(_ray, "_KNOCK_SECONDS", 0.1)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"):
        ran = harness(
            "eval", "--model", tiny_models["qwen2_vl"], "--tasks", "slake", "--data", "sample",
            "--ray", address,
        )  # fmt: skip
        assert ran.code == 2
        assert f"cannot reach Ray at {address}" in ran.err
        assert "ray start --head" in ran.err


def test_engines_that_load_nothing_take_no_replicas(harness: Any) -> None:
    ran = harness(
        "eval", "--engine", "constant", "--model", "yes", "--tasks", "slake", "--data", "sample",
        "--replicas", 2,
    )  # fmt: skip
    assert ran.code == 2
    assert "--replicas" in ran.err
