"""Searching perceptual hashes: ours against comparing all with all; and the rate of hashing.

    python benchmarks/audit.py [--training 500000] [--tests 60000] [--radius 7] [--pictures 500]

One core (OMP_NUM_THREADS=1). Comparing all is measured on a part of the test hashes and
extrapolated; both must find the same pairs there. Planted: 1 % of the test hashes lie in the
training hashes with up to `radius` bits changed.
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _rows import draw_jpegs
from numpy.typing import NDArray
from PIL import Image

from harness.images import decode
from synth._near import NearIndex
from synth._phash import WINDOWS, sketch

Hashes = NDArray[np.uint64]


def make_hashes(training: int, tests: int, radius: int) -> tuple[Hashes, Hashes]:
    """Random hashes, some of which lie near each other."""
    rng = np.random.default_rng(0)
    many = rng.integers(0, 1 << 63, training, np.uint64) * np.uint64(2)
    many ^= rng.integers(0, 2, training, np.uint64)
    few = rng.integers(0, 1 << 63, tests, np.uint64) * np.uint64(2)
    planted = rng.choice(tests, tests // 100, replace=False)
    for row in planted:
        flips = rng.choice(64, rng.integers(0, radius + 1), replace=False)
        few[row] = many[rng.integers(training)]
        for bit in flips:
            few[row] ^= np.uint64(1) << np.uint64(bit)
    return many, few


def found(index: NearIndex, queries: Hashes) -> set[tuple[int, int]]:
    """All pairs."""
    pairs: set[tuple[int, int]] = set()
    for hits in index.search(queries):
        pairs.update(zip(hits.query.tolist(), hits.found.tolist(), strict=True))
    return pairs


def all_with_all(hashes: Hashes, queries: Hashes, radius: int) -> set[tuple[int, int]]:
    """The same, by counting the bits of every pair."""
    pairs: set[tuple[int, int]] = set()
    for number, query in enumerate(queries):
        near = np.flatnonzero(np.bitwise_count(hashes ^ query) <= radius)
        pairs.update((number, place) for place in near.tolist())
    return pairs


def search(training: int, tests: int, radius: int) -> None:
    """Print the time of a search, and that of comparing all."""
    many, few = make_hashes(training, tests, radius)
    began = time.process_time()
    index = NearIndex(many, radius)
    built = time.process_time() - began
    pairs = found(index, few)
    ours = time.process_time() - began
    part = few[: max(1, tests // 100)]
    began = time.process_time()
    slow = all_with_all(many, part, radius)
    theirs = (time.process_time() - began) * tests / len(part)
    assert slow == {pair for pair in pairs if pair[0] < len(part)}, "a pair was missed"  # noqa: S101
    print(
        f"{training:,} hashes, {tests:,} queries, radius {radius}: {ours:.1f} CPU s (of which "
        f"index {built:.1f}), {len(pairs):,} pairs; all with all {theirs:.0f} CPU s "
        f"(extrapolated), {theirs / ours:.0f} x; peak memory {peak():.0f} MB",
        flush=True,
    )


def peak() -> float:
    """Megabytes this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def hashing(count: int) -> None:
    """Print how long decoding and sketching take."""
    with TemporaryDirectory() as folder:
        files = [path.read_bytes() for path in draw_jpegs(Path(folder) / "pictures", count)]
    began = time.process_time()
    images: list[Image.Image] = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    decoding = time.process_time() - began
    del images
    began = time.process_time()
    for data in files:
        sketch(decode(data, ("JPEG",), "drawn"))
    both = time.process_time() - began
    print(
        f"{count:,} JPEGs of 256 x 256, {len(WINDOWS)} hashes each: {count / both:,.0f} pictures/s "
        f"on one core ({both / count * 1e6:.0f} us; decoding alone {decoding / count * 1e6:.0f} us)"
    )


def main() -> None:
    """The plain search, the audit's own two (every window), and the rate of hashing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=int, default=500_000)
    parser.add_argument("--tests", type=int, default=60_000)
    parser.add_argument("--radius", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--windows", action="store_true", help="also with every window's hash")
    args = parser.parse_args()
    search(args.training, args.tests, args.radius)
    if args.windows:
        search(args.training, args.tests * len(WINDOWS), args.radius)
        search(args.tests, args.training * len(WINDOWS), args.radius)
    hashing(args.pictures)


if __name__ == "__main__":
    main()
