"""`harness leaderboard`: what it refuses, where it listens, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from harness_helpers import Harness

from leaderboard import serving

ROOT = Path(serving.__file__).resolve().parents[1]


def test_a_taken_port_and_a_file_are_refused(harness: Harness, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = harness("leaderboard", "--port", port)
        assert ran.code == 2
        assert f"port {port} is taken" in ran.err
        assert serving.free_port(None) != port
    (tmp_path / "file").touch()
    ran = harness("leaderboard", "--runs", "file")
    assert ran.code == 2
    assert "is no folder" in ran.err


def test_what_is_missing_is_named(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    real = serving.importlib.util.find_spec
    monkeypatch.setattr(
        serving.importlib.util, "find_spec", lambda name: None if name == "duckdb" else real(name)
    )
    ran = harness("leaderboard")
    assert ran.code == 2
    assert "needs duckdb" in ran.err
    assert "domain-harness[leaderboard]" in ran.err


def test_help_does_not_load_the_app(harness: Harness) -> None:
    ran = harness("leaderboard", "--help")
    assert "127.0.0.1" in ran.out
    code = "import sys, harness.cli.leaderboard; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_among_traps_listens_here_alone_and_ends(
    team: Path, tmp_path: Path, number: signal.Signals
) -> None:
    for name in ("tasks", "training", "leaderboard", "streamlit", "duckdb"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a trap')")
    command = "from harness.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "c"),
                   "HOME": str(tmp_path)}  # fmt: skip
    first = socket.socket()
    held = False
    with suppress(OSError):  # somebody else's, and free again at any time
        first.bind((serving.HOST, serving.FIRST_PORT))
        held = True
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", command, "leaderboard", "--runs", str(team)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    address = next(word for word in line.split() if word.startswith("http"))
    first.close()
    assert address.startswith("http://127.0.0.1:")
    assert int(address.rsplit(":", 1)[1]) >= serving.FIRST_PORT + held
    health = f"{address}/_stcore/health"
    with urllib.request.urlopen(health, timeout=10) as answer:  # noqa: S310 - our own address
        assert answer.read() == b"ok"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "leaked" not in err
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(health, timeout=5)  # noqa: S310 - our own address


@pytest.mark.parametrize("display", ["", ":0"])
def test_a_browser_is_opened_on_a_desktop_alone(
    monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    opened: list[str] = []

    def fail(address: str) -> bool:
        opened.append(address)
        raise serving.webbrowser.Error("there is none")

    monkeypatch.setattr(serving.webbrowser, "open", fail)
    monkeypatch.setattr(serving.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    serving._open_browser("http://127.0.0.1:1")
    assert opened == (["http://127.0.0.1:1"] if display else [])


def test_settings_of_the_folder_and_of_the_command_agree() -> None:
    import tomllib

    file = tomllib.loads((ROOT / "leaderboard" / ".streamlit" / "config.toml").read_text())
    for name, value in serving._OPTIONS.items():
        section, key = name.split(".")
        if (section, key) != ("browser", "serverAddress"):
            assert str(file[section][key]).lower() == value
