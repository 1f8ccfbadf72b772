"""Peak memory of `harness eval --engine vllm` at two sizes.

    python benchmarks/memory.py [--small 2000] [--large 10000] [--engine-arg K=V]

A tiny Qwen2-VL, pictures of 96 x 96, Food101's long prompt, and a KV cache of 1 GiB, so that every
cache that is bounded is full at both sizes. On a CPU the KV cache counts as it is first touched.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from _measure import run
from _rows import write_food101


def main() -> None:
    """Make the rows once, then measure a process at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2_000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--engine-arg", action="append", default=[])
    args = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", VLLM_CPU_KVCACHE_SPACE="1", HF_HUB_OFFLINE="1")
    with tempfile.TemporaryDirectory() as name:
        from harness.demo import make_models

        folder = Path(name)
        write_food101(folder / "rows", args.large, side=96)
        model = make_models(folder / "models", only=("qwen2_vl",))["qwen2_vl"]
        command = [
            sys.executable, "-m", "harness", "eval", "--model", str(model), "--engine", "vllm",
            "--tasks", "food101", "--data", str(folder / "rows"), "--max-new-tokens", "4",
            "--out", str(folder / "runs"), "--fresh",
        ]  # fmt: skip
        for setting in args.engine_arg:
            command += ["--engine-arg", setting]
        peaks = []
        for rows in (args.small, args.large):
            cost = run([*command, "--limit", str(rows)], cwd=folder)
            peaks.append(cost.peak_mb)
            print(f"{rows:,} rows: peak {cost.peak_mb:.0f} MB, {cost.wall:.0f} s", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}; aim at most 1.10")


if __name__ == "__main__":
    main()
