"""A conversation as the checkpoint's chat template writes it, and which part of it is learnt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from harness.engines._chat import ChatTemplate
from harness.errors import RowError, UserError
from harness.requests import Message
from training.rows import MARK, Conversation, Turn

Loss = Literal["assistant", "after_first"]
"""`assistant`: every assistant's turn with its end. `after_first`: everything that a model has to
write once the first exchange is given and a user's turn is opened."""

CUT = "\ue0c7\uf1a2\ue5d9\uf8b4"
"""Put into a marker that somebody wrote into their text; the tokenizer never sees it whole."""
_PROBE = "7f0c9e3a51d84b26"
_PLACE = re.compile(rf"\n?{re.escape(MARK)}\n?")
_NOT_PREFIX = (
    "the chat template is not prefix preserving: it writes a turn differently once another follows"
)
_OTHER_HEAD = "the chat template writes a system text that depends on what else is said"
_HINT = "Use the chat template of the family's published checkpoint, or mend this one."


class Spoken(NamedTuple):
    """A rendered conversation."""

    text: str
    """With CUT inside every marker that is not the template's own."""
    spans: tuple[tuple[int, int], ...]
    """Begin and end, in letters of `text`, of what carries loss."""


class Speaker:
    """Renders conversations and finds the spans that carry loss.

    The template is asked for every beginning of a conversation; each has to be a beginning of the
    whole, so that a span is the difference of two lengths, whatever the template looks like.

    Args:
        processor: The checkpoint's, with its chat template.
        loss: What is learnt.
        system: System text for conversations without one.

    Raises:
        UserError: The template cannot be used: there is none, or what it writes about one turn
            depends on others.
    """

    def __init__(self, processor: Any, loss: Loss, system: str | None = None) -> None:
        self._chat = ChatTemplate(processor, system)
        self._loss = loss
        special = _special_tokens(processor, processor.tokenizer)
        one_of = "|".join(re.escape(token) for token in special)
        self._markers = re.compile(one_of)
        # What follows the end-of-turn token is the template's line feed, which no answer holds.
        self._trailing = re.compile(rf"(?:{one_of})(\s+)\Z")
        self._heads: dict[bool, str] = {}
        try:
            self._check()
        except RowError as error:
            raise UserError(
                f"the checkpoint's chat template cannot be trained with: {error}", _HINT
            ) from error
        self.end_of_turn = self._chat.end_of_turn()

    def speak(self, conversation: Conversation) -> Spoken:
        """Render a conversation.

        Raises:
            RowError: The template refuses it or writes its turns by what else is in it, or nothing
                of it would carry loss.
            UserError: There is no template.
        """
        messages = [self._message(turn) for turn in conversation.messages]
        try:
            return self._spoken(messages)
        except (RowError, UserError):
            raise
        # A template may refuse a conversation with any error of its own.
        except Exception as error:
            raise RowError(f"the chat template refuses it: {error}") from error

    def _spoken(self, messages: Sequence[Message]) -> Spoken:
        text = self._chat.spoken(messages)
        head = self._heads.get(bool(messages[0].images))
        like_probes = messages[0].images or not any(message.images for message in messages)
        if head is not None and messages[0].role == "user" and like_probes:
            self._length(text, head, _OTHER_HEAD)
        if self._loss == "assistant":
            return Spoken(text, self._answers(messages, text))
        return Spoken(text, (self._after_first(messages, text),))

    def _answers(self, messages: Sequence[Message], text: str) -> tuple[tuple[int, int], ...]:
        spans = []
        for place, message in enumerate(messages):
            if message.role == "assistant":
                begin = self._length(text, self._chat.render(messages[:place]))
                last = place + 1 == len(messages)
                so_far = text if last else self._chat.spoken(messages[: place + 1])
                spans.append((begin, self._end(text, begin, self._length(text, so_far))))
        return tuple(spans)

    def _after_first(self, messages: Sequence[Message], text: str) -> tuple[int, int]:
        first = 2 + (messages[0].role == "system")
        if len(messages) <= first:
            raise RowError("only one exchange; with loss: after_first nothing would be learnt")
        begin = self._length(text, self._chat.render(messages[:first], "user_turn"))
        return begin, self._end(text, begin, len(text))

    @staticmethod
    def _length(text: str, beginning: str, otherwise: str = "") -> int:
        if not text.startswith(beginning):
            raise RowError(otherwise or _NOT_PREFIX)
        return len(beginning)

    def _end(self, text: str, begin: int, end: int) -> int:
        trailing = self._trailing.search(text, begin, end)
        return trailing.start(1) if trailing else end

    def _message(self, turn: Turn) -> Message:
        if turn.role != "user" or MARK not in turn.content:
            return Message(turn.role, self._without_markers(turn.content))
        text, places = "", []
        # A line break between a mark and the words is the mark's: how a picture is set off from
        # a text is the template's business, and evaluation asks without it.
        for part, words in enumerate(_PLACE.split(turn.content)):
            if part:
                places.append(len(text))
            text += self._without_markers(words)
        return Message("user", text, len(places), tuple(places))

    def _without_markers(self, text: str) -> str:
        return self._markers.sub(lambda found: f"{found[0][0]}{CUT}{found[0][1:]}", text)

    def _check(self) -> None:
        """Try the template on plain conversations, with a picture and without.

        The published Llama 3.2 Vision template writes its system turn only where no picture is
        shown: that may be. What stands before the first words must not depend on anything else.

        Raises:
            RowError: Turns, or what stands before them, depend on others.
            UserError: There is no template.
        """
        for pictures in (0, 1):
            # The picture is put behind the words, so that the words' beginning is the turn's.
            asked = Message("user", _PROBE, pictures, (len(_PROBE),) * pictures)
            short = [asked, Message("assistant", "Yes.")]
            longer = [*short, Message("user", "And?"), Message("assistant", "No. " * 500)]
            try:
                self._chat.render(short)
                head, tail = self._parted(short)
                if self._parted(longer)[0] != head:
                    raise RowError(_OTHER_HEAD)
                self._spoken(longer)
            except (RowError, UserError):
                raise
            except Exception as error:
                raise RowError(f"it refuses a plain conversation: {error}") from error
            self._heads[bool(pictures)] = head
            if self._tail_after_system(short) not in (None, tail):
                raise RowError("it writes turns differently under a system prompt")

    def _tail_after_system(self, messages: Sequence[Message]) -> str | None:
        try:
            return self._parted([Message("system", "Be brief."), *messages])[1]
        # It takes no system turn, however it says so: told of the rows that have one.
        except Exception:  # noqa: BLE001
            return None

    def _parted(self, messages: Sequence[Message]) -> tuple[str, str]:
        head, words, tail = self._chat.spoken(messages).partition(_PROBE)
        if not words:
            raise RowError("it changes or drops what a user says")
        return head, tail


def _special_tokens(processor: Any, tokenizer: Any) -> list[str]:
    """Texts that the tokenizer reads as one token of the family's own, longest first."""
    added = tokenizer.added_tokens_decoder.values()
    found = {str(token.content) for token in added if token.special}
    found.update(str(token) for token in tokenizer.all_special_tokens)
    for name in ("image_token", "video_token", "boi_token", "eoi_token"):
        if isinstance(token := getattr(processor, name, None), str):
            found.add(token)
    return sorted((token for token in found if len(token) > 1), key=lambda t: (-len(t), t))
