"""Any server that speaks OpenAI's chat completions: a hosted model, or vLLM's own server."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.engines import _openai_wire as wire
from harness.engines._base import ModelInfo
from harness.engines._openai_http import Line, check_address, read_key
from harness.errors import UserError
from harness.requests import Request, Response

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_LONGEST_WAIT = 60.0
_ENOUGH_UNCONNECTED = 8


@dataclass(frozen=True)
class OpenAISettings:
    """`--engine-arg` of the openai engine."""

    concurrency: int = 32
    """Most requests in flight; fewer while the server asks for patience."""
    backoff: float = 0.5
    """Seconds before the second attempt, doubled with each; a `Retry-After` header goes first."""
    timeout: float = 300.0
    """Seconds a server may be silent, and seconds one answer may take (looked at whenever a piece
    of it comes, so that an attempt ends after twice as long at most; 20 seconds to connect)."""
    attempts: int = 6
    """How often a request is sent before it fails; a resumed run sends it again."""
    max_tokens_field: str = "max_tokens"
    """`max_completion_tokens` for models that refuse `max_tokens`."""
    vllm_fields: bool = False
    """Send `skip_special_tokens` too, which vLLM's server understands and others may refuse."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.concurrency < 1 or self.attempts < 1:
            raise ValueError("concurrency and attempts must be greater than 0")
        if self.timeout <= 0 or self.backoff < 0:
            raise ValueError("timeout must be greater than 0 seconds, backoff not less than 0")
        if self.max_tokens_field not in ("max_tokens", "max_completion_tokens"):
            raise ValueError("max_tokens_field is max_tokens or max_completion_tokens")


@dataclass(frozen=True)
class OpenAIPlan:
    """A served model.

    Raises:
        UserError: `base_url` is no address, or OPENAI_API_KEY cannot be a key.
    """

    ref: str
    base_url: str
    settings: OpenAISettings = field(default_factory=OpenAISettings)
    name: str = "openai"
    why: str = "asked for"

    def __post_init__(self) -> None:
        """Check the address and the key."""
        check_address(self.base_url)
        read_key()

    @property
    def model(self) -> ModelInfo:
        """The served name; what lies behind it cannot be fingerprinted."""
        return ModelInfo(self.ref, self.ref, None, None)

    @property
    def identity(self) -> dict[str, Any]:
        """The address is part of who answers."""
        return {"engine": self.name, "base_url": self.base_url}

    @property
    def appetite(self) -> int:
        """As many as may be in flight."""
        return self.settings.concurrency

    def start(self) -> OpenAIEngine:
        """Nothing is sent yet."""
        return OpenAIEngine(self)


class _Gate:
    """How many requests may be in flight: halved at "too many requests", regained slowly."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = float(min(most, 8))
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        return int(self._now)

    def went_well(self) -> None:
        with self._lock:
            self._now = min(self._most, self._now + 1 / self._now)

    def too_many(self) -> None:
        with self._lock:
            self._now = max(1.0, self._now / 2)


class _Done(NamedTuple):
    response: Response
    connected: bool = True


class OpenAIEngine:
    """Keeps N requests in flight and retries what may pass.

    The key is read from `OPENAI_API_KEY` alone and goes nowhere but into the request's header.
    """

    streams = False

    def __init__(self, plan: OpenAIPlan) -> None:
        settings = plan.settings
        self._plan = plan
        self._line = Line(plan.base_url, settings.timeout, settings.concurrency)
        self._gate = _Gate(settings.concurrency)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._stopping = threading.Event()
        self._connected = False

    def describe(self) -> dict[str, Any]:
        """Address and model."""
        return {"name": "openai", "base_url": self._plan.base_url, "model": self._plan.ref}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order in which answers come.

        Raises:
            UserError: The server refuses the key, the model or the address, or nothing listens.
        """
        stream = iter(requests)
        flying: set[Future[_Done]] = set()
        lost: list[Response] = []  # held back until it is clear whether a server is there
        exhausted = False
        try:
            while flying or not exhausted:
                while not exhausted and len(flying) < self._gate.width:
                    request = next(stream, None)
                    if request is None:
                        exhausted = True
                    else:
                        flying.add(self._start(request))
                if not flying:
                    break
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    if future.exception() is None:
                        response, connected = future.result()
                        if connected:
                            yield response
                        else:
                            lost.append(response)
                for error in filter(None, map(Future.exception, done)):
                    raise error
                if self._connected:
                    yield from lost
                    lost.clear()
                elif len(lost) >= _ENOUGH_UNCONNECTED or (lost and exhausted and not flying):
                    raise UserError(
                        f"nothing listens at {self._plan.base_url}: {lost[0].error}",
                        "Start the server, or check --base-url.",
                    )
        except BaseException:
            # The caller stops, or the server is hopeless: nobody waits for what is in flight.
            self.close()
            raise

    def _start(self, request: Request) -> Future[_Done]:
        """Ask in a thread of its own: Python's exit waits for a pool's threads, not for these."""
        future: Future[_Done] = Future()

        def work() -> None:
            try:
                future.set_result(self._answer(request))
            # Raised again where the answers are waited for.
            except BaseException as error:  # noqa: BLE001
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def _answer(self, request: Request) -> _Done:
        settings = self._plan.settings
        body = wire.body(
            self._plan.ref,
            request,
            tokens_field=settings.max_tokens_field,
            vllm=settings.vllm_fields,
        )
        began = time.perf_counter()
        failure = wire.Failure("not asked", passing=True)
        for attempt in range(settings.attempts):
            try:
                answer = self._line.send(body)
            except wire.Failure as error:
                failure = error
                if error.connected:
                    self._connected = True
                if error.crowded:
                    self._gate.too_many()
                last = attempt + 1 == settings.attempts
                if not error.passing or last or self._pause(attempt, error.wait):
                    break
            else:
                self._connected = True
                self._gate.went_well()
                response = Response(
                    request,
                    answer.text,
                    answer.finish_reason,
                    prompt_tokens=answer.prompt_tokens,
                    tokens=answer.tokens,
                    seconds=time.perf_counter() - began,
                    logprobs=answer.logprobs,
                )
                return _Done(response)
        response = Response(
            request,
            None,
            error=str(failure),
            passing=failure.passing,
            seconds=time.perf_counter() - began,
        )
        return _Done(response, failure.connected)

    def _pause(self, attempt: int, asked: float | None) -> bool:
        """Wait before the next attempt; True if the engine is being stopped meanwhile."""
        seconds = self._plan.settings.backoff * 2**attempt if asked is None else asked
        spread = self._jitter.uniform(0.5, 1.5) if asked is None else 1.0
        return self._stopping.wait(min(_LONGEST_WAIT, seconds * spread))

    def close(self) -> None:
        """Close the connections."""
        self._stopping.set()
        self._line.close()
