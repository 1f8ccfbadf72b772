"""Prompts through the checkpoint's own chat template."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import RowError, UserError
from harness.requests import Form, Message

TEMPLATE_DATE = datetime.datetime(2024, 7, 26, tzinfo=datetime.UTC)
"""What a template that prints today's date is given: a score must not depend on the day."""
_DATE_STRING = TEMPLATE_DATE.strftime("%d %b %Y")
_MARK = "7f0c9e3a51d84b26"
"""Stands for the user's text where a user's turn is only opened."""
_DEFAULT_SYSTEM = {"qwen2_vl": "You are a helpful assistant."}


def default_system(model_type: str | None) -> str | None:
    """The published protocol's system text for a family, if it has one."""
    return _DEFAULT_SYSTEM.get(model_type or "")


class ChatTemplate:
    """Renders conversations with a processor's template.

    Args:
        processor: A processor (or tokenizer) with a chat template.
        system: System text for conversations without one.
    """

    def __init__(self, processor: Any, system: str | None) -> None:
        self._tokenizer = getattr(processor, "tokenizer", processor)
        template = getattr(processor, "chat_template", None) or self._tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        self._template = template or None
        # Language models' templates join texts; those of models that see take lists of parts.
        self._content = _text if self._tokenizer is processor else _parts
        self._system = system
        self.prints_date = re.search(r"strftime_now|date_string", template or "") is not None

    def render(self, messages: Sequence[Message], form: Form = "chat") -> str:
        """The text of a conversation, ending where the assistant, or the user, begins to speak.

        Raises:
            UserError: The checkpoint has no chat template, and one is needed.
        """
        if form == "text":
            if len(messages) != 1 or messages[0].images:
                raise RowError("a prompt without a template is one text without pictures")
            return messages[0].text
        if self._template is None:
            raise UserError(
                "the checkpoint has no chat template, so no prompt can be made for it",
                "Add the family's chat_template.jinja to the checkpoint's folder.",
            )
        if form == "chat":
            return self._rendered(messages, opens_answer=True)
        opened = self._rendered([*messages, Message("user", _MARK)], opens_answer=False)
        prompt, mark, _ = opened.rpartition(_MARK)
        if not mark:
            raise UserError(
                "the checkpoint's chat template changes what a user says, so no turn can be opened"
            )
        return prompt

    def spoken(self, messages: Sequence[Message]) -> str:
        """The text of a conversation up to its last turn's end: what is trained on."""
        return self._rendered(messages, opens_answer=False)

    def end_of_turn(self) -> int | None:
        """The token after an assistant's turn, where it is a special one."""
        if self._template is None:
            return None
        spoken = [Message("user", "?"), Message("assistant", _MARK)]
        try:
            _, _, after = self._rendered(spoken, opens_answer=False).rpartition(_MARK)
        # A template may refuse this with any error of its own; it may take what is asked later.
        except Exception:  # noqa: BLE001
            return None
        ids = self._tokenizer.encode(after, add_special_tokens=False)
        return ids[0] if ids and ids[0] in self._tokenizer.all_special_ids else None

    def _rendered(self, messages: Sequence[Message], *, opens_answer: bool) -> str:
        turns = list(messages)
        if self._system and not any(turn.role == "system" for turn in turns):
            turns.insert(0, Message("system", self._system))
        dates = {"strftime_now": TEMPLATE_DATE.strftime, "date_string": _DATE_STRING}
        # The tokenizer's method hands every name to the template; a processor's keeps some back.
        rendered: str = self._tokenizer.apply_chat_template(
            [{"role": turn.role, "content": self._content(turn)} for turn in turns],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=opens_answer,
            **(dates if self.prints_date else {}),
        )
        return rendered


def text_ends(folder: Path, tokenizer: Any, chat: ChatTemplate) -> list[int]:
    """Tokens that end a text, but not a mere turn.

    A model that writes both sides of a conversation goes on after a turn's end.

    Args:
        folder: The checkpoint's, for what it says of its own end.
        tokenizer: Its tokenizer or processor.
        chat: Its template.
    """
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    ids = {tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        try:
            own = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
        except (OSError, ValueError):
            continue
        ids.update(own if isinstance(own, list) else [own])
    return sorted({int(i) for i in ids if i is not None} - {chat.end_of_turn()})


def _text(message: Message) -> str:
    return message.text


def _parts(message: Message) -> list[dict[str, str]]:
    return [
        {"type": "image"} if part is None else {"type": "text", "text": part}
        for part in message.parts
    ]
