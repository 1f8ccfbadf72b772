"""The openai engine against a local server that behaves, and misbehaves, like real ones."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from chat_server import Handler, misbehaving, picture_bytes, serving
from harness_helpers import Harness, closed_rows, line_of, picture

COMMAND = (
    "eval",
    "--engine",
    "openai",
    "--model",
    "served",
    "--tasks",
    "vqa_rad",
    "--data",
    "rows",
)
QUICK = (
    "--engine-arg", "timeout=0.5", "--engine-arg", "attempts=40", "--engine-arg", "backoff=0.001",
)  # fmt: skip


def samples() -> list[dict[str, object]]:
    (path,) = Path("runs").glob("*/tasks/vqa_rad/samples.parquet")
    return pq.read_table(path).to_pylist()


def journal() -> list[dict[str, object]]:
    (path,) = Path("runs").glob("*/tasks/vqa_rad/responses.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_answers_come_once_and_files_go_as_they_are(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    folder = closed_rows(tmp_path / "rows" / "vqa_rad", 40)
    with serving() as server:
        ran = harness(*COMMAND, "--base-url", server.url, "--json")
    assert ran.code == 0
    assert set(server.answered.values()) == {1}
    assert len(server.answered) == 40
    assert server.keys == {"Bearer sk-test"}
    assert "sk-test" not in ran.out + ran.err
    run = next(Path("runs").iterdir())
    assert not any(b"sk-test" in p.read_bytes() for p in run.rglob("*") if p.is_file())
    sent = {data for body in server.bodies for data in picture_bytes(body)}
    assert sent == {(folder / "images" / f"{i}.png").read_bytes() for i in range(40)}
    body = server.bodies[0]
    assert body["temperature"] == 0
    assert body["max_tokens"] == 1024
    assert ran.json["model"] == {
        "ref": "served", "name": "served", "revision": None, "fingerprint": None,
    }  # fmt: skip


def test_misbehaving_server(harness: Harness, tmp_path: Path) -> None:
    """Every row ends answered; none twice, none lost; the answers are the quiet server's."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 60)
    with serving(misbehaving(3, hang=1.0)) as server:
        ran = harness(*COMMAND, "--base-url", server.url, *QUICK, "--json")
    assert ran.code == 0, ran.err
    line = line_of(ran.json, "vqa_rad", "paper", split="closed")
    assert (line["n"], line["failed"]) == (60, 0)
    assert len(server.answered) == 60
    assert sum(server.attempts.values()) > 100
    keys = [record["key"] for record in journal()]
    assert len(keys) == len(set(keys)) == 60
    texts = [s["text"] for s in samples()]
    with serving() as quiet:
        harness(*COMMAND, "--base-url", quiet.url, "--json", "--out", "quiet")
    (path,) = Path("quiet").glob("*/tasks/vqa_rad/samples.parquet")
    assert pq.read_table(path)["text"].to_pylist() == texts


def test_passing_failures_are_asked_again(harness: Harness, tmp_path: Path) -> None:
    """Rows that fail for a passing reason fail with it now, and are retried by the next run."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 10)
    down = threading.Event()
    down.set()

    def fault(handler: Handler, _: int) -> bool:
        if down.is_set():
            handler.reply(503, {"error": {"message": "overloaded"}}, {"Retry-After": "0"})
        return down.is_set()

    with serving(fault) as server:
        command = (*COMMAND, "--base-url", server.url, "--engine-arg", "attempts=2", "--json")
        ran = harness(*command)
        assert ran.code == 1
        assert line_of(ran.json, "vqa_rad", "strict", split="closed")["failed"] == 10
        assert "503: overloaded" in str(samples()[0]["reason"])
        down.clear()
        again = harness(*command)
    assert again.code == 0
    assert line_of(again.json, "vqa_rad", "strict", split="closed")["failed"] == 0


def test_final_refusal_of_one_row(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 10)

    def fault(handler: Handler, _: int) -> bool:
        body = handler.server.bodies[-1]
        bad = "number 3?" in json.dumps(body)
        if bad:
            handler.reply(400, {"error": {"message": "image too large"}})
        return bad

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, "--json", "--engine-arg", "concurrency=1")
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["failed"] == 1
    assert "400: image too large" in str(samples()[3]["reason"])
    assert max(server.attempts.values()) == 1


@pytest.mark.parametrize(("status", "words"), [(401, "OPENAI_API_KEY"), (404, "--base-url")])
def test_hopeless_server_ends_the_run(
    harness: Harness, tmp_path: Path, status: int, words: str
) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 10)

    def fault(handler: Handler, _: int) -> bool:
        handler.reply(status, {"error": {"message": "no"}})
        return True

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url)
    assert ran.code == 2
    assert words in ran.err


def test_nobody_listens(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 2)
    ran = harness(
        *COMMAND, "--base-url", "http://127.0.0.1:9", "--engine-arg", "attempts=1", "--json"
    )
    assert ran.code == 1
    assert "connection" in str(samples()[0]["reason"])


def test_in_flight_narrows_at_429_and_widens_again(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 120)
    state = {"now": 0}
    lock = threading.Lock()

    def fault(handler: Handler, _: int) -> bool:
        with lock:
            state["now"] += 1
            busy = state["now"] > 4
        try:
            if busy:
                handler.reply(429, {"error": {"message": "busy"}}, {"Retry-After": "0.01"})
            else:
                threading.Event().wait(0.01)
        finally:
            with lock:
                state["now"] -= 1
        return busy

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, "--engine-arg", "attempts=40", "--json")
    assert line_of(ran.json, "vqa_rad", "paper", split="closed")["failed"] == 0
    refused = sum(server.attempts.values()) - 120
    assert refused < 240  # thirty-two workers hammering at four places would be refused far more


def test_pictures_that_servers_do_not_take_are_sent_as_png(
    harness: Harness, tmp_path: Path
) -> None:
    folder = tmp_path / "rows" / "ucmerced"
    folder.mkdir(parents=True)
    (folder / "a.tif").write_bytes(picture(4, kind="TIFF"))
    row = {"image": "a.tif", "input": "What?", "label": "river"}
    (folder / "test.jsonl").write_text(json.dumps(row) + "\n")
    with serving() as server:
        ran = harness(
            "eval", "--engine", "openai", "--model", "m", "--tasks", "ucmerced", "--data", "rows",
            "--base-url", server.url,
        )  # fmt: skip
    assert ran.code == 0
    assert picture_bytes(server.bodies[0])[0].startswith(b"\x89PNG")


def test_base_url_belongs_to_openai(harness: Harness) -> None:
    ran = harness(
        "eval", "--engine", "constant", "--model", "yes", "--tasks", "slake", "--data", "sample",
        "--base-url", "http://127.0.0.1:9",
    )  # fmt: skip
    assert ran.code == 2
    assert "--engine openai" in ran.err
