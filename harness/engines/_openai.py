"""Any server that speaks OpenAI's chat completions: a hosted model, or vLLM's own server."""

from __future__ import annotations

import base64
import email.utils
import io
import os
import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.engines._base import ModelInfo
from harness.errors import UserError
from harness.images import Picture
from harness.requests import Message, Request, Response, Sampling

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
_LONGEST_WAIT = 60.0
# Statuses that say "later": time-out, conflict, too early, too many, and every 5xx.
_PASSING = frozenset((408, 409, 425, 429))
_HOPELESS = {
    401: "The key is missing or wrong: set OPENAI_API_KEY",
    403: "The key may not use this model",
    404: "The server knows no such model or address: check --model and --base-url",
}


@dataclass(frozen=True)
class OpenAISettings:
    """`--engine-arg` of the openai engine."""

    concurrency: int = 32
    """Most requests in flight; fewer while the server asks for patience."""
    backoff: float = 0.5
    """Seconds before the second attempt, doubled with each; a `Retry-After` header goes first."""
    timeout: float = 300.0
    """Seconds for one answer."""
    attempts: int = 6
    """How often a request is sent before it fails; a resumed run sends it again."""
    max_tokens_field: str = "max_tokens"
    """`max_completion_tokens` for models that refuse `max_tokens`."""
    vllm_fields: bool = False
    """Send `skip_special_tokens` and `seed` too, which vLLM's server understands."""

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
    """A served model."""

    ref: str
    base_url: str
    settings: OpenAISettings = field(default_factory=OpenAISettings)
    name: str = "openai"
    why: str = "asked for"

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


class _Failure(Exception):
    """One attempt went wrong."""

    def __init__(self, reason: str, *, passing: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.passing = passing
        self.wait = wait


class _Answer(NamedTuple):
    text: str
    finish_reason: str | None
    prompt_tokens: int
    tokens: int


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


class OpenAIEngine:
    """Keeps N requests in flight and retries what may pass.

    The key is read from `OPENAI_API_KEY` alone and goes nowhere but into the request's header.
    """

    streams = False

    def __init__(self, plan: OpenAIPlan) -> None:
        import httpx

        key = os.environ.get("OPENAI_API_KEY", "")
        settings = plan.settings
        self._plan = plan
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(settings.timeout, connect=min(settings.timeout, 20.0)),
            limits=httpx.Limits(max_connections=settings.concurrency),
            # A redirect would carry prompts and pictures to an address nobody named.
            follow_redirects=False,
        )
        self._gate = _Gate(settings.concurrency)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._stopping = threading.Event()

    def describe(self) -> dict[str, Any]:
        """Address and model."""
        return {"name": "openai", "base_url": self._plan.base_url, "model": self._plan.ref}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order in which answers come.

        Raises:
            UserError: The server refuses the key, the model or the address.
        """
        stream = iter(requests)
        flying: set[Future[Response]] = set()
        exhausted = False
        with ThreadPoolExecutor(self._plan.settings.concurrency) as pool:
            try:
                while flying or not exhausted:
                    while not exhausted and len(flying) < self._gate.width:
                        request = next(stream, None)
                        if request is None:
                            exhausted = True
                        else:
                            flying.add(pool.submit(self._answer, request))
                    done, flying = wait(flying, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            finally:
                # Reached early when the caller stops or the server is hopeless: end the waits.
                self._stopping.set()
                for future in flying:
                    future.cancel()
        self._stopping.clear()

    def _answer(self, request: Request) -> Response:
        body = _body(self._plan, request)
        began = time.perf_counter()
        failure = _Failure("not asked", passing=True)
        for attempt in range(self._plan.settings.attempts):
            try:
                answer = self._send(body)
            except _Failure as error:
                failure = error
                last = attempt + 1 == self._plan.settings.attempts
                if not error.passing or last or self._pause(attempt, error.wait):
                    break
            else:
                self._gate.went_well()
                seconds = time.perf_counter() - began
                return Response(
                    request,
                    answer.text,
                    answer.finish_reason,
                    prompt_tokens=answer.prompt_tokens,
                    tokens=answer.tokens,
                    seconds=seconds,
                )
        return Response(
            request,
            None,
            error=str(failure),
            passing=failure.passing,
            seconds=time.perf_counter() - began,
        )

    def _pause(self, attempt: int, asked: float | None) -> bool:
        """Wait before the next attempt; True if the engine is being stopped meanwhile."""
        seconds = self._plan.settings.backoff * 2**attempt if asked is None else asked
        spread = self._jitter.uniform(0.5, 1.5) if asked is None else 1.0
        return self._stopping.wait(min(_LONGEST_WAIT, seconds * spread))

    def _send(self, body: dict[str, Any]) -> _Answer:
        import httpx

        url = f"{self._plan.base_url}/chat/completions"
        try:
            reply = self._client.post(url, json=body)
        except httpx.TimeoutException as error:
            raise _Failure(f"no answer in time ({type(error).__name__})", passing=True) from error
        except httpx.TransportError as error:
            raise _Failure(f"connection: {type(error).__name__}: {error}", passing=True) from error
        if reply.status_code != 200:
            raise self._refused(reply)
        return _read(reply)

    def _refused(self, reply: Any) -> Exception:
        status, said = reply.status_code, _said(reply)
        if status in _HOPELESS:
            return UserError(f"{self._plan.base_url} answers {status}: {said}", _HOPELESS[status])
        if status == 429:
            self._gate.too_many()
        passing = status in _PASSING or status >= 500
        pause = _retry_after(reply) if passing else None
        return _Failure(f"the server answers {status}: {said}", passing=passing, wait=pause)

    def close(self) -> None:
        """Close the connections."""
        self._stopping.set()
        self._client.close()


def _body(plan: OpenAIPlan, request: Request) -> dict[str, Any]:
    sampling: Sampling = request.sampling
    pictures = iter(request.images)
    body: dict[str, Any] = {
        "model": plan.ref,
        "messages": [_message(message, pictures) for message in request.messages],
        "temperature": sampling.temperature,
        plan.settings.max_tokens_field: sampling.max_new_tokens,
    }
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if plan.settings.vllm_fields:
        body["skip_special_tokens"] = sampling.skip_special_tokens
    return body


def _message(message: Message, pictures: Iterator[Picture]) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    shown = [
        {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
        for _ in range(message.images)
    ]
    return {"role": message.role, "content": [*shown, {"type": "text", "text": message.text}]}


def _data_url(picture: Picture) -> str:
    """The file's own bytes where servers take its format; else, and for a made picture, PNG."""
    data = picture.data or b""
    media = next((name for start, name in _MEDIA.items() if data.startswith(start)), None)
    if media is None:
        encoded = io.BytesIO()
        picture.image.save(encoded, "PNG")
        data, media = encoded.getvalue(), "image/png"
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def _read(reply: Any) -> _Answer:
    """The answer in a reply; whatever else a server may send is a failure that may pass."""
    try:
        content = reply.json()
        choice = content["choices"][0]
        text = choice["message"].get("content")
        if text is None:
            text = choice["message"].get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        usage = content.get("usage") or {}
        return _Answer(
            text,
            choice.get("finish_reason"),
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = f"not a chat completion ({type(error).__name__}: {error})"
        raise _Failure(reason, passing=True) from error


def _said(reply: Any) -> str:
    """The server's own words, shortened to a line."""
    try:
        error = reply.json()["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = reply.text
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else f"{line[:300]} ..."


def _retry_after(reply: Any) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or a date."""
    header = reply.headers.get("retry-after")
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
