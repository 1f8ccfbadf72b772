"""A local server that speaks chat completions, and misbehaves as real ones do."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[["Handler", int], bool]
Answer = Callable[[dict[str, Any]], str]


class Server(ThreadingHTTPServer):
    """Answers with a text that depends on the question; `fault` may spoil an attempt."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, fault: Fault | None = None, answer: Answer | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = fault
        self.answer = answer or answer_to
        self.attempts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.most_in_flight = self._in_flight = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the test."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = json.dumps(body["messages"])
        with server.lock:
            server.attempts[question] += 1
            attempt = server.attempts[question]
            server.bodies.append(body)
            server.keys.add(self.headers.get("Authorization"))
            server._in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server._in_flight)
        try:
            if server.fault is not None and server.fault(self, attempt):
                return
            with server.lock:
                server.answered[question] += 1
            text = server.answer(body)
            self.reply(200, {
                "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3},
            })  # fmt: skip
        finally:
            with server.lock:
                server._in_flight -= 1

    def reply(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def answer_to(body: dict[str, Any]) -> str:
    """A fixed answer to a question: yes or no by its hash."""
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    return "yes" if digest[0] % 2 else "no"


def misbehaving(seed: int, hang: float) -> Fault:
    """429, 500, a hang, a cut connection or nonsense, at random, but never twice in a row for good."""
    pick = random.Random(seed)
    lock = threading.Lock()

    def fault(handler: Handler, attempt: int) -> bool:
        with lock:
            kind = pick.choice(["429", "500", "hang", "cut", "html", "json", "empty", "", "", ""])
        match kind:
            case "429":
                handler.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
            case "500":
                handler.reply(500, {"error": "internal"})
            case "hang":
                time.sleep(hang)
                handler.close_connection = True
            case "cut":
                handler.send_response(200)
                handler.send_header("Content-Length", "1000")
                handler.end_headers()
                handler.wfile.write(b'{"choices": [')
                handler.close_connection = True
            case "html":
                handler.reply(200, b"<html>gateway</html>")
            case "json":
                handler.reply(200, {"choices": []})
            case "empty":
                handler.reply(200, b"")
            case _:
                return False
        return True

    return fault


@contextmanager
def serving(fault: Fault | None = None, answer: Answer | None = None) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(fault, answer)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def picture_bytes(body: dict[str, Any]) -> list[bytes]:
    """The pictures of a request, as they were sent."""
    parts = [p for m in body["messages"] if isinstance(m["content"], list) for p in m["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition("base64,")[2]) for url in urls]
