"""The openai engine against a local server that behaves, and misbehaves, like real ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
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


@pytest.mark.parametrize("rows", [2, 40])
def test_nobody_listens(harness: Harness, tmp_path: Path, rows: int) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", rows)
    ran = harness(
        *COMMAND, "--base-url", "http://127.0.0.1:9", "--engine-arg", "attempts=2",
        "--engine-arg", "backoff=0.01", "--json",
    )  # fmt: skip
    assert ran.code == 2
    assert "nothing listens at http://127.0.0.1:9: connection: " in ran.err
    assert not list(Path("runs").iterdir())


def test_a_server_that_comes_late(harness: Harness, tmp_path: Path) -> None:
    """Rows that found nobody are not lost once somebody is there."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 7)

    def fault(handler: Handler, _: int) -> bool:
        if len(handler.server.bodies) > 3:
            handler.server.server_close()  # and goes again: no new connection
        handler.close_connection = True
        return False

    with serving(fault) as server:
        ran = harness(
            *COMMAND, "--base-url", server.url, "--json", "--engine-arg", "attempts=1",
            "--engine-arg", "concurrency=1",
        )  # fmt: skip
    assert ran.code == 1
    line = line_of(ran.json, "vqa_rad", "strict", split="closed")
    assert (line["n"], len(samples())) == (7, 7)
    assert 0 < line["failed"] < 7


NONSENSE: dict[str, tuple[bytes, dict[str, str]]] = {
    "infinite": (
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e999}}',
        {},
    ),
    "negative": (
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}',
        {},
    ),
    "deep": (b"[" * 200_000, {}),
    "no gzip": (b"plain", {"Content-Encoding": "gzip"}),
    "no text": (b'{"choices": [{"message": {"content": [1]}}]}', {}),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_asked_again(harness: Harness, tmp_path: Path, kind: str) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 3)

    def fault(handler: Handler, attempt: int) -> bool:
        if attempt == 1:
            handler.reply(200, *NONSENSE[kind])
        return attempt == 1

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, *QUICK, "--json")
    assert ran.code == 0, ran.err
    assert set(server.attempts.values()) == {2}


def test_a_finish_reason_that_is_no_text(harness: Harness, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 3)

    def fault(handler: Handler, _: int) -> bool:
        handler.reply(
            200, {"choices": [{"message": {"content": "yes"}, "finish_reason": {"a": 1}}]}
        )
        return True

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, "--json")
    assert ran.code == 0, ran.err
    assert {record["finish_reason"] for record in journal()} == {None}


def test_an_answer_that_trickles(harness: Harness, tmp_path: Path) -> None:
    """Pieces that come in time one by one are late together."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 1)

    def fault(handler: Handler, attempt: int) -> bool:
        if attempt > 1:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" ")
            time.sleep(0.05)
        return True

    began = time.monotonic()
    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, *QUICK, "--json")
    assert ran.code == 0, ran.err
    assert time.monotonic() - began < 20


def test_a_refusal_keeps_finished_answers(harness: Harness, tmp_path: Path) -> None:
    """And waits for nobody: one request hangs for longer than the test."""
    closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    ended = threading.Event()

    def fault(handler: Handler, _: int) -> bool:
        mine = handler.server.attempts.total()
        if mine <= 2:
            return False
        if mine == 3:
            ended.wait(60)
            return True
        time.sleep(0.3)
        handler.reply(401, {"error": {"message": "no"}})
        return True

    began = time.monotonic()
    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url)
        seconds = time.monotonic() - began
        ended.set()
    assert ran.code == 2
    assert seconds < 20
    assert len(journal()) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_while_a_server_is_silent(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 4)
    ended = threading.Event()

    def fault(_: Handler, __: int) -> bool:
        ended.wait(60)
        return True

    program = Path(sys.executable).with_name("harness")
    with serving(fault) as server:
        process = subprocess.Popen(
            [str(program), *COMMAND, "--base-url", server.url], stderr=subprocess.PIPE, text=True
        )
        while not server.bodies:
            assert process.poll() is None
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=50)
        seconds = time.monotonic() - began
        ended.set()
    assert (process.returncode, "Traceback" in err) == (code, False), err
    assert seconds < 20


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://host/v1", "http://", "http:///v1", "http://[::1", "http://h:99999",
     "http://..", "http://u:p@host/v1", "http://host/v1?x=1", ""],
)  # fmt: skip
def test_what_is_no_address(harness: Harness, tmp_path: Path, url: str) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    ran = harness(*COMMAND, "--base-url", url)
    assert (ran.code, ran.out) == (2, "")
    assert "--base-url" in ran.err
    assert "u:p" not in ran.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("key", ["sk-se\ncret", "sk-sé-cret", "sk-se\x1bcret", "sk-se cret"])
def test_what_is_no_key(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 1)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    ran = harness(*COMMAND, "--base-url", "http://127.0.0.1:9")
    assert ran.code == 2
    assert "OPENAI_API_KEY" in ran.err
    assert "cret" not in ran.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_key_that_the_server_repeats_is_hidden(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-" + "secret" * 9 + "\n")
    closed_rows(tmp_path / "rows" / "vqa_rad", 2)

    def fault(handler: Handler, _: int) -> bool:
        said = "x" * 270 + str(handler.headers["Authorization"])
        reply = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": said}}
        handler.reply(status, reply if status == 200 else {"error": {"message": said}})
        return True

    with serving(fault) as server:
        ran = harness(*COMMAND, "--base-url", server.url, "--engine-arg", "attempts=1", "--json")
    assert ran.code == (2 if status == 401 else 1)
    assert server.keys == {"Bearer sk-" + "secret" * 9}
    assert "secret" not in ran.out + ran.err
    files = [p.read_bytes() for p in Path("runs").rglob("*") if p.is_file()]
    assert bool(files) == (status != 401)  # where nothing was answered, nothing is left
    assert not any(b"secret" in data for data in files)


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
