"""Prompts through the checkpoint's own chat template."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

from harness.errors import UserError
from harness.requests import Message

TEMPLATE_DATE = datetime.datetime(2024, 7, 26, tzinfo=datetime.UTC)
"""What a template that prints today's date is given: a score must not depend on the day."""
_DATE_STRING = TEMPLATE_DATE.strftime("%d %b %Y")
_DEFAULT_SYSTEM = {"qwen2_vl": "You are a helpful assistant."}


def default_system(model_type: str | None) -> str | None:
    """The published protocol's system text for a family, if it has one."""
    return _DEFAULT_SYSTEM.get(model_type or "")


class ChatTemplate:
    """Renders conversations with a processor's template.

    Args:
        processor: A processor (or tokenizer) with a chat template.
        system: System text for conversations without one.

    Raises:
        UserError: The checkpoint has no chat template.
    """

    def __init__(self, processor: Any, system: str | None) -> None:
        self._tokenizer = getattr(processor, "tokenizer", processor)
        template = getattr(processor, "chat_template", None) or self._tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            raise UserError(
                "the checkpoint has no chat template, so no prompt can be made for it",
                "Add the family's chat_template.jinja to the checkpoint's folder.",
            )
        self._template = template
        self._system = system
        self.prints_date = re.search(r"strftime_now|date_string", template) is not None

    def render(self, messages: Sequence[Message]) -> str:
        """The text of a conversation, ending where the assistant begins to speak."""
        turns = list(messages)
        if self._system and not any(turn.role == "system" for turn in turns):
            turns.insert(0, Message("system", self._system))
        dates = {"strftime_now": TEMPLATE_DATE.strftime, "date_string": _DATE_STRING}
        # The tokenizer's method hands every name to the template; a processor's keeps some back.
        rendered: str = self._tokenizer.apply_chat_template(
            [_content(turn) for turn in turns],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
            **(dates if self.prints_date else {}),
        )
        return rendered


def _content(message: Message) -> dict[str, Any]:
    parts: list[dict[str, str]] = [{"type": "image"}] * message.images
    return {"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]}
