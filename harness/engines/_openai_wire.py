"""Chat completions on the wire: what is sent, and what servers send back."""

from __future__ import annotations

import base64
import email.utils
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.images import Picture
from harness.requests import Message, Request

_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
_MOST_TOKENS = 2**31
_MOST_SAID = 300
_MOST_LOGPROBS = 20
# What reading JSON of a stranger's may raise.
_NONSENSE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip


class Failure(Exception):
    """One attempt went wrong.

    Args:
        reason: In one line.
        passing: Whether another attempt may go better.
        wait: Seconds the server asks for before it.
        connected: Whether something listened at the address.
        crowded: Whether the server asks for fewer requests at a time.
    """

    def __init__(
        self,
        reason: str,
        *,
        passing: bool,
        wait: float | None = None,
        connected: bool = True,
        crowded: bool = False,
    ) -> None:
        super().__init__(reason)
        self.passing = passing
        self.wait = wait
        self.connected = connected
        self.crowded = crowded


class Answer(NamedTuple):
    """What a chat completion says."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    tokens: int
    logprobs: dict[str, float] | None = None


def body(model: str, request: Request, *, tokens_field: str, vllm: bool) -> dict[str, Any]:
    """The JSON of a request.

    Args:
        model: The served name.
        request: What is asked.
        tokens_field: Name of the field for the token limit.
        vllm: Whether the server understands vLLM's own fields.

    Raises:
        UserError: Chat completions have no such request.
    """
    if request.form != "chat":
        what = "continue with a user's turn" if request.form == "user_turn" else "continue a text"
        raise UserError(
            f"a chat-completions server cannot {what}",
            "Use --engine vllm or transformers (`engine:` in a recipe).",
        )
    sampling = request.sampling
    pictures = iter(request.images)
    sent: dict[str, Any] = {
        "model": model,
        "messages": [_message(message, pictures) for message in request.messages],
        "temperature": sampling.temperature,
        tokens_field: sampling.max_new_tokens,
    }
    if sampling.top_p != 1.0:
        sent["top_p"] = sampling.top_p
    if sampling.stop:
        sent["stop"] = list(sampling.stop)
    if request.seed is not None:
        sent["seed"] = request.seed
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": json.loads(request.json_schema), "strict": True}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.first_token_logprobs:
        sent |= {"logprobs": True, "top_logprobs": _MOST_LOGPROBS}
    if vllm:
        sent["skip_special_tokens"] = sampling.skip_special_tokens
    return sent


def _message(message: Message, pictures: Iterator[Picture]) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts = [
        {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
        if part is None
        else {"type": "text", "text": part}
        for part in message.parts
    ]
    return {"role": message.role, "content": parts}


def _data_url(picture: Picture) -> str:
    """The file's own bytes where servers take its format; else, and for a made picture, PNG."""
    data = picture.data or b""
    media = next((name for start, name in _MEDIA.items() if data.startswith(start)), None)
    if media is None:
        encoded = io.BytesIO()
        picture.image.save(encoded, "PNG")
        data, media = encoded.getvalue(), "image/png"
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def read(content: bytes) -> Answer:
    """The answer in a reply.

    Raises:
        Failure: Whatever else a server may send; it may pass.
    """
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        text = choice["message"].get("content")
        if text is None:
            text = choice["message"].get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        reason = choice.get("finish_reason")
        usage = reply.get("usage") or {}
        return Answer(
            text,
            reason if isinstance(reason, str) else None,
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
            _first_token(choice.get("logprobs")),
        )
    except _NONSENSE as error:
        reason = f"not a chat completion ({type(error).__name__}: {error})"
        raise Failure(reason, passing=True) from error


def _first_token(logprobs: Any) -> dict[str, float] | None:
    """What the first token might have been; None where the server tells nothing."""
    if not logprobs or not logprobs.get("content"):
        return None
    likeliest = logprobs["content"][0]["top_logprobs"]
    found = [(float(entry["logprob"]), str(entry["token"])) for entry in likeliest]
    # Likeliest last: of tokens with one text in common, such as parts of a letter, it stands.
    return {text: value for value, text in sorted(found) if math.isfinite(value)} or None


def _count(value: Any) -> int:
    count = int(value or 0)
    if not 0 <= count < _MOST_TOKENS:
        raise ValueError("a number of tokens is out of range")
    return count


def said(content: bytes, hide: Callable[[str], str]) -> str:
    """The server's own words about a refusal, shortened to a line.

    Args:
        content: The reply.
        hide: Takes out what must not be shown, before anything is cut.
    """
    try:
        error = json.loads(content)["error"]
        text = error["message"] if isinstance(error, dict) else error
        text = text if isinstance(text, str) else json.dumps(text)
    except _NONSENSE:
        text = content.decode("utf-8", "replace")
    return one_line(hide(text))


def one_line(text: str) -> str:
    """Text of a stranger's, shortened to a line."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]} ..."


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
