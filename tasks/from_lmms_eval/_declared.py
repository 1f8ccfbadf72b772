"""What an lmms-eval task declares, checked before anything is fetched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks._errors import UserError
from tasks._types import Generation
from tasks.from_lmms_eval._index import package_folder
from tasks.from_lmms_eval._judges import judge_key, judge_of
from tasks.from_lmms_eval._package import full_config, module, one_line, plain, version

_DEFAULT_TOKENS = 1024
_FETCHES = ("video", "From_YouTube", "builder_script", "create_link")
_NO_EFFECT = frozenset(
    ("max_new_tokens", "temperature", "top_p", "do_sample", "num_beams", "until", "stop_sequences",
     "image_aspect_ratio", "skip_special_tokens", "seed")
)  # fmt: skip


class Declared(NamedTuple):
    """A task file of lmms-eval, read with its functions."""

    name: str
    path: Path
    config: Any
    """lmms-eval's `TaskConfig`."""
    code: str | None
    """Fingerprint of the Python beside a task file that is not the package's own."""

    @property
    def split(self) -> str:
        """The split that is evaluated."""
        return str(self.config.test_split or self.config.validation_split)

    @property
    def max_new_tokens(self) -> int:
        """Token limit; where the task names none, lmms-eval leaves it to the model's class."""
        kwargs = self.config.generation_kwargs or {}
        return int(kwargs.get("max_new_tokens") or _DEFAULT_TOKENS)

    @property
    def generation(self) -> Generation:
        """Temperature, nucleus and stop texts. Greedy unless a temperature above 0 is given."""
        kwargs = self.config.generation_kwargs or {}
        temperature = float(kwargs.get("temperature") or 0.0)
        if kwargs.get("do_sample") is False:
            temperature = 0.0
        stop: list[str] = []
        for key in ("until", "stop_sequences"):
            value = kwargs.get(key) or []
            stop += [value] if isinstance(value, str) else value
        top_p = float(kwargs.get("top_p") or 1.0) if temperature else 1.0
        return Generation(temperature, top_p, tuple(text for text in stop if text))

    @property
    def settings(self) -> Mapping[str, Any]:
        """What determines rows and scores beside the data."""
        text = repr(plain(vars(self.config)))
        own = hashlib.sha256(text.encode()).hexdigest()[:32]
        return {"lmms_eval": version(), "config": own, "code": self.code}


def read_declared(name: str, path: Path) -> Declared:
    """Read a task file and check that its kind can be run here.

    Raises:
        UserError: It cannot; the message says why.
    """
    try:
        config = full_config(path, {})
    except UserError as error:
        raise _without_key(error) from error
    if not isinstance(config.get("task"), str):
        raise UserError(f"{path} declares no single task of lmms-eval")
    if "class" in config:
        raise UserError("it is a Python class of its own, and only declared tasks can be run here")
    try:
        declared = module("lmms_eval.api.task").TaskConfig(**config)
    # A dataclass with checks of its own: TypeError, AssertionError, ValueError.
    except Exception as error:
        raise UserError(f"lmms-eval refuses its declaration: {one_line(error)}") from error
    of_models = declared.model_specific_generation_kwargs or {}
    (declared.generation_kwargs or {}).update(of_models.get("default") or {})
    code = None if path.is_relative_to(package_folder()) else _code_beside(path)
    task = Declared(config["task"], path, declared, code)
    if reason := _refusal(task):
        raise UserError(reason)
    return task


def _without_key(error: UserError) -> UserError:
    """Some task files ask for the judge's key while they are loaded."""
    if re.search(r"OPENAI_API_KEY|api_key", error.message) and judge_key() is None:
        return UserError(
            "its scoring asks an external judge: set OPENAI_API_KEY for it",
            "Its answers would be sent to that service.",
        )
    return error


def _refusal(task: Declared) -> str | None:
    """Why this task cannot be run here; None if it can, as far as its declaration tells."""
    config = task.config
    kwargs = config.generation_kwargs or {}
    if config.output_type != "generate_until":
        return f"it is of kind {config.output_type}; only generate_until tasks can be run here"
    if any((config.dataset_kwargs or {}).get(key) for key in _FETCHES):
        return "it fetches video or audio archives; only pictures and texts can be asked here"
    if config.num_fewshot:
        return f"it shows {config.num_fewshot} examples before each question"
    if (config.repeats or 1) > 1:
        return f"it asks every question {config.repeats} times"
    if (kwargs.get("num_beams") or 1) > 1:
        return f"it asks for beam search (num_beams {kwargs['num_beams']})"
    odd = [key for key, value in kwargs.items() if key not in _NO_EFFECT and value not in (None, 1)]
    if odd:
        return f"it sets {', '.join(odd)} for generation, which the engines here do not have"
    if not (config.test_split or config.validation_split):
        return "it names no split to evaluate"
    judge = judge_of(_scoring_functions(config), _folders(task.path))
    if judge is not None and judge_key() is None:
        return f"its scoring asks an external judge ({judge}): set OPENAI_API_KEY for it"
    return None


def _scoring_functions(config: Any) -> list[Any]:
    metrics = [metric for metric in config.metric_list or [] if isinstance(metric, dict)]
    return [config.process_results, *(metric.get("aggregation") for metric in metrics)]


def _folders(path: Path) -> tuple[Path, ...]:
    return package_folder() / "tasks", path.parent


def _code_beside(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]
