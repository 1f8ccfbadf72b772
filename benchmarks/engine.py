"""Our vLLM engine beside `LLM.generate` and beside lmms-eval's, at a pretended GPU's pace.

    python benchmarks/engine.py [--quick] [--only generate,multiprocess,lmms,encodes]

One tiny Qwen2-VL in real vLLM, its steps padded by sleep (`_paced.py`). Each part has a process of
its own, in which both sides use the same loaded engine in turn, its caches emptied in between.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

PARTS = ("generate", "multiprocess", "lmms", "encodes")
NEW_TOKENS = 16
_PIXELS = (56 * 56, 256 * 256)
_LMMS_BATCHES = (1, 512)
_FULL = "PACED_FULL_ANSWERS"


class Stretch(NamedTuple):
    """One side's turn."""

    rows: int
    seconds: float
    busy: float
    """Share of the time in which the model's step ran."""
    own_cpu: float
    """CPU seconds outside the model's step; all of the asking process where it runs elsewhere."""
    encodes: int
    steps: int
    late: int

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    def __str__(self) -> str:
        late = f", {self.late} of {self.steps} steps slower than the pace" if self.late else ""
        return (
            f"{self.rate:6.1f} rows/s, engine busy {self.busy:.2f}, "
            f"{self.own_cpu / self.rows * 1e3:.1f} CPU-ms a row outside the model, "
            f"{self.encodes} encodes{late}"
        )


class Bench:
    """One paced engine and the rows it is asked."""

    def __init__(self, folder: Path, *, only_blocks: int | None = None, **settings: Any) -> None:
        import vllm

        from harness.demo import make_models
        from harness.engines._vllm import VllmPlan, VllmSettings
        from harness.models import open_checkpoint

        self.model = make_models(folder / "models", only=("qwen2_vl",))["qwen2_vl"]
        self.settings = {"min_pixels": _PIXELS[0], "max_pixels": _PIXELS[1], **settings}
        self.settings.setdefault("max_model_len", 2048)
        self.elsewhere = bool(settings.get("multiprocessing"))
        more = {} if only_blocks is None else {"num_gpu_blocks_override": only_blocks}
        vllm.LLM = functools.partial(vllm.LLM, worker_extension_cls="_paced.Paced", **more)
        if os.environ.get(_FULL):
            # Everyone's `from vllm import SamplingParams`, lmms-eval's included.
            vllm.SamplingParams = functools.partial(vllm.SamplingParams, ignore_eos=True)
        self.engine = VllmPlan(
            open_checkpoint(str(self.model)), VllmSettings(**self.settings)
        ).start()
        self.llm = self.engine._llm
        # `harness eval` shall use this engine and leave it running.
        VllmPlan.start = lambda _: self.engine
        self._close, self.engine.close = self.engine.close, lambda: None

    def close(self) -> None:
        """Shut the engine down."""
        self._close()

    def turn(self, rows: int, work: Callable[[], Any]) -> tuple[Stretch, Any]:
        """Time one side with empty caches."""
        self.llm.reset_prefix_cache()
        self.llm.llm_engine.reset_mm_cache()
        self.llm.llm_engine.reset_encoder_cache()
        before, cpu, began = self._counts(), time.process_time(), time.perf_counter()
        result = work()
        seconds = time.perf_counter() - began
        cpu = time.process_time() - cpu
        spent = type(before)(*(b - a for a, b in zip(before, self._counts(), strict=True)))
        own = cpu if self.elsewhere else cpu - spent.cpu
        busy = spent.busy / seconds
        return Stretch(rows, seconds, busy, own, spent.encodes, spent.steps, spent.late), result

    def _counts(self) -> Any:
        from _paced import Counts

        return Counts(*self.llm.collective_rpc("paced_counts")[0])

    def ours(self, requests: list[Any]) -> dict[str, str | None]:
        """Our engine on ready requests: text by row id."""
        return {r.request.row_id: r.text for r in self.engine.generate(iter(requests))}

    def generate(self, requests: list[Any]) -> Callable[[], dict[str, str]]:
        """`LLM.generate` on the same decoded pictures, its prompts rendered beforehand."""
        from harness.engines._vllm import _sampling_params

        prompts = [
            {
                "prompt": self.engine._chat.render(request.messages),
                "multi_modal_data": {"image": [picture.image for picture in request.images]},
            }
            for request in requests
        ]
        sampling = [_sampling_params(request.sampling) for request in requests]

        def work() -> dict[str, str]:
            outputs = self.llm.generate(prompts, sampling, use_tqdm=False)
            return {r.row_id: o.outputs[0].text for r, o in zip(requests, outputs, strict=True)}

        return work

    def evaluate(self, data: Path) -> None:
        """`harness eval --engine vllm` from rows on disk to results.json."""
        from harness.evaluate import EvalOptions, evaluate

        options = EvalOptions(
            model=str(self.model), tasks=("slake",), engine="vllm", data=str(data), fresh=True,
            engine_args={k: str(v) for k, v in self.settings.items()},
            max_new_tokens=NEW_TOKENS, out=data / "runs",
        )  # fmt: skip
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            outcome = evaluate(options)
        if outcome.exit_code:
            raise RuntimeError(f"the evaluation ended with {outcome.exit_code}")

    def lmms(self, data: Path, batch: int, rows: int) -> Callable[[], list[str]]:
        """lmms-eval's own model class on the same rows, on this engine."""
        import json
        from importlib import import_module

        from lmms_eval.api.instance import Instance
        from lmms_eval.models import get_model
        from PIL import Image

        for kind in ("simple", "chat"):
            import_module(f"lmms_eval.models.{kind}.vllm").LLM = lambda **_: self.llm
        model = get_model("vllm")(
            model=str(self.model), max_new_tokens=NEW_TOKENS, disable_log_stats=True,
            **({} if batch == 1 else {"batch_size": batch}),
        )  # fmt: skip
        with (data / "slake" / "test.jsonl").open() as lines:
            docs = [json.loads(line) for line, _ in zip(lines, range(rows), strict=False)]
        model.task_dict["rows"] = {"test": docs}

        def messages(doc: dict[str, str]) -> list[dict[str, Any]]:
            image = Image.open(data / "slake" / doc["image"]).convert("RGB")
            shown = {"type": "image", "url": image}
            return [{"role": "user", "content": [shown, {"type": "text", "text": doc["input"]}]}]

        settings = {"max_new_tokens": NEW_TOKENS, "temperature": 0}
        asked = [
            Instance(
                "generate_until",
                (doc["input"], messages, settings, n, "rows", "test"),
                n,
                {"task": "rows", "doc_id": n, "repeats": 1},
            )
            for n, doc in enumerate(docs)
        ]
        return lambda: [result.text for result in model.generate_until(asked)]


def read_requests(data: Path) -> list[Any]:
    """The rows as ready requests with decoded pictures, in the file's order."""
    from harness import images
    from harness.requests import Message, Request, Sampling
    from tasks import resolve
    from tasks.sources import open_source

    (task,) = resolve(("slake",))
    made = []
    for row in open_source(task, str(data)).read(task.scorer):
        shown = images.load(row.images[0], task.image_formats)
        message = Message("user", row.prompt, 1)
        made.append(Request(row.id, row.id, (message,), Sampling(NEW_TOKENS), (shown,)))
    return made


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
        began = time.perf_counter()
        print(f"== {part}", flush=True)
        done = subprocess.run(
            [sys.executable, __file__, "--part", part, *(["--quick"] if args.quick else [])],
            check=False, stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1",
                "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR",
                _FULL: "" if args.short else "1", "PYTHONPATH": str(Path(__file__).parent),
            },
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr[-4000:])
        print(f"== {part}: {time.perf_counter() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
