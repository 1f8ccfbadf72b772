"""Our vLLM engine beside `LLM.generate` and beside lmms-eval's, at a pretended GPU's pace.

    python benchmarks/engine.py [--quick] [--only generate,multiprocess,lmms,encodes]

One tiny Qwen2-VL in real vLLM, its steps padded by sleep (`_paced.py`). Each part has a process of
its own, in which both sides use the same loaded engine in turn, its caches emptied in between.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from _measure import run_part
from _side_by_side import FULL_ANSWERS, Bench, Stretch, read_requests

PARTS = ("generate", "multiprocess", "lmms", "encodes")
_LMMS_BATCHES = (1, 512)


def compare(name: str, pairs: list[tuple[Stretch, Stretch]], aim: float) -> None:
    """Print every turn and the ratio of the rates."""
    for ours, theirs in pairs:
        print(f"  ours   {ours}\n  theirs {theirs}")
    values = sorted(ours.rate / theirs.rate for ours, theirs in pairs)
    median = statistics.median(values)
    print(f"{name}: {median:.2f} x ({values[0]:.2f} to {values[-1]:.2f}); aim {aim} x", flush=True)


def part_generate(folder: Path, quick: bool, *, multiprocessing: bool = False) -> None:
    """Our engine over `LLM.generate`; equal texts."""
    rows, turns = (256, 1) if quick else (512, 3)
    data = draw(folder, rows, rows)
    bench = Bench(folder, multiprocessing=multiprocessing)
    requests = read_requests(data)
    theirs = bench.generate(requests)
    bench.generate(requests[:32])()
    pairs = []
    for _ in range(turns):
        ours, mine = bench.turn(rows, lambda: bench.ours(requests))
        other, texts = bench.turn(rows, theirs)
        unequal = sum(mine[row_id] != text for row_id, text in texts.items())
        if unequal or len(mine) != rows:
            raise RuntimeError(f"{unequal} of {rows} texts differ")
        pairs.append((ours, other))
    where = "core in its own process" if multiprocessing else "in process"
    compare(f"over LLM.generate, {where}", pairs, 0.97 if multiprocessing else 1.0)
    print(f"texts equal on all {rows} rows, {len(set(mine.values()))} different ones", flush=True)
    bench.close()


def part_multiprocess(folder: Path, quick: bool) -> None:
    """The same with vLLM's core in a process of its own."""
    part_generate(folder, quick, multiprocessing=True)


def part_lmms(folder: Path, quick: bool) -> None:
    """`harness eval` from files over lmms-eval's vLLM model on the same files."""
    rows, turns = (512, 1) if quick else (1024, 2)
    data = draw(folder, rows, rows)
    bench = Bench(folder)
    few = {1: 32 if quick else 64, 512: rows}
    sides = {batch: bench.lmms(data, batch, few[batch]) for batch in _LMMS_BATCHES}
    sides[1]()
    pairs: dict[int, list[tuple[Stretch, Stretch]]] = {batch: [] for batch in sides}
    for _ in range(turns):
        ours, _ = bench.turn(rows, lambda: bench.evaluate(data))
        for batch, work in sides.items():
            pairs[batch].append((ours, bench.turn(few[batch], work)[0]))
    compare("over lmms-eval, its default batch of 1", pairs[1], 8)
    compare("over lmms-eval, batch 512", pairs[512], 1.3)
    bench.close()


def part_encodes(folder: Path, quick: bool) -> None:
    """1,100 questions about 100 pictures, scattered; small KV and picture caches."""
    rows, pictures = (330, 30) if quick else (1100, 100)
    data = draw(folder, rows, pictures)
    bench = Bench(folder, only_blocks=32, max_num_batched_tokens=1024, mm_processor_cache_gb=0.02)
    theirs = bench.generate(read_requests(data))
    ours, _ = bench.turn(rows, lambda: bench.evaluate(data))
    other, _ = bench.turn(rows, theirs)
    compare("harness eval over LLM.generate in the file's order", [(ours, other)], 1.0)
    print(f"encodes of {pictures} pictures: ours {ours.encodes}, generate {other.encodes}")
    bench.close()


def draw(folder: Path, rows: int, pictures: int) -> Path:
    """Rows on disk."""
    from _rows import write_questions

    write_questions(folder / "rows", rows, pictures)
    return folder / "rows"


def main() -> None:
    """Run each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, one pair")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument(
        "--short", action="store_true", help="answers end by themselves, after about 4 tokens"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        with tempfile.TemporaryDirectory() as name:
            globals()[f"part_{args.part}"](Path(name), args.quick)
        return
    for part in args.only.split(","):
        run_part(__file__, part, args.quick, {FULL_ANSWERS: "" if args.short else "1"})


if __name__ == "__main__":
    main()
