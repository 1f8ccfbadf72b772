"""How long the command takes to answer: `--help` and `tasks ls` beside Python itself.

python benchmarks/startup.py [--rounds 10]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from _measure import run


def main() -> None:
    """Run each command in turn and print medians of wall and CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    harness = str(Path(sys.executable).with_name("harness"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "harness --help": [harness, "--help"],
        "harness tasks ls": [harness, "tasks", "ls"],
        "harness eval --help": [harness, "eval", "--help"],
        "harness tasks show slake": [harness, "tasks", "show", "slake"],
    }
    costs = {name: [run(command)] for name, command in commands.items()}
    for seen in costs.values():
        seen.clear()  # the first run reads files from the disk
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(run(command))
    for name, seen in costs.items():
        wall = statistics.median(cost.wall for cost in seen)
        cpu = statistics.median(cost.cpu for cost in seen)
        print(f"{name:<26} {wall:.3f} s wall, {cpu:.3f} s CPU (median of {rounds})")


if __name__ == "__main__":
    main()
