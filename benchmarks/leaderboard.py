"""The leaderboard over many runs: seconds a page takes the server, and its memory.

    python benchmarks/leaderboard.py                 # 20 runs of 6,000 rows
    python benchmarks/leaderboard.py --full          # 200 runs of 60,000 rows (about 2 GB of runs)
    python benchmarks/leaderboard.py --full --runs-in DIR     # keep the runs for another time

Every figure is of a process of its own. Pages are drawn by Streamlit's `AppTest`, which runs the
app's script as the server does and leaves the browser out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

APP = Path(__file__).resolve().parent.parent / "leaderboard" / "app.py"
TIMES = 5


def main() -> None:
    """Generate runs, then draw pages over them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="200 runs of 60,000 rows")
    parser.add_argument("--runs-in", type=Path, help="folder to keep the runs in")
    parser.add_argument("--child", choices=("cold", "warm"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(_cold() if args.child == "cold" else _warm()))
        return
    from _leaderboard_runs import write_runs

    with tempfile.TemporaryDirectory() as scratch:
        folder = args.runs_in or Path(scratch) / "runs"
        runs, share = (200, 1.0) if args.full else (20, 0.1)
        began = time.perf_counter()
        write_runs(folder, runs, share)
        print(f"{runs} runs written in {time.perf_counter() - began:.0f} s")
        cache = Path(scratch) / "cache"
        for what in ("cold", "warm"):
            for name, value in _child(what, folder, cache).items():
                print(f"{name:44} {value}")


def _child(what: str, runs: Path, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "HARNESS_RUNS": str(runs), "XDG_CACHE_HOME": str(cache),
                   "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}  # fmt: skip
    # -P: this file's own name is that of the package it measures.
    command = [sys.executable, "-P", __file__, "--child", what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cold() -> dict[str, Any]:
    """No index, nothing in memory: the first page that a server draws."""
    began = time.perf_counter()
    _load()  # as the server does before anybody asks
    page = _app()
    loading = time.perf_counter() - began
    seconds = _drawn(page)
    store = page.session_state["_store"]
    while (progress := store.progress()).done < progress.of:
        time.sleep(0.1)
    indexed = time.perf_counter() - began
    store.close()
    return {
        "starting the server, before any page: s": round(loading, 2),
        "overview, cold: s (aim 3)": round(seconds, 2),
        "index of all rows, in the background: s": round(indexed, 1),
        "memory after it: MB (aim 600)": _memory(),
    }


def _warm() -> dict[str, Any]:
    """The index is on disk."""
    _load()
    page = _app()
    first = _drawn(page)
    store = page.session_state["_store"]
    while (progress := store.progress()).done < progress.of:
        time.sleep(0.02)
    with_ranks = _drawn(page)
    found = {
        "overview, index on disk, first: s": round(first, 2),
        "  its first with rank ranges: s": round(with_ranks, 2),
        "overview, warm: s (aim 1)": _times(page, {}),
        "overview, other protocol, warm: s": _times(page, {"protocol": "strict"}),
    }
    runs = list(store.look().runs)
    for name, more in _PAGES.items():
        page = _app("samples")
        page.query_params["run"] = runs[-1]
        found[f"samples, {name}: s (aim 0.5)"] = _times(page, more)
    page = _app("compare")
    page.query_params["a"], page.query_params["b"] = runs[0], runs[-1]
    found["compare two runs, first: s"] = round(_drawn(page), 2)
    found["compare two runs, again: s"] = _times(page, {})
    found |= _thumbnails(store.look().runs[runs[0]])
    found["memory: MB (aim 600)"] = _memory()
    store.close()
    return found


def _thumbnails(run: Any) -> dict[str, Any]:
    """A page's pictures, 1,024 x 768 JPEG, the first time and again."""
    import dataclasses

    import numpy as np
    from PIL import Image

    from harness.images import decode, pixel_hash
    from leaderboard.store._pictures import Pictures
    from leaderboard.store._rows import SampleRow

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "slake"
        folder.mkdir()
        (folder / "test.jsonl").touch()
        rows = []
        for number in range(12):
            small = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
            small.resize((1024, 768)).save(folder / f"{number}.jpg")
            shown = decode((folder / f"{number}.jpg").read_bytes(), ("JPEG",), "x")
            row = SampleRow(number, "", None, f"{number}.jpg", pixel_hash(shown), *[None] * 9)
            rows.append(row)
        there = dataclasses.replace(run, record={"data": {"given": scratch}})
        pictures, seconds = Pictures(Path(scratch) / "cache"), []
        for _ in range(2):
            began = time.perf_counter()
            kept = pictures.kept(rows)
            missing = [row for row in rows if row.position not in kept]
            made = kept | dict(pictures.thumbnails(there, "slake", missing))
            seconds.append(round(time.perf_counter() - began, 2))
            if not all(picture.data for picture in made.values()):
                raise SystemExit(str(made))
    return {"12 thumbnails, first: s": seconds[0], "12 thumbnails, again: s": seconds[1]}


_PAGES: dict[str, dict[str, str]] = {
    "page 1": {"task": "food101"},
    "page 1,500": {"task": "food101", "page": "1500"},
    "wrong only": {"task": "food101", "rows": "wrong"},
    "searched": {"task": "food101", "search": "picture 77"},
}


def _load() -> None:
    sys.path.append(str(APP.parent.parent))
    from leaderboard.__main__ import _load

    _load()


def _app(view: str | None = None) -> Any:
    from streamlit.testing.v1 import AppTest
    from streamlit.util import calc_hash

    page = AppTest.from_file(str(APP), default_timeout=120)
    if view is not None:
        page._page_hash = calc_hash(view)
    return page


def _drawn(page: Any) -> float:
    began = time.perf_counter()
    page.run()
    seconds = time.perf_counter() - began
    if page.exception:
        raise SystemExit(str(page.exception))
    return seconds


def _times(page: Any, more: dict[str, str]) -> str:
    for name, value in more.items():
        page.query_params[name] = value
    seconds = [_drawn(page) for _ in range(TIMES)]
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _memory() -> int:
    """The most that this process ever held, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
