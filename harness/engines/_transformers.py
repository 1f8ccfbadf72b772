"""Generation with Hugging Face transformers: any AutoModelForImageTextToText, CPU or GPU."""

from __future__ import annotations

import copy
import itertools
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from harness.engines._ahead import Ahead
from harness.engines._batches import WINDOW, Asked, Batch, Preparer
from harness.engines._chat import TEMPLATE_DATE, text_ends
from harness.engines._checkpoint import CheckpointPlan, CheckpointSettings
from harness.engines._failures import is_out_of_memory, one_line, reason_of
from harness.errors import UserError
from harness.requests import Request, Response, Sampling

_LIKELIEST = 20
"""First tokens whose probability is told."""
_AHEAD = 1
"""Batches that lie ready; one more is in the preparing thread's hands."""


@dataclass(frozen=True)
class TransformersSettings(CheckpointSettings):
    """`--engine-arg` of the transformers engine."""

    batch_size: int = 16
    """Requests answered together; halved where memory runs out."""
    device_map: str = "auto"
    """`auto` spreads the layers over all GPUs; or `cpu`, `cuda:0`, ..."""
    attn_implementation: str | None = None
    """`sdpa`, `eager`, `flash_attention_2`; None is the model's default."""

    def __post_init__(self) -> None:
        """Check what can be checked without the model."""
        super().__post_init__()
        if self.batch_size < 1:
            raise ValueError("batch_size must be greater than 0")


@dataclass(frozen=True)
class TransformersPlan(CheckpointPlan):
    """A checkpoint to be loaded with transformers."""

    settings: TransformersSettings = field(default_factory=TransformersSettings)
    name: ClassVar[str] = "transformers"

    @property
    def on_gpu(self) -> bool:
        """A GPU is used unless the CPU is asked for."""
        return super().on_gpu and self.settings.device_map != "cpu"

    @property
    def identity(self) -> dict[str, Any]:
        """The kind of attention moves answers too."""
        return {**super().identity, "attn_implementation": self.settings.attn_implementation}

    @property
    def appetite(self) -> int:
        """A window that is sorted and cut into batches."""
        return self.settings.batch_size * WINDOW

    def start(self) -> TransformersEngine:
        """Load the checkpoint."""
        return TransformersEngine(self)


class _StopTexts:
    """Ends a row as soon as its answer holds a stop text.

    The `stop_strings` of transformers also match a text that begins in the prompt.
    """

    def __init__(self, tokenizer: Any, sampling: Sampling, start: int) -> None:
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._start = start
        # A token is at least a byte, a letter at most four.
        self._reach = 4 * max(map(len, sampling.stop)) + 16

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        texts = self._tokenizer.batch_decode(
            ids[:, max(self._start, ids.shape[1] - self._reach) :],
            skip_special_tokens=self._sampling.skip_special_tokens,
            clean_up_tokenization_spaces=False,
        )
        ended = [any(stop in text for stop in self._sampling.stop) for text in texts]
        return torch.tensor(ended, device=ids.device)


class TransformersEngine:
    """A loaded model and its processor.

    Raises:
        UserError: transformers cannot load the checkpoint.
    """

    streams = False

    def __init__(self, plan: TransformersPlan) -> None:
        self._plan = plan
        self._model, processor = _load(plan)
        self._preparer = Preparer(processor, plan.system)
        # Another than the preparer's: a tokenizer cannot pad in one thread and decode in another.
        self._tokenizer = copy.deepcopy(self._preparer.tokenizer)
        self._batch_size = plan.settings.batch_size
        self._stop_ids = _stop_ids(self._model, self._tokenizer)
        self._text_ends = frozenset(
            text_ends(plan.checkpoint.folder, self._tokenizer, self._preparer.chat)
        )
        _forget_generation_config(self._model)
        self._ahead: Ahead[Batch | Response] | None = None

    def describe(self) -> dict[str, Any]:
        """Versions, dtype, attention, context, picture bounds, the template's date."""
        import torch
        import transformers

        config = self._model.config
        date = TEMPLATE_DATE.date().isoformat() if self._preparer.prints_date else None
        return {
            "name": "transformers",
            "version": transformers.__version__,
            "torch": torch.__version__,
            "model_class": type(self._model).__name__,
            "device": str(self._model.device),
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "attn_implementation": getattr(config, "_attn_implementation", None),
            "max_model_len": self._plan.context,
            "pixels": list(self._plan.pixels) if self._plan.pixels else None,
            "system": self._plan.system,
            "template_date": date,
            "batch_size": self._plan.settings.batch_size,
            "gpus": len(self._devices),
        }

    @property
    def _devices(self) -> set[str]:
        """The GPUs that hold the model's layers."""
        placed = getattr(self._model, "hf_device_map", {"": self._model.device})
        names = {f"cuda:{d}" if isinstance(d, int) else str(d) for d in placed.values()}
        return {name for name in names if name.startswith("cuda")}

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer window by window, each sorted by length and cut into batches.

        While the model works on a batch, a thread pulls requests and prepares the next.
        """
        ahead = Ahead(
            lambda source: self._preparer.batches(source, lambda: self._batch_size),
            requests,
            _AHEAD,
            "prepare",
        )
        self._ahead = ahead
        try:
            for prepared in ahead:
                if isinstance(prepared, Response):
                    yield prepared
                else:
                    # Memory may have run out since a batch was cut.
                    for batch in prepared.parts(self._batch_size):
                        yield from self._answer(batch)
        finally:
            ahead.close()

    def _answer(self, batch: Batch) -> Iterator[Response]:
        """Answer a batch; one that fails is halved until the row that fails stands alone."""
        import torch

        try:
            responses = self._run(batch)
        except torch.AcceleratorError as error:
            # After it everything fails in this process: a row that is known to be the cause is
            # written down, and the run has to be begun again.
            if len(batch.rows) == 1:
                yield batch.rows[0].failed(reason_of(error))
            raise UserError(
                f"the GPU failed on a batch of {len(batch.rows)}: {reason_of(error)}",
                "The answers so far are kept, and the same command continues; "
                "--engine-arg batch_size=1 finds the row if it happens again.",
            ) from error
        # Processors and models raise anything on a picture they cannot use; one row must not
        # cost the others.
        except Exception as error:  # noqa: BLE001
            out_of_memory, reason = is_out_of_memory(error), reason_of(error)
        else:
            yield from responses
            return
        if out_of_memory:
            torch.cuda.empty_cache()
        if len(batch.rows) == 1:
            yield batch.rows[0].failed(reason, passing=out_of_memory)
            return
        half = len(batch.rows) // 2
        if out_of_memory:
            self._batch_size = max(1, min(self._batch_size, half))
        yield from self._answer(Batch(batch.rows[:half]))
        yield from self._answer(Batch(batch.rows[half:]))

    def _run(self, batch: Batch) -> list[Response]:
        import torch

        inputs = self._preparer.inputs(batch)
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        room = [self._plan.context - length for length in lengths]
        if min(room) < 1:
            return self._without_too_long(batch.rows, lengths)
        started = time.perf_counter()
        first = batch.rows[0].request
        sampling = first.sampling
        steps = min(sampling.max_new_tokens, max(room))
        # A copy: what is on the device leaves it with this call, whoever holds the batch.
        inputs = copy.copy(inputs).to(self._model.device, self._model.dtype)
        width = inputs["input_ids"].shape[1]
        if first.seed is not None:
            torch.manual_seed(first.seed)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                generation_config=self._generation_config(first, steps),
                stopping_criteria=[_StopTexts(self._tokenizer, sampling, width)]
                if sampling.stop
                else None,
            )
        new = output.sequences[:, width:].tolist()
        likeliest: Iterable[dict[str, float] | None] = itertools.repeat(None)
        if first.first_token_logprobs:
            likeliest = self._first_tokens(output.logits[0])
        seconds = (time.perf_counter() - started) / len(batch.rows)
        return [
            replace(
                self._response(asked, ids, length, min(sampling.max_new_tokens, free), seconds),
                logprobs=logprobs,
            )
            for asked, ids, length, free, logprobs in zip(
                batch.rows, new, lengths, room, likeliest, strict=False
            )
        ]

    def _first_tokens(self, logits: Any) -> list[dict[str, float]]:
        """The first token's likeliest texts, from its logits, shape (rows, vocabulary)."""
        import torch

        best = torch.log_softmax(logits.float(), dim=-1).topk(min(_LIKELIEST, logits.shape[-1]))
        # Likeliest last: of tokens with one text in common, such as parts of a letter, it stands.
        ids, values = best.indices.flip(-1).tolist(), best.values.flip(-1).tolist()
        return [
            dict(zip(map(self._tokenizer.decode, row), each, strict=True))
            for row, each in zip(ids, values, strict=True)
        ]

    def _without_too_long(self, rows: list[Asked], lengths: list[int]) -> list[Response]:
        context = self._plan.context
        fits = [a for a, length in zip(rows, lengths, strict=True) if length < context]
        failed = [
            asked.failed(f"the prompt has {length:,} tokens; the context holds {context:,}")
            for asked, length in zip(rows, lengths, strict=True)
            if length >= context
        ]
        return failed + (self._run(Batch(fits)) if fits else [])

    def _ends(self, request: Request) -> frozenset[int]:
        """Tokens that end the answer: a model that writes both sides goes on after a turn's end."""
        return self._text_ends if request.form == "user_turn" else self._stop_ids

    def _generation_config(self, request: Request, steps: int) -> Any:
        """Our own: a checkpoint's penalties and temperatures are no part of the protocol."""
        from transformers import GenerationConfig

        sampling = request.sampling
        greedy = sampling.temperature == 0
        # The library's own default would keep the 50 likeliest tokens only.
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=steps,
            do_sample=not greedy,
            eos_token_id=sorted(self._ends(request)) or None,
            pad_token_id=self._pad_id,
            return_dict_in_generate=True,
            output_logits=request.first_token_logprobs,
            **({} if greedy else drawn),
        )

    @cached_property
    def _pad_id(self) -> int:
        pad = self._tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self._stop_ids)

    def _response(
        self, asked: Asked, ids: list[int], prompt_tokens: int, limit: int, seconds: float
    ) -> Response:
        sampling = asked.request.sampling
        ends = self._ends(asked.request)
        end = next((i for i, token in enumerate(ids) if token in ends), None)
        kept = ids[: limit if end is None else min(end, limit)]
        stopped = end is not None and end < limit
        while sampling.stop and kept and kept[-1] == self._pad_id:
            kept.pop()  # a row that met its stop text waits for the batch
        text = self._tokenizer.decode(
            kept,
            skip_special_tokens=sampling.skip_special_tokens,
            clean_up_tokenization_spaces=False,
        )
        places = [text.find(stop) for stop in sampling.stop if stop in text]
        if places:
            text, stopped = text[: min(places)], True
        return Response(
            asked.request,
            text,
            finish_reason="stop" if stopped else "length",
            prompt=asked.prompt,
            prompt_tokens=prompt_tokens,
            tokens=len(kept) + (end is not None and end < limit),
            seconds=seconds,
        )

    def close(self) -> None:
        """End the preparing thread, drop the model and give the GPU's memory back."""
        import gc

        import torch

        if self._ahead is not None:
            self._ahead.close()
        del self._model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    own = model.generation_config.eos_token_id
    ids = {tokenizer.eos_token_id, *(own if isinstance(own, (list, tuple)) else [own])}
    return frozenset(int(token) for token in ids if token is not None)


def _forget_generation_config(model: Any) -> None:
    """Drop the checkpoint's own: what ours leaves open would be filled in from it."""
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig()


def _load(plan: TransformersPlan) -> tuple[Any, Any]:
    checkpoint = plan.checkpoint
    try:
        import torch
        from transformers import (
            AutoModelForCausalLM,
            AutoModelForImageTextToText,
            AutoProcessor,
            AutoTokenizer,
        )
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        # Deprecations inside transformers are its own affair, and would print once a batch.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch|transformers")
        reader = AutoProcessor if plan.sees else AutoTokenizer
        processor = reader.from_pretrained(
            checkpoint.folder, trust_remote_code=checkpoint.remote_code
        )
        if plan.pixels:
            low, high = plan.pixels
            processor.image_processor.size = {"shortest_edge": low, "longest_edge": high}
        kind = AutoModelForImageTextToText if plan.sees else AutoModelForCausalLM
        model = kind.from_pretrained(
            checkpoint.folder,
            dtype=getattr(torch, plan.dtype),
            device_map=_device_map(plan.settings.device_map),
            attn_implementation=plan.settings.attn_implementation,
            use_safetensors=None if checkpoint.allow_pickle else True,
            trust_remote_code=checkpoint.remote_code,
        )
    # from_pretrained raises OSError, ValueError, KeyError, ImportError, RuntimeError, safetensors'
    # own and more; to the user each is "this checkpoint cannot be loaded", and why.
    except Exception as error:
        raise UserError(
            f"transformers cannot load {checkpoint.ref}: {one_line(str(error))}",
            "`harness doctor` shows what is installed and what is missing.",
        ) from error
    return model.eval(), processor


def _device_map(wanted: str) -> str:
    import torch

    return "cpu" if wanted == "auto" and not torch.cuda.is_available() else wanted
