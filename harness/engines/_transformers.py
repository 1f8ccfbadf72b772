"""Generation with Hugging Face transformers: any AutoModelForImageTextToText, CPU or GPU."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from harness.engines._chat import TEMPLATE_DATE, ChatTemplate
from harness.engines._checkpoint import CheckpointPlan, CheckpointSettings
from harness.engines._failures import is_out_of_memory, one_line, reason_of
from harness.errors import RowError, UserError
from harness.requests import Request, Response, Sampling

# Batches are cut from this many times their size, sorted by length: little padding, little memory.
_WINDOW = 8


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
        return self.settings.batch_size * _WINDOW

    def start(self) -> TransformersEngine:
        """Load the checkpoint."""
        return TransformersEngine(self)


class _Asked(NamedTuple):
    """A request and the text it became."""

    request: Request
    prompt: str

    @property
    def kind(self) -> tuple[str, bool]:
        """Requests of one batch share this."""
        return repr(self.request.sampling), bool(self.request.images)

    @property
    def size(self) -> int:
        """About how many tokens: four letters each, a picture by its area."""
        images = (picture.image for picture in self.request.images)
        return len(self.prompt) // 4 + sum(i.width * i.height for i in images) // 784

    def failed(self, reason: str, *, passing: bool = False) -> Response:
        return Response(self.request, None, prompt=self.prompt, error=reason, passing=passing)


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
        self._model, self._processor = _load(plan)
        self._tokenizer = getattr(self._processor, "tokenizer", self._processor)
        self._tokenizer.padding_side = "left"
        self._chat = ChatTemplate(self._processor, plan.system)
        self._batch_size = plan.settings.batch_size
        self._stop_ids = _stop_ids(self._model, self._tokenizer)
        _forget_generation_config(self._model)
        names = ("image_token", "video_token", "boi_token")
        self._marks = [m for n in names if isinstance(m := getattr(self._processor, n, None), str)]

    def describe(self) -> dict[str, Any]:
        """Versions, dtype, attention, context, picture bounds, the template's date."""
        import torch
        import transformers

        config = self._model.config
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
            "template_date": TEMPLATE_DATE.date().isoformat() if self._chat.prints_date else None,
            "batch_size": self._plan.settings.batch_size,
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer window by window, each sorted by length and cut into batches."""
        stream = iter(requests)
        while window := list(itertools.islice(stream, self._batch_size * _WINDOW)):
            asked = []
            for request in window:
                try:
                    asked.append(_Asked(request, self._render(request)))
                # A template may refuse a conversation with any error of its own.
                except Exception as error:  # noqa: BLE001
                    yield Response(request, None, error=reason_of(error))
            asked.sort(key=lambda a: (*a.kind, a.size))
            for _, group in itertools.groupby(asked, key=lambda a: a.kind):
                rest = list(group)
                while rest:
                    batch, rest = rest[: self._batch_size], rest[self._batch_size :]
                    yield from self._answer(batch)

    def _render(self, request: Request) -> str:
        text = "\n".join(message.text for message in request.messages)
        for mark in self._marks:
            if mark in text:
                raise RowError(f"the text holds {mark}, which this model reads as a picture")
        text.encode()  # tokenizers name no reason when they refuse a lone surrogate
        return self._chat.render(request.messages)

    def _answer(self, batch: list[_Asked]) -> Iterator[Response]:
        """Answer a batch; one that fails is halved until the row that fails stands alone."""
        import torch

        try:
            responses = self._run(batch)
        except torch.AcceleratorError as error:
            # After it everything fails in this process: a row that is known to be the cause is
            # written down, and the run has to be begun again.
            if len(batch) == 1:
                yield batch[0].failed(reason_of(error))
            raise UserError(
                f"the GPU failed on a batch of {len(batch)}: {reason_of(error)}",
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
        if len(batch) == 1:
            yield batch[0].failed(reason, passing=out_of_memory)
            return
        half = len(batch) // 2
        if out_of_memory:
            self._batch_size = max(1, min(self._batch_size, half))
        yield from self._answer(batch[:half])
        yield from self._answer(batch[half:])

    def _run(self, batch: list[_Asked]) -> list[Response]:
        import torch

        started = time.perf_counter()
        inputs = self._prepare(batch)
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        room = [self._plan.context - length for length in lengths]
        if min(room) < 1:
            return self._without_too_long(batch, lengths)
        sampling = batch[0].request.sampling
        steps = min(sampling.max_new_tokens, max(room))
        inputs = inputs.to(self._model.device, self._model.dtype)
        width = inputs["input_ids"].shape[1]
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                generation_config=self._generation_config(sampling, steps),
                stopping_criteria=[_StopTexts(self._tokenizer, sampling, width)]
                if sampling.stop
                else None,
            )
        new = output[:, width:].tolist()
        seconds = (time.perf_counter() - started) / len(batch)
        return [
            self._response(asked, ids, length, min(sampling.max_new_tokens, free), seconds)
            for asked, ids, length, free in zip(batch, new, lengths, room, strict=True)
        ]

    def _without_too_long(self, batch: list[_Asked], lengths: list[int]) -> list[Response]:
        context = self._plan.context
        fits = [a for a, length in zip(batch, lengths, strict=True) if length < context]
        failed = [
            asked.failed(f"the prompt has {length:,} tokens; the context holds {context:,}")
            for asked, length in zip(batch, lengths, strict=True)
            if length >= context
        ]
        return failed + (self._run(fits) if fits else [])

    def _prepare(self, batch: list[_Asked]) -> Any:
        prompts = [asked.prompt for asked in batch]
        images = [[picture.image for picture in asked.request.images] for asked in batch]
        bos = self._tokenizer.bos_token
        return self._processor(
            text=prompts,
            images=images if any(images) else None,
            padding=True,
            return_tensors="pt",
            # Most templates write the first token themselves; it must not stand there twice.
            add_special_tokens=not (bos and prompts[0].startswith(bos)),
        )

    def _generation_config(self, sampling: Sampling, steps: int) -> Any:
        """Our own: a checkpoint's penalties and temperatures are no part of the protocol."""
        from transformers import GenerationConfig

        greedy = sampling.temperature == 0
        # The library's own default would keep the 50 likeliest tokens only.
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=steps,
            do_sample=not greedy,
            eos_token_id=sorted(self._stop_ids),
            pad_token_id=self._pad_id,
            **({} if greedy else drawn),
        )

    @cached_property
    def _pad_id(self) -> int:
        pad = self._tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self._stop_ids)

    def _response(
        self, asked: _Asked, ids: list[int], prompt_tokens: int, limit: int, seconds: float
    ) -> Response:
        sampling = asked.request.sampling
        end = next((i for i, token in enumerate(ids) if token in self._stop_ids), None)
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
        """Drop the model and give the GPU's memory back."""
        import gc

        import torch

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
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        # Deprecations inside transformers are its own affair, and would print once a batch.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch|transformers")
        processor = AutoProcessor.from_pretrained(
            checkpoint.folder, trust_remote_code=checkpoint.remote_code
        )
        if plan.pixels:
            low, high = plan.pixels
            processor.image_processor.size = {"shortest_edge": low, "longest_edge": high}
        model = AutoModelForImageTextToText.from_pretrained(
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
