"""The app's pages without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

APP = Path(__file__).resolve().parents[2] / "leaderboard" / "app.py"


class Pages:
    """Opens pages by their addresses over one folder of runs."""

    def __init__(self, runs: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARNESS_RUNS", str(runs))
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        monkeypatch.setattr("sys.argv", ["app.py"])

    def open(self, page: str = "", /, **values: object) -> AppTest:
        """Draw a page; it must not end in an exception."""
        app = AppTest.from_file(str(APP), default_timeout=60)
        # Pages are functions: `switch_page` knows files only.
        app._page_hash = calc_hash(page)
        for name, value in values.items():
            app.query_params[name] = value if isinstance(value, list) else str(value)
        return again(app)


def again(app: AppTest) -> AppTest:
    """Draw it once more."""
    app.run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> list[str]:
    """Everything shown as plain text."""
    return [element.value for element in (*app.text, *app.code)]


def markdown(app: AppTest) -> str:
    """Everything that is Markdown: strangers' text must not be in it."""
    parts: list[Any] = [*app.markdown, *app.caption, *app.title, *app.subheader, *app.info,
                        *app.warning, *app.error]  # fmt: skip
    return "\n".join(str(element.value) for element in parts)
