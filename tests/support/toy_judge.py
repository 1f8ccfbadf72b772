"""Triplets about drawn scans whose truth is known, and a small language model that judges them."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from synth._judging import prompt
from tasks.sample import scan as world
from tasks.sample.scan import Aspect, Scan

ASPECTS: tuple[Aspect, ...] = ("modality", "lesions", "shadow")
_QUESTIONS = {
    "modality": "What kind of scan is this?",
    "lesions": "How many lesions are there?",
    "shadow": "Which side is the shadow on?",
}
_STATEMENTS = {
    "modality": ("The background has the look of {value}.", "It was taken by {value}."),
    "lesions": ("One counts {value} round spots.", "There are {value} bright spots in the grid."),
    "shadow": ("A dark band runs along the {value} edge.", "The {value} edge lies in the dark."),
}
_PRECISION = {"modality": "{value}", "lesions": "{value} lesions", "shadow": "the {value} side"}
_RIGHT = 0.6
"""Chance of each answer to name the scan's own value, on its own."""
_SILENT = 0.15
"""Chance of an explanation that is about other things."""


_RATE = 1.5e-3
_EVERY = 5
"""Of so many steps, one shows what stands before a case."""
_MOST, _LAST = 500, 12
"""Steps at most; steps of falling rate at the end."""
_LEARNT = 0.05
"""Mean loss of four whole steps at which the end begins."""
_SMALL = 0.3
"""Loss below which the rate falls with it: kept up, the loss leaps again, by the kind of processor
before or after what is to be learnt."""
_BATCH = 128
"""With 32, two of four seeds did not learn to compare."""


class Told(NamedTuple):
    """A triplet's words, and what is true of it."""

    instruction: str
    informative: str
    precise: str
    right: bool
    """Whether the precise answer is the drawn scan's."""
    verdict: str
    """What a faultless judge says."""


def told(scan: Scan, rng: Random) -> Told:
    """A question about a scan with two answers, each right or wrong by itself."""
    aspect = rng.choice(ASPECTS)
    truth = world.value(scan, aspect)

    def named() -> str:
        wrong = [value for value in world.values(aspect) if value != truth]
        return truth if rng.random() < _RIGHT else rng.choice(wrong)

    reasoned, short = named(), named()
    silent = rng.random() < _SILENT
    said = {other: world.value(scan, other) for other in ASPECTS} | {aspect: reasoned}
    about = rng.choice([a for a in ASPECTS if a != aspect]) if silent else aspect
    informative = rng.choice(_STATEMENTS[about]).format(value=said[about])
    verdict = "Open" if silent else ("Yes" if reasoned == short else "No")
    precise = _PRECISION[aspect].format(value=short)
    return Told(_QUESTIONS[aspect], informative, precise, short == truth, verdict)


def make_judge(folder: Path, seed: int = 0) -> float:
    """Train a two-layer Llama on the filter's own prompt and save it; gives CPU seconds.

    Attention sees distances only, and what stands before a case is the same for all cases: so
    most steps leave it out, and the others read it once for their whole batch.
    """
    import torch
    import transformers as hf

    from harness.demo.world._tokenizer import make_tokenizer, vocabulary

    began = time.process_time()
    rng = Random(f"judge {seed}")
    cases = [told(world.random_scan(rng), rng) for _ in range(8_000)]
    head = prompt("base", "Q", "E", "P")[0].text
    head = head[: head.rindex("Question:")]
    texts = [_text(case)[len(head) :] for case in cases]
    tokenizer = make_tokenizer(vocabulary([head, *texts, "Yes No Open"]))
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, initializer_range=0.08,
        pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = hf.LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, betas=(0.9, 0.98))
    prefix = torch.tensor([tokenizer(head, add_special_tokens=False).input_ids])
    rows = tokenizer(texts, add_special_tokens=False).input_ids
    verdicts = tokenizer([c.verdict for c in cases], add_special_tokens=False).input_ids
    losses: list[float] = []
    last = 0
    while last < _LAST:
        step, recent = len(losses), losses[::_EVERY][-4:]
        mean = sum(recent) / len(recent) if recent else 1.0
        last += bool(last or (step >= 4 * _EVERY and mean < _LEARNT) or step >= _MOST)
        slower = min(1.0, max(mean / _SMALL, 0.1)) * (1 - last / (_LAST + 1))
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 20) * slower
        chosen = rng.sample(range(len(rows)), _BATCH)
        batch = [rows[n] for n in chosen], [verdicts[n][0] for n in chosen]
        loss = _loss(model, prefix if last or step % _EVERY == 0 else None, *batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return time.process_time() - began


def _text(case: Told) -> str:
    return prompt("base", case.instruction, case.informative, case.precise)[0].text


def _loss(model: Any, prefix: Any, rows: list[list[int]], verdicts: list[int]) -> Any:
    import torch

    before = 0 if prefix is None else prefix.shape[1]
    read = None
    if prefix is not None:
        with torch.no_grad():
            read = model.model(prefix, use_cache=True).past_key_values
        read.batch_repeat_interleave(len(rows))
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    places = torch.arange(before, before + longest)[None].expand(len(rows), -1)
    hidden = model.model(
        ids, past_key_values=read, position_ids=places, use_cache=read is not None
    ).last_hidden_state
    last = hidden[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
    return torch.nn.functional.cross_entropy(model.lm_head(last), torch.tensor(verdicts))
