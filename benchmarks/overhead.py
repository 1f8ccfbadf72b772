"""The harness's own cost: 25,250 pictures through `--engine constant` against bare decoding.

    python benchmarks/overhead.py [--rows 25250] [--pairs 3]

Prints CPU seconds of both, pair by pair in turn, and peak memory at both sizes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from _measure import ratios, run
from _rows import write_food101

_DECODE = """
import sys
from pathlib import Path
from PIL import Image
for path in sorted(Path(sys.argv[1]).iterdir()):
    with Image.open(path) as image:
        image.convert("RGB")
"""


def main() -> None:
    """Make the rows once, then measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_250)
    parser.add_argument("--small", type=int, default=5_000)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_food101(folder / "rows", args.rows)
        harness = [
            sys.executable,
            "-m",
            "harness",
            "eval",
            "--model",
            "yes",
            "--engine",
            "constant",
        ]
        harness += ["--tasks", "food101", "--data", str(folder / "rows"), "--json", "--fresh"]
        harness += ["--out", str(folder / "runs")]
        bare = [sys.executable, "-c", _DECODE, str(folder / "rows" / "food101" / "images")]
        pairs = []
        for _ in range(args.pairs):
            pairs.append((run(harness, cwd=folder), run(bare, cwd=folder)))
            ours, theirs = pairs[-1]
            print(f"harness {ours.cpu:.2f} CPU s, bare decoding {theirs.cpu:.2f} CPU s", flush=True)
        small = run([*harness, "--limit", str(args.small)], cwd=folder)
    print(f"CPU ratio over bare decoding, {args.rows:,} rows: {ratios(pairs, 'cpu')}")
    print(f"CPU microseconds a row: {pairs[0][0].cpu / args.rows * 1e6:.0f}")
    peak = max(ours.peak_mb for ours, _ in pairs)
    print(
        f"peak memory: {peak:.0f} MB at {args.rows:,} rows, "
        f"{small.peak_mb:.0f} MB at {args.small:,}"
    )


if __name__ == "__main__":
    main()
