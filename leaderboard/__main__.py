"""The app's process: Streamlit's own command, with what the first page needs loaded meanwhile."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress

_NEEDED = ("pandas", "altair", "duckdb", "pyarrow.parquet", "scipy.special", "PIL.Image")


def _load() -> None:
    for name in _NEEDED:
        with suppress(ImportError):  # the page will say so
            importlib.import_module(name)


def main() -> None:
    """Run Streamlit's command line."""
    threading.Thread(target=_load, name="loading", daemon=True).start()
    from streamlit.web.cli import main as streamlit

    streamlit(prog_name="streamlit")


if __name__ == "__main__":
    main()
