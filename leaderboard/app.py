"""The app: `harness leaderboard`, or `streamlit run leaderboard/app.py -- --runs DIR`."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
from pathlib import Path

import streamlit as st

# Pictures come from what was fetched before; looking at runs fetches nothing.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

_HERE = Path(__file__).resolve().parent
if "leaderboard" not in sys.modules and str(_HERE.parent) not in sys.path:
    # Streamlit puts this file's folder on the path, not the one that holds the package.
    sys.path.append(str(_HERE.parent))

from leaderboard._address import PAGES  # noqa: E402
from leaderboard._parts import STYLE, page  # noqa: E402
from leaderboard.store import Store  # noqa: E402
from leaderboard.views import candidate, compare, overview, row, samples, task  # noqa: E402

_LOOK_SECONDS = 3
_HEAD_START = 1.0


def runs_folder() -> Path:
    """`--runs DIR` behind `--`, else HARNESS_RUNS, else `runs`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--runs")
    chosen, _ = parser.parse_known_args(sys.argv[1:])
    return Path(chosen.runs or os.environ.get("HARNESS_RUNS") or "runs")


@st.cache_resource(show_spinner=False, on_release=lambda store: store.close())
def _open(root: str) -> Store:
    store = Store(Path(root), head_start=_HEAD_START)
    atexit.register(store.close)  # DuckDB complains of what is still open when Python ends
    return store


@st.fragment(run_every=_LOOK_SECONDS)
def _watch(store: Store, shown: str) -> None:
    """Draw the page again when a run has appeared, changed or gone."""
    if store.stamp() != shown:
        st.rerun()


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(
        page_title="Leaderboard",
        page_icon="📊",
        layout="wide",
        menu_items={"Get help": None, "Report a bug": None, "About": None},
    )
    store = _open(str(runs_folder().absolute()))
    st.session_state["_store"] = store
    stamp = store.stamp()
    pages = {
        "overview": st.Page(page(overview.draw), title="Overview", icon=":material/leaderboard:",
                            url_path="overview", default=True),
        "compare": st.Page(page(compare.draw), title="Compare", url_path="compare",
                           icon=":material/compare_arrows:"),
        "samples": st.Page(page(samples.draw), title="Samples", url_path="samples",
                           icon=":material/photo_library:"),
        "candidate": st.Page(page(candidate.draw), title="Candidate", url_path="candidate",
                             icon=":material/badge:"),
        "task": st.Page(page(task.draw), title="Task", url_path="task",
                        icon=":material/assignment:"),
        "row": st.Page(page(row.draw), title="Row", url_path="row", visibility="hidden",
                       icon=":material/image:"),
    }  # fmt: skip
    st.session_state[PAGES] = pages
    chosen = st.navigation(list(pages.values()), position="top")
    st.html(STYLE)
    chosen.run()
    _watch(store, stamp)


main()
