"""Offline generation with vLLM, its engine kept full.

`LLM.generate` renders every prompt first, with the engine idle, and drains it at the end. Here one
thread decodes and renders ahead into a short queue, requests enter as others leave, and the engine
is stepped from this side. Pictures go in as decoded pixels, never encoded again; a picture's
fingerprint lets rows that share it share its encoding.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from harness.engines._ahead import Ahead
from harness.engines._chat import TEMPLATE_DATE, ChatTemplate, text_ends
from harness.engines._checkpoint import CheckpointPlan, CheckpointSettings
from harness.engines._failures import is_out_of_memory, reason_of
from harness.errors import RowError, UserError
from harness.requests import Request, Response

_MOST_DEATHS = 20
"""An engine that dies this often is broken itself, not its rows."""
_LIKELIEST = 20
"""First tokens whose probability is told."""


@dataclass(frozen=True)
class VllmSettings(CheckpointSettings):
    """`--engine-arg` of the vllm engine; the names are vLLM's own."""

    max_num_seqs: int = 128
    """Requests computed together."""
    max_num_batched_tokens: int | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    enforce_eager: bool = False
    enable_prefix_caching: bool = True
    mm_processor_cache_gb: float = 0.1
    """Memory for prepared pictures. Rows of one picture follow each other, so little will do."""
    images_per_prompt: int = 1
    multiprocessing: bool = False
    """Run vLLM's core in a process of its own."""

    def __post_init__(self) -> None:
        """Check what can be checked without the model."""
        super().__post_init__()
        for name in ("max_num_seqs", "tensor_parallel_size", "images_per_prompt"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be greater than 0")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError("gpu_memory_utilization must be above 0 and at most 1")


@dataclass(frozen=True)
class VllmPlan(CheckpointPlan):
    """A checkpoint to be loaded with vLLM."""

    settings: VllmSettings = field(default_factory=VllmSettings)
    name: ClassVar[str] = "vllm"

    @property
    def appetite(self) -> int:
        """As many as are computed together, and as many waiting to take their places."""
        return 2 * self.settings.max_num_seqs

    def start(self) -> VllmEngine:
        """Load the checkpoint."""
        return VllmEngine(self)


class _Rendered(NamedTuple):
    """A request that is ready for the engine."""

    request: Request
    prompt: str
    engine_input: Any


class _Failed(NamedTuple):
    """A request that cannot be rendered."""

    request: Request
    prompt: str | None
    error: Exception


class VllmEngine:
    """A vLLM engine that is stepped here.

    Raises:
        UserError: vLLM is missing, or cannot load the checkpoint.
    """

    streams = True

    def __init__(self, plan: VllmPlan) -> None:
        self._plan = plan
        self._llm = _load(plan)
        processor = _processor(plan)
        self._chat = ChatTemplate(processor, plan.system)
        self._text_ends = text_ends(plan.checkpoint.folder, processor, self._chat)
        self._bos = self._llm.get_tokenizer().bos_token
        self._ahead = plan.appetite
        self._deaths = 0
        self._swapping = threading.Lock()
        self._feed: Ahead[_Rendered | _Failed] | None = None
        self._names = itertools.count()

    def describe(self) -> dict[str, Any]:
        """Versions, dtype, attention, context, picture bounds, the template's date."""
        import torch
        import vllm

        config = self._llm.llm_engine.vllm_config
        return {
            "name": "vllm",
            "version": vllm.__version__,
            "torch": torch.__version__,
            "model_class": config.model_config.architecture,
            "device": str(config.device_config.device),
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "attn_implementation": str(config.attention_config.backend or "auto"),
            "max_model_len": self._plan.context,
            "pixels": list(self._plan.pixels) if self._plan.pixels else None,
            "system": self._plan.system,
            "template_date": TEMPLATE_DATE.date().isoformat() if self._chat.prints_date else None,
            "max_num_seqs": self._plan.settings.max_num_seqs,
            "gpus": self._plan.settings.tensor_parallel_size if self._plan.on_gpu else 0,
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order in which answers are finished."""
        # One thread: a second helps only with large pictures, more are slower.
        feed = Ahead(lambda source: map(self._render, source), requests, self._ahead, "render")
        self._feed = feed
        flying: dict[str, _Rendered] = {}
        began: dict[str, float] = {}
        try:
            while True:
                yield from self._admit(feed, flying, began)
                if not flying:
                    if feed.ended:
                        return
                    continue
                try:
                    outputs = self._llm.llm_engine.step()
                # In process anything a kernel or a scheduler can raise arrives here; the engine's
                # state is lost with it, the requests are not.
                except Exception as error:  # noqa: BLE001
                    yield from self._revive(flying, error)
                    continue
                for output in outputs:
                    if output.finished:
                        rendered = flying.pop(output.request_id)
                        seconds = time.perf_counter() - began.pop(output.request_id)
                        yield _response(rendered, output, seconds)
        finally:
            feed.close()
            if flying and self._llm is not None:
                # Ctrl-C may have ended a core in its own process; its end is not what is told.
                with contextlib.suppress(Exception):
                    self._llm.llm_engine.abort_request(list(flying))

    def _admit(
        self,
        feed: Ahead[_Rendered | _Failed],
        flying: dict[str, _Rendered],
        began: dict[str, float],
    ) -> Iterator[Response]:
        """Move ready requests into the engine; wait for one only when the engine is empty."""
        from vllm.exceptions import VLLMClientError

        while len(flying) < self._ahead:
            item = feed.take(block=not flying)
            if item is None:
                return
            if isinstance(item, _Failed):
                yield Response(item.request, None, prompt=item.prompt, error=reason_of(item.error))
                continue
            try:
                name = self._add(item)
            # What vLLM can tell only with the picture's tokens counted: too long a prompt.
            except (VLLMClientError, ValueError) as error:
                yield Response(item.request, None, prompt=item.prompt, error=reason_of(error))
                continue
            # A core in a process of its own may have died, busy or idle.
            except Exception as error:  # noqa: BLE001
                yield from self._revive(flying, error, item)
                continue
            flying[name] = item
            began[name] = time.perf_counter()

    def _add(self, item: _Rendered) -> str:
        name = str(next(self._names))
        self._llm.llm_engine.add_request(
            name,
            item.engine_input,
            _sampling_params(item.request, self._text_ends),
            prompt_text=item.prompt,
        )
        return name

    def _render(self, request: Request) -> _Rendered | _Failed:
        """Chat template, tokenizer and picture processor; runs in the feeding thread."""
        prompt = None
        try:
            if request.images and not self._plan.sees:
                raise RowError("this model reads no pictures")
            prompt = self._chat.render(request.messages, request.form)
            with self._swapping:
                return _Rendered(request, prompt, self._engine_input(request, prompt))
        except UserError:
            raise  # the checkpoint has no template: no row's fault
        # The picture processor and vLLM's checks raise ValueError, TypeError, RuntimeError and
        # their own; each concerns this row alone.
        except Exception as error:  # noqa: BLE001
            return _Failed(request, prompt, error)

    def _engine_input(self, request: Request, prompt: str) -> Any:
        from vllm.renderers.inputs.preprocess import parse_model_prompt

        parts: dict[str, Any] = {"prompt": prompt}
        if request.images:
            parts["multi_modal_data"] = {"image": [picture.image for picture in request.images]}
            parts["multi_modal_uuids"] = {"image": [p.content for p in request.images]}
        engine = self._llm.llm_engine
        renderer = engine.renderer
        bos = bool(self._bos and prompt.startswith(self._bos))
        tokens = renderer.default_cmpl_tok_params.with_kwargs(add_special_tokens=not bos)
        (rendered,) = renderer.render_cmpl([parse_model_prompt(engine.model_config, parts)], tokens)
        return rendered

    def _revive(
        self, flying: dict[str, _Rendered], error: Exception, *refused: _Rendered
    ) -> Iterator[Response]:
        """Start the engine anew; ask what was in flight, or could not be added, each alone."""
        suspects = [*flying.values(), *refused]
        flying.clear()
        self._restart(error)
        yield from self._one_by_one(suspects)

    def _restart(self, error: Exception) -> None:
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise UserError(
                f"vLLM died {self._deaths} times: {reason_of(error)}",
                "The answers so far are kept; try --engine transformers, or other --engine-arg.",
            ) from error
        # The feeding thread renders with the engine's own processor.
        with self._swapping:
            self._unload()
            self._llm = _load(self._plan)

    def _one_by_one(self, suspects: list[_Rendered]) -> Iterator[Response]:
        """Answer the requests that were in flight when the engine died, each alone."""
        for suspect in suspects:
            began = time.perf_counter()
            try:
                output = self._alone(suspect)
            except UserError:
                raise  # it dies again and again
            except Exception as error:  # noqa: BLE001 - this is the row that kills the engine
                reason = f"the engine fails on this row: {reason_of(error)}"
                yield Response(
                    suspect.request,
                    None,
                    prompt=suspect.prompt,
                    error=reason,
                    passing=is_out_of_memory(error),
                )
                self._restart(error)
            else:
                yield _response(suspect, output, time.perf_counter() - began)

    def _alone(self, suspect: _Rendered) -> Any:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            self._add(suspect)
        except EngineDeadError as error:
            # It died before this row could harm it.
            self._restart(error)
            self._add(suspect)
        while True:
            for output in self._llm.llm_engine.step():
                if output.finished:
                    return output

    def close(self) -> None:
        """End the feeding thread, shut the engine down and give the GPU's memory back."""
        if self._feed is not None:
            self._feed.close()
        self._unload()

    def _unload(self) -> None:
        import gc

        import torch

        llm, self._llm = self._llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()
        del llm
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _sampling_params(request: Request, text_ends: list[int]) -> Any:
    """How vLLM is told how an answer is drawn.

    Args:
        request: What is asked.
        text_ends: Tokens that end a text, but not a mere turn.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling, schema = request.sampling, request.json_schema
    turns = request.form == "user_turn"
    return SamplingParams(
        output_kind=RequestOutputKind.FINAL_ONLY,
        max_tokens=sampling.max_new_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        stop=list(sampling.stop),
        seed=request.seed,
        skip_special_tokens=sampling.skip_special_tokens,
        spaces_between_special_tokens=False,
        ignore_eos=turns,
        stop_token_ids=text_ends if turns else None,
        logprobs=_LIKELIEST if request.first_token_logprobs else None,
        structured_outputs=StructuredOutputsParams(json=schema) if schema else None,
    )


def _response(rendered: _Rendered, output: Any, seconds: float) -> Response:
    answer = output.outputs[0]
    if answer.finish_reason not in ("stop", "length"):
        reason = f"vLLM ended this row with {answer.finish_reason!r}"
        return Response(rendered.request, None, prompt=rendered.prompt, error=reason, passing=True)
    return Response(
        rendered.request,
        answer.text,
        answer.finish_reason,
        prompt=rendered.prompt,
        prompt_tokens=len(output.prompt_token_ids or ()),
        tokens=len(answer.token_ids),
        seconds=seconds,
        logprobs=_first_token(answer.logprobs) if rendered.request.first_token_logprobs else None,
    )


def _first_token(logprobs: Any) -> dict[str, float] | None:
    if not logprobs:
        return None
    # Likeliest last: of tokens with one text in common, such as parts of a letter, it stands.
    entries = sorted(logprobs[0].values(), key=lambda entry: entry.logprob)
    return {entry.decoded_token: entry.logprob for entry in entries}


def _load(plan: VllmPlan) -> Any:
    settings = plan.settings
    if settings.tensor_parallel_size == 1 and not settings.multiprocessing:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    kwargs: dict[str, Any] = {}
    if plan.pixels:
        low, high = plan.pixels
        kwargs["mm_processor_kwargs"] = {"size": {"shortest_edge": low, "longest_edge": high}}
    if settings.max_num_batched_tokens is not None:
        kwargs["max_num_batched_tokens"] = settings.max_num_batched_tokens
    try:
        from vllm import LLM

        llm = LLM(
            model=str(plan.checkpoint.folder),
            dtype=plan.dtype,
            max_model_len=plan.context,
            max_num_seqs=settings.max_num_seqs,
            tensor_parallel_size=settings.tensor_parallel_size,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            enforce_eager=settings.enforce_eager or not plan.on_gpu,
            enable_prefix_caching=settings.enable_prefix_caching,
            mm_processor_cache_gb=settings.mm_processor_cache_gb,
            limit_mm_per_prompt={"image": settings.images_per_prompt, "video": 0}
            if plan.sees
            else None,
            trust_remote_code=plan.checkpoint.remote_code,
            load_format="auto" if plan.checkpoint.allow_pickle else "safetensors",
            seed=0,
            use_tqdm_on_load=False,
            **kwargs,
        )
        if plan.sees:
            _send_every_picture(llm)
        _tell_of_death(llm)
        return llm
    # vLLM raises ValueError, RuntimeError, pydantic's and torch's own; to the user each is "this
    # checkpoint cannot be loaded", and why.
    except Exception as error:
        raise UserError(
            f"vLLM cannot load {plan.checkpoint.ref}: {reason_of(error)}",
            "Where memory is short: --engine-arg gpu_memory_utilization=0.5. Else try "
            "--engine transformers; `harness doctor` shows what is installed.",
        ) from error


def _send_every_picture(llm: Any) -> None:
    """Let each request carry its prepared picture, instead of only the first that shows it.

    vLLM's renderer leaves out what it believes the core holds. That is not so once a request was
    rendered and then refused (too long) or dropped (left early): the next row of the picture then
    fails, or with the core in another process comes back empty.
    """
    from vllm.multimodal.cache import processor_only_cache_from_config

    engine = llm.llm_engine
    engine.renderer._mm_processor_cache = processor_only_cache_from_config(engine.vllm_config)


def _tell_of_death(llm: Any) -> None:
    """Wake whoever waits for a core process that was killed.

    vLLM notices that its core's process is gone, and closes the sockets; the answers' queue, at
    which `step` waits, is told nothing.
    """
    client = llm.llm_engine.engine_core
    answers = getattr(client, "outputs_queue", None)
    if answers is None:
        return
    from vllm.v1.engine.exceptions import EngineDeadError

    shut = client.shutdown

    def shutdown(*args: Any, **kwargs: Any) -> None:
        shut(*args, **kwargs)
        answers.put_nowait(EngineDeadError())

    client.shutdown = shutdown


def _processor(plan: VllmPlan) -> Any:
    from transformers import AutoProcessor, AutoTokenizer

    reader = AutoProcessor if plan.sees else AutoTokenizer
    return reader.from_pretrained(
        plan.checkpoint.folder, trust_remote_code=plan.checkpoint.remote_code
    )
