"""The model that judges triplets: its engine, its prompt, its requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.asking import Owner
from harness.engines import Plan, plan_model
from harness.errors import UserError
from harness.files import digest
from harness.recipes import FilterRecipe
from harness.requests import Form, Request, Sampling, request_key
from synth._judging import PROMPT_VERSION, Style, prompt

_SAMPLING = {"base": Sampling(2), "instruct": Sampling(4)}
_TEMPLATES = (
    "chat_template.jinja", "chat_template.json", "tokenizer_config.json", "processor_config.json",
)  # fmt: skip


@dataclass(frozen=True)
class Judge:
    """The model that judges, and how it is asked."""

    plan: Plan
    style: Style
    threshold: float | None = None

    @property
    def model(self) -> str:
        """Fingerprint of the model and of the settings that move its answers."""
        return digest([self.plan.model.fingerprint or self.plan.model.ref, self.plan.identity])[:32]

    @property
    def config(self) -> dict[str, Any]:
        """What determines which triplets are kept."""
        return {
            "model": self.model,
            "prompt": self.style,
            "prompt_version": PROMPT_VERSION,
            "threshold": self.threshold,
        }

    def request(self, line: dict[str, Any], owner: Owner | None = None) -> Request:
        """The request for one triplet."""
        messages = prompt(self.style, line["instruction"], line["informative"], line["precise"])
        form: Form = "text" if self.style == "base" else "chat"
        sampling = _SAMPLING[self.style]
        key = request_key(
            task="synth/filter",
            version=PROMPT_VERSION,
            messages=messages,
            images=(),
            sampling=sampling,
            model=self.model,
            form=form,
            first_token_logprobs=True,
        )
        return Request(
            key,
            str(line["id"]),
            messages,
            sampling,
            owner=owner,
            form=form,
            first_token_logprobs=True,
        )


def open_judge(recipe: FilterRecipe) -> Judge:
    """Decide on the judge's engine and prompt, without loading anything heavy.

    Raises:
        UserError: The model cannot be used, or cannot do what the recipe asks.
    """
    plan = plan_model(recipe)
    if recipe.threshold is not None and plan.name == "constant":
        raise UserError(
            "filter.threshold needs probabilities, and the constant engine has none",
            "Leave threshold out: the text of the answer decides.",
        )
    if recipe.prompt == "base" and plan.name == "openai":
        raise UserError(
            "a chat-completions server cannot continue a text, which filter.prompt base needs",
            "Use prompt instruct, or engine vllm or transformers.",
        )
    style = recipe.prompt if recipe.prompt != "auto" else _fitting(plan)
    return Judge(plan, style, recipe.threshold)


def _fitting(plan: Plan) -> Style:
    """`instruct` where the model has a chat template; a served model is taken to have one."""
    inner = getattr(plan, "inner", plan)
    checkpoint = getattr(inner, "checkpoint", None)
    if checkpoint is None or _has_template(checkpoint.folder):
        return "instruct"
    return "base"


def _has_template(folder: Path) -> bool:
    for name in _TEMPLATES:
        path = folder / name
        if not path.is_file():
            continue
        if path.suffix == ".jinja":
            return True
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value.get("chat_template"):
            return True
    return False
