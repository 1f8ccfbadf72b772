"""Starting the app: on this machine's own address, without telemetry."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from harness.errors import UserError
from harness.progress import note, say

HOST = "127.0.0.1"
FIRST_PORT = 8501
_PORTS = 50
_APP = Path(__file__).with_name("app.py")
_PROCESS = Path(__file__).with_name("__main__.py")
_PATIENCE = 120.0
_OPTIONS = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": HOST,
}
"""Also in `.streamlit/config.toml`; a user's own settings do not come before these."""


def serve(runs: Path, port: int | None = None, *, browser: bool = False) -> int:
    """Run the app until it is interrupted; it needs neither a browser nor a terminal.

    Args:
        runs: Folder of runs; it may fill later.
        port: On which; None takes the first free one from 8501.
        browser: Open the address in the desktop's browser, where there is one.

    Returns:
        The exit code.

    Raises:
        UserError: Streamlit is not installed, the port is taken, or the app does not start.
    """
    check_installed()
    if runs.exists() and not runs.is_dir():
        raise UserError(f"{runs} is no folder", "Give the folder that holds runs: --runs DIR.")
    port = free_port(port)
    if not runs.is_dir():
        note(f"{runs} does not exist yet; runs appear once they are there")
    # Its banner would say the address once more.
    process = subprocess.Popen(  # noqa: S603 - our own app
        command(runs, port),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        with _passing_on(process):
            _wait(process, port)
            say(f"Leaderboard of {runs}: http://{HOST}:{port}  (Ctrl-C ends it)")
            sys.stdout.flush()
            if browser:
                _open_browser(f"http://{HOST}:{port}")
            code = process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(process)
    return 0 if code in (0, -signal.SIGINT, -signal.SIGTERM) else 1


def check_installed() -> None:
    """Make sure that what the app needs is there.

    Raises:
        UserError: It is not.
    """
    missing = [name for name in ("streamlit", "duckdb") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the leaderboard needs {' and '.join(missing)}",
            "Install them: pip install 'domain-harness[leaderboard]'",
        )


def command(runs: Path, port: int) -> list[str]:
    """The command line of the app's process."""
    # A file and -P: a folder named `tasks` where somebody happens to stand must not be imported.
    options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
    return [sys.executable, "-P", str(_PROCESS), "run", str(_APP), f"--server.port={port}",
            *options, "--", "--runs", str(runs.absolute())]  # fmt: skip


def environment() -> dict[str, str]:
    """This process's; what the app starts imports nothing from where somebody stands."""
    return {**os.environ, "PYTHONSAFEPATH": "1"}


def free_port(port: int | None) -> int:
    """A port that nobody listens on.

    Raises:
        UserError: The one asked for is taken, or all that were tried are.
    """
    if port is not None:
        if not _is_free(port):
            raise UserError(f"port {port} is taken", "Choose another: --port N.")
        return port
    for candidate in range(FIRST_PORT, FIRST_PORT + _PORTS):
        if _is_free(candidate):
            return candidate
    raise UserError(f"ports {FIRST_PORT} to {candidate} are taken", "Choose one: --port N.")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def _open_browser(address: str) -> None:
    """On a desktop; elsewhere Python would start a browser of the terminal, and wait for it."""
    desktop = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    with suppress(webbrowser.Error, OSError):
        if desktop:
            webbrowser.open(address)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        if process.poll() is not None:
            raise UserError(f"the app ended with exit code {process.returncode}; see above")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise UserError(f"the app did not answer within {_PATIENCE:.0f} seconds")


class _passing_on:  # noqa: N801 - used as a `with` block
    """SIGTERM goes on to the app."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._before: Any = None

    def __enter__(self) -> None:
        def end(number: int, frame: FrameType | None) -> None:
            self._process.terminate()

        self._before = signal.signal(signal.SIGTERM, end)

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
