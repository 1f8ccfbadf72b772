"""Train the demo's base model and its judge from nothing, and write them as checkpoints.

    python -m harness.demo.pretrain FOLDER [--only base|judge] [--steps N]

Takes some 25 minutes of one CPU core. What it wrote once is shipped in
`harness/demo/checkpoints`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from harness.demo.pretrain._cases import Document, document
from harness.demo.pretrain._lessons import base_lesson, repeat
from harness.demo.pretrain._loop import Encoded, Plan, encode, train
from harness.demo.pretrain._models import llama, qwen2_vl
from harness.demo.pretrain._vocabulary import known_words
from harness.demo.world._tokenizer import make_tokenizer
from tasks.sample._rng import seeded

COPYING = Plan(steps=600, batch=32, lr=4e-3, lr_vision=1e-3)
BASE = Plan(steps=4000, batch=32, lr=2e-3, lr_vision=1e-3)
JUDGE = Plan(steps=1500, batch=64, lr=2e-3, lr_vision=2e-3)
_LESSONS = 30_000
_DOCUMENTS = 40_000
_BARE = 0.85


def make_base(folder: Path, plan: Plan = BASE) -> None:
    """Teach the base model to copy, then all its lessons; write its checkpoint in 16 bits.

    Args:
        folder: Where to.
        plan: Steps and rates.
    """
    import torch

    known = known_words()
    tokenizer = make_tokenizer(known)
    torch.manual_seed(plan.seed)
    model, processor = qwen2_vl(tokenizer)
    rng = seeded("demo", "base", plan.seed)
    words = [word for word in known if word.isalpha()]
    copying = COPYING._replace(steps=min(COPYING.steps, plan.steps))
    for make, stage in ((repeat, copying), (base_lesson, plan)):
        lessons = [encode(make(rng, words), processor) for _ in range(_LESSONS)]
        train(model, lessons, tokenizer, stage, _say, every=100)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)


def make_judge(folder: Path, plan: Plan = JUDGE) -> None:
    """Train the judge on cases in the consistency filter's own prompt; write it in 16 bits.

    Args:
        folder: Where to.
        plan: Steps and rates.
    """
    import torch

    # As for the vocabulary: run in a checkout only.
    from synth._judging import prompt

    def text(question: str, informative: str, precise: str) -> str:
        return prompt("base", question, informative, precise)[0].text

    tokenizer = make_tokenizer(known_words())
    torch.manual_seed(plan.seed)
    model = llama(tokenizer)
    rng = seeded("demo", "judge", plan.seed)
    documents = [document(text, rng, bare=rng.random() < _BARE) for _ in range(_DOCUMENTS)]
    train(model, [_encoded(d, tokenizer) for d in documents], tokenizer, plan, _say, every=100)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _encoded(written: Document, tokenizer: Any) -> Encoded:
    """Only the verdicts are learnt."""
    found = tokenizer(written.text, add_special_tokens=False, return_offsets_mapping=True)
    ids = found["input_ids"]
    labels = [
        token if begin == written.verdict else -100
        for token, (begin, _) in zip(ids, found["offset_mapping"], strict=True)
    ]
    return Encoded(ids, labels, None)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Read the command line."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m harness.demo.pretrain", description=__doc__)
    parser.add_argument("folder", type=Path, help="gets base/ and judge/")
    parser.add_argument("--only", choices=("base", "judge"))
    parser.add_argument("--steps", type=int, help="fewer for a try")
    asked = parser.parse_args()
    # With more, models as small as these are several times slower.
    torch.set_num_threads(1)
    for name, make, plan in (("base", make_base, BASE), ("judge", make_judge, JUDGE)):
        if asked.only in (None, name):
            make(asked.folder / name, plan._replace(steps=asked.steps or plan.steps))


if __name__ == "__main__":
    main()
