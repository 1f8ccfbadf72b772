"""One paced engine, and the sides that take turns on it."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

NEW_TOKENS = 16
FULL_ANSWERS = "PACED_FULL_ANSWERS"
"""Environment variable: every answer has NEW_TOKENS tokens, as if none ended by itself."""
_PIXELS = (56 * 56, 256 * 256)


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
        if os.environ.get(FULL_ANSWERS):
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
