"""The real app in a real browser: Debian's Chromium, driven through playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from leaderboard import serving

_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
              "--no-first-run"]  # fmt: skip
_PROBES = ("/_stcore/health", "/_stcore/host-config")
"""What Streamlit asks for below a page's own path first, to find where it is mounted."""


def chromium() -> str:
    """The browser's path; without one the test is skipped, on CI it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is not None:
        return found
    reason = "no chromium is installed (apt-get install chromium)"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}; on CI this is no reason to skip", pytrace=False)
    pytest.skip(reason)


@contextmanager
def served(runs: Path, cache: Path) -> Iterator[str]:
    """The app's own process; gives its address."""
    port = serving.free_port(None)
    environment = {**serving.environment(), "XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    process = subprocess.Popen(serving.command(runs, port), env=environment, cwd=cache,
                               stdout=subprocess.DEVNULL, stderr=sys.stderr)  # fmt: skip
    address = f"http://{serving.HOST}:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)  # noqa: S310 - our own address
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        assert process.wait(timeout=20) is not None


class Visitor:
    """A browser's page that remembers what went wrong on it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _said(self, message: Any) -> None:
        # The browser's own words for a failed request; `_answered` knows which.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"asked elsewhere: {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400 and not response.url.endswith(_PROBES):
            self.faults.append(f"{response.status}: {response.url}")

    def visit(self, page: str = "", **values: object) -> Any:
        """Open a page by its address and wait until it is drawn."""
        query = f"?{urlencode(values)}" if values else ""
        self.page.goto(f"{self.address}/{page}{query}")
        self.drawn()
        return self.page

    def drawn(self) -> None:
        """Wait until the app is at rest."""
        self.page.wait_for_selector("h1", timeout=60_000)
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]",
                                    timeout=60_000)  # fmt: skip
        self.page.wait_for_function(
            "() => !document.querySelector('[data-testid=stSkeleton]')", timeout=60_000
        )

    def grid(self, number: int = 0) -> list[list[str]]:
        """A table's cells, as a screen reader is given them."""
        table = self.page.locator("[data-testid=stDataFrame]").nth(number).locator("canvas table")
        table.wait_for(state="attached", timeout=30_000)
        found: list[list[str]] = table.evaluate(
            "table => [...table.querySelectorAll('tr')].map(row => "
            "[...row.querySelectorAll('th, td')].map(cell => cell.textContent))"
        )
        return found
