"""Synthesis beside the engine's own rate, and the filter with and without prefix reuse.

    python benchmarks/synthesis.py [--quick] [--only generate,filter] [--slower 4]

Real vLLM at a pretended GPU's pace (`_paced.py`): a step costs 8 ms and 0.1 ms a token that is
computed; a token whose keys and values are known already costs nothing. Sides take turns in one
process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from _measure import run_part
from _side_by_side import FULL_ANSWERS, NEW_TOKENS, Bench

PARTS = ("generate", "filter")
_TEXT = """
the picture shows a small dark round region near left upper border of this organ with bright
rim and soft edge which lies below two larger pale areas so it is most likely fluid in wall
"""


def compare(name: str, ratios: list[float]) -> None:
    """Print the median and the range of some ratios."""
    values = sorted(ratios)
    median = statistics.median(values)
    print(f"{name}: {median:.2f} x ({values[0]:.2f} to {values[-1]:.2f})", flush=True)


def part_generate(folder: Path, quick: bool) -> None:
    """`generate` from pairs on disk to triplets, over `LLM.generate` on its ready prompts."""
    from harness.recipes import SynthRecipe
    from synth.generating import plan_generator
    from synth.pairs import open_pairs

    rows, turns = (256, 1) if quick else (512, 3)
    pairs = open_pairs(str(write_pairs(folder, rows)), None, None)
    bench = Bench(folder, max_model_len=4096)
    args = {name: str(value) for name, value in bench.settings.items()}
    model = {"model": str(bench.model), "engine": "vllm", "engine_args": args}
    recipe = SynthRecipe(
        pairs="",
        generator="synthesizer",
        synthesizer=model,
        sampling={"max_new_tokens": NEW_TOKENS},
    )
    plan = plan_generator(recipe)
    theirs = ready(bench, recipe, plan, pairs)
    synthesize(folder / "warm", recipe, plan, pairs)
    ratios = []
    for turn in range(turns):
        ours, _ = bench.turn(
            rows, lambda turn=turn: synthesize(folder / f"turn{turn}", recipe, plan, pairs)
        )
        other, _ = bench.turn(rows, theirs)
        print(f"  ours   {ours}\n  theirs {other}")
        ratios.append(ours.rate / other.rate)
    compare("synthesis over LLM.generate on its prompts", ratios)
    bench.close()


def synthesize(folder: Path, recipe: Any, plan: Any, pairs: Any) -> None:
    """The stage: reads pictures, asks, keeps a journal, writes triplets and rejects."""
    from harness.stages import Stage
    from synth.generating import generate

    stage = Stage(folder, "generate", {}, {})
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        found = generate(pairs, recipe, stage, plan, root=pairs.root, total=pairs.count())
    if found.counts.rejects.get("failed"):
        raise RuntimeError(f"rows failed: {found.counts}")


def ready(bench: Bench, recipe: Any, plan: Any, pairs: Any) -> Any:
    """`LLM.generate` on the same decoded pictures, its prompts rendered beforehand."""
    from harness import images
    from harness.engines._vllm import _sampling_params
    from harness.requests import Request
    from synth._types import FORMATS
    from synth.generating import _sampling
    from synth.generators import make_generator

    generator = make_generator(recipe)
    sampling = _sampling(generator, recipe)
    prompts, params = [], []
    for pair in pairs:
        ask = generator.ask(pair)
        picture = images.load(pair.image, FORMATS)
        prompt = bench.engine._chat.render(ask.messages, ask.form)
        prompts.append({"prompt": prompt, "multi_modal_data": {"image": [picture.image]}})
        request = Request("", pair.id, ask.messages, sampling, (picture,), form=ask.form)
        params.append(_sampling_params(request, bench.engine._text_ends))
    return lambda: bench.llm.generate(prompts, params, use_tqdm=False)


def write_pairs(folder: Path, count: int) -> Path:
    """Pictures of 256 x 256 with captions of 60 words."""
    from _rows import draw_jpegs

    pick = random.Random(0)
    paths = draw_jpegs(folder / "pairs" / "images", count)
    with (folder / "pairs" / "pairs.jsonl").open("w") as lines:
        for number, path in enumerate(paths):
            row = {"id": str(number), "image": f"images/{path.name}", "caption": text(pick, 60)}
            lines.write(json.dumps(row) + "\n")
    return folder / "pairs" / "pairs.jsonl"


def text(pick: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(pick.choices(_TEXT.split(), k=words)) + "."


class Side(NamedTuple):
    """A filter's judge, its engine loaded and left running."""

    judge: Any
    engine: Any


def part_filter(folder: Path, quick: bool) -> None:
    """The filter with `enable_prefix_caching` true over false."""
    import functools

    import vllm

    rows, turns = (128, 1) if quick else (384, 3)
    triplets = write_triplets(folder / "triplets.jsonl", rows)
    model = base_model(folder / "base", triplets)
    vllm.LLM = functools.partial(
        vllm.LLM, worker_extension_cls="_paced.Paced", num_gpu_blocks_override=2048
    )
    sides = {reuse: _side(model, reuse) for reuse in (True, False)}
    run_filter(folder / "warm", sides[True], triplets)
    ratios = []
    for turn in range(turns):
        rates = {}
        for reuse, side in sorted(sides.items(), reverse=turn % 2 == 0):
            side.engine._llm.reset_prefix_cache()
            before, began = counts(side), time.perf_counter()
            prompt_tokens = run_filter(folder / f"{turn}{reuse}", side, triplets)
            seconds = time.perf_counter() - began
            spent = [b - a for a, b in zip(before, counts(side), strict=True)]
            rates[reuse] = rows / seconds
            print(
                f"  reuse {reuse!s:5} {rates[reuse]:6.1f} rows/s, {prompt_tokens / rows:.0f} "
                f"prompt tokens a row, {spent[1] / rows:.0f} tokens computed a row, engine busy "
                f"{spent[3] / seconds:.2f}, {spent[5]:.0f} of {spent[0]:.0f} steps late",
                flush=True,
            )
        ratios.append(rates[True] / rates[False])
    compare("filter with prefix reuse over without", ratios)


def _side(model: Path, reuse: bool) -> Side:
    from harness.engines._vllm import VllmPlan
    from harness.recipes import FilterRecipe
    from synth.filtering import open_judge

    args = {"enable_prefix_caching": str(reuse).lower(), "max_model_len": "2048",
            "gpu_memory_utilization": "0.3"}  # fmt: skip
    judge = open_judge(FilterRecipe(model=str(model), engine="vllm", engine_args=args))
    if judge.style != "base" or not isinstance(judge.plan, VllmPlan):
        raise RuntimeError("the benchmark is about a base model through vLLM")
    engine = judge.plan.start()
    engine.close = lambda: None
    return Side(judge, engine)


def counts(side: Side) -> list[float]:
    """The pace's counts; both engines share them, and only one works at a time."""
    return list(side.engine._llm.collective_rpc("paced_counts")[0])


def run_filter(folder: Path, side: Side, triplets: Path) -> int:
    """The filter as the stage runs it; gives the prompts' tokens."""
    from harness.engines._vllm import VllmPlan
    from synth.filtering import filter_triplets

    VllmPlan.start = lambda _: side.engine
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        found = filter_triplets(side.judge, triplets, folder, folder / "answers.jsonl")
    if found.counts.rejects.get("failed"):
        raise RuntimeError(f"rows failed: {found.counts}")
    return found.prompt_tokens


def write_triplets(path: Path, count: int) -> Path:
    """Questions of 10 words, explanations of 60, answers of 3."""
    pick = random.Random(1)
    with path.open("w") as lines:
        for number in range(count):
            words = {"instruction": 10, "informative": 60, "precise": 3}
            row = {"id": str(number), "index": number}
            row |= {name: f"{text(pick, length)}" for name, length in words.items()}
            lines.write(json.dumps(row) + "\n")
    return path


def base_model(folder: Path, triplets: Path) -> Path:
    """A random two-layer Llama without a chat template, a token a word as large models have."""
    import torch
    import transformers as hf

    from harness.demo.world._tokenizer import make_tokenizer, vocabulary
    from synth._judging import prompt

    tokenizer = make_tokenizer(
        vocabulary([prompt("base", "", "", "")[0].text, triplets.read_text(), "Yes No Open"])
    )
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    shutil.rmtree(folder, ignore_errors=True)
    hf.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    """Run each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, one pair of turns")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument(
        "--slower", default="1", help="so many times slower a GPU, where the cores are shared"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        with tempfile.TemporaryDirectory() as name:
            globals()[f"part_{args.part}"](Path(name), args.quick)
        return
    for part in args.only.split(","):
        full = "1" if part == "generate" else ""
        run_part(__file__, part, args.quick, {FULL_ANSWERS: full, "PACED_SLOWER": args.slower})


if __name__ == "__main__":
    main()
