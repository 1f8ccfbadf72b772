"""The way to a server: its address, the key, and one request at a time."""

from __future__ import annotations

import os
import time
from typing import Any

from harness.engines import _openai_wire as wire
from harness.errors import UserError

_LARGEST_REPLY = 64 * 1024 * 1024
# Statuses that say "later": time-out, conflict, too early, too many, and every 5xx.
_PASSING = frozenset((408, 409, 425, 429))
_HOPELESS = {
    401: "The key is missing or wrong: set OPENAI_API_KEY",
    403: "The key may not use this model",
    404: "The server knows no such model or address: check --model and --base-url",
}


def check_address(base_url: str) -> None:
    """Refuse what cannot be the address of a server.

    Raises:
        UserError: No http or https, no host, or not an address at all.
    """
    import httpx

    hint = "It is an address such as http://localhost:8000/v1"
    try:
        url = httpx.URL(base_url)
        url.host.encode("idna")
    except (httpx.InvalidURL, ValueError) as error:
        raise UserError(f"--base-url {base_url!r} is no address: {error}", hint) from error
    if url.userinfo:
        raise UserError("--base-url must not hold a name or a key", "Set OPENAI_API_KEY instead.")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"--base-url {base_url!r} needs http:// or https:// and a host", hint)
    if url.query or url.fragment or not 0 < (url.port or 80) < 65_536:
        raise UserError(f"--base-url {base_url!r} is no address to add a path to", hint)


def read_key() -> str:
    """`OPENAI_API_KEY`, or nothing.

    Raises:
        UserError: No header can carry it; the message does not show it.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise UserError(
            "OPENAI_API_KEY holds a space, a control character or a letter outside ASCII",
            "Set it again, without line breaks.",
        )
    return key


class Line:
    """A line to one server, open for several requests at once.

    Args:
        base_url: The server's address.
        timeout: Seconds of silence, and seconds for one answer once it is asked for.
        most: Requests at once.
    """

    def __init__(self, base_url: str, timeout: float, most: int) -> None:
        import httpx

        self._base_url = base_url
        self._key = read_key()
        self._timeout = timeout
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 20.0)),
            limits=httpx.Limits(max_connections=most),
            # A redirect would carry prompts and pictures to an address nobody named.
            follow_redirects=False,
        )

    def send(self, body: dict[str, Any]) -> wire.Answer:
        """Ask once.

        Raises:
            Failure: No answer this time.
            UserError: There will never be one.
        """
        import httpx

        end = time.monotonic() + self._timeout
        content = bytearray()
        try:
            url = f"{self._base_url}/chat/completions"
            with self._client.stream("POST", url, json=body) as reply:
                for piece in reply.iter_bytes():
                    content += piece
                    if time.monotonic() > end:
                        raise httpx.ReadTimeout("the answer trickles")
                    if len(content) > _LARGEST_REPLY:
                        raise wire.Failure("the reply is too large", passing=True)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            late = isinstance(error, httpx.TimeoutException)
            reason = f"no answer in time ({kind})" if late else f"connection: {kind}: {error}"
            connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            said = wire.one_line(self._hide(reason))
            raise wire.Failure(said, passing=True, connected=connected) from error
        if reply.status_code != 200:
            raise self._refused(reply.status_code, reply.headers, bytes(content))
        try:
            return wire.read(bytes(content))
        except wire.Failure as failure:
            said = wire.one_line(self._hide(str(failure)))
            raise wire.Failure(said, passing=True) from failure

    def _refused(self, status: int, headers: Any, content: bytes) -> Exception:
        said = wire.said(content, self._hide)
        if status in _HOPELESS:
            return UserError(f"{self._base_url} answers {status}: {said}", _HOPELESS[status])
        passing = status in _PASSING or status >= 500
        return wire.Failure(
            f"the server answers {status}: {said}",
            passing=passing,
            wait=wire.retry_after(headers.get("retry-after")) if passing else None,
            crowded=status == 429,
        )

    def _hide(self, text: str) -> str:
        """A server may repeat the key, and what it says is written down."""
        return text.replace(self._key, "[key]") if self._key else text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
