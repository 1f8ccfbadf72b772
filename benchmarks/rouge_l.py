"""Scoring recipes under both protocols: ours against the packages `rouge` and `rouge-score`.

    python benchmarks/rouge_l.py [--pairs 1000] [--rounds 3]

Both score the same pairs in turn in one process; the ratio is of CPU seconds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

from rouge import Rouge
from rouge_score.rouge_scorer import RougeScorer

from tasks.scorers import rouge_l_sentence, rouge_l_summary

Pairs = Sequence[tuple[str, str]]


def make_pairs(count: int) -> Pairs:
    """Label and answer of a recipe's size: about 20 sentences, 250 words, a shared vocabulary."""
    pick = random.Random(0)
    words = [f"w{number}" for number in range(400)]
    weights = [1 / (rank + 3) for rank in range(400)]

    def text() -> str:
        lengths = [pick.randint(4, 22) for _ in range(20)]
        return ". ".join(" ".join(pick.choices(words, weights, k=k)) for k in lengths) + "."

    return [(text(), text()) for _ in range(count)]


def ours(pairs: Pairs) -> tuple[list[float], list[float]]:
    """Both protocols by the project's own code."""
    return (
        [rouge_l_summary(label, text).f for label, text in pairs],
        [rouge_l_sentence(label, text) for label, text in pairs],
    )


def packages(pairs: Pairs) -> tuple[list[float], list[float]]:
    """Both protocols by the two packages."""
    summary = Rouge(metrics=["rouge-l"])
    sentence = RougeScorer(["rougeL"], use_stemmer=False)
    return (
        [summary.get_scores(text, label)[0]["rouge-l"]["f"] for label, text in pairs],
        [sentence.score(label, text)["rougeL"].fmeasure for label, text in pairs],
    )


def timed(function: Callable[[Pairs], object], pairs: Pairs) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    function(pairs)
    return time.process_time() - began


def main() -> None:
    """Check that both agree, then measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    pairs = make_pairs(args.pairs)
    few = pairs[:20]
    for mine, theirs in zip(ours(few), packages(few), strict=True):
        worst = max(abs(a - b) for a, b in zip(mine, theirs, strict=True))
        print(f"largest difference on {len(few)} pairs: {worst:.1e}")
    seen = []
    for _ in range(args.rounds):
        slow = timed(packages, pairs)
        # Other pairs' segments must not lie in our caches from the round before.
        rouge_l_summary.__globals__["_segments"].cache_clear()
        rouge_l_sentence.__globals__["_tokens"].cache_clear()
        fast = timed(ours, pairs)
        seen.append(slow / fast)
        print(
            f"packages {slow:.2f} CPU s, ours {fast:.2f} CPU s, ratio {slow / fast:.1f}", flush=True
        )
    print(f"median ratio over {args.pairs:,} pairs: {statistics.median(seen):.1f}")


if __name__ == "__main__":
    main()
