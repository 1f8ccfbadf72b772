"""From a conversation to tokens, and which of them carry loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from harness.errors import RowError, UserError
from training._pictures import PictureTokens
from training._turns import CUT, Loss, Speaker, Spoken
from training.rows import Conversation

__all__ = ["IGNORED", "Encoded", "Encoder", "EncoderSource", "Loss", "Measured"]

IGNORED = -100
"""Label of a token without loss, as PyTorch's cross entropy has it."""


class Measured(NamedTuple):
    """How large a conversation is once it is encoded."""

    length: int
    """Tokens, those of pictures included."""
    label_tokens: int
    """Tokens that carry loss."""


class Encoded(NamedTuple):
    """A conversation as a model reads it."""

    ids: list[int]
    labels: list[int]
    """The token itself where it carries loss, else `IGNORED`; as long as `ids`."""
    pixels: list[dict[str, Any]]
    """What the image processor made of each picture, tensors."""


@dataclass(frozen=True)
class EncoderSource:
    """What an encoder is made from; small, so that other processes can have it."""

    checkpoint: str
    """Folder or hub id of the model that is trained."""
    loss: Loss = "assistant"
    system: str | None = None
    """System text for conversations without one; evaluation's, so that both ask alike."""
    pixels: tuple[int, int] | None = None
    """Least and most pixels of a picture, where not the checkpoint's own (Qwen2-VL)."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `AutoProcessor.from_pretrained`."""

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the tokens, as JSON values."""
        return {**asdict(self), "pixels": list(self.pixels) if self.pixels else None}

    def load(self) -> Encoder:
        """Load the processor.

        Raises:
            UserError: It cannot be loaded, or its chat template cannot be used.
        """
        return Encoder(self.processor(), self.loss, self.system)

    def processor(self) -> Any:
        """The checkpoint's processor, with the bounds on pictures.

        Raises:
            UserError: It cannot be loaded.
        """
        from transformers import AutoProcessor

        try:
            processor = AutoProcessor.from_pretrained(self.checkpoint, **self.options)
        # from_pretrained raises OSError, ValueError, KeyError, ImportError and more.
        except Exception as error:
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(
                f"the processor of {self.checkpoint} cannot be loaded: {line}"
            ) from error
        if self.pixels:
            low, high = self.pixels
            processor.image_processor.size = {"shortest_edge": low, "longest_edge": high}
        return processor


class Encoder:
    """Tokens and labels of conversations, by a processor's own template and tokenizer.

    Markers that somebody wrote into their text (`<|im_end|>` in a question) are read as the
    letters they are: they end no turn and start no span.

    Args:
        processor: The checkpoint's.
        loss: Which tokens carry loss.
        system: System text for conversations without one.

    Raises:
        UserError: The chat template or the tokenizer cannot be used.
    """

    def __init__(self, processor: Any, loss: Loss = "assistant", system: str | None = None) -> None:
        tokenizer = getattr(processor, "tokenizer", None)
        if tokenizer is None or getattr(processor, "image_processor", None) is None:
            raise UserError("the checkpoint reads no pictures: it has no image processor")
        self._backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is None:
            raise UserError(
                "the checkpoint's tokenizer tells no offsets, so no loss mask is exact",
                "Convert it to a tokenizer.json.",
            )
        self.processor = processor
        self.loss: Loss = loss
        self.pictures = PictureTokens(processor)
        self._speaker = Speaker(processor, loss, system)
        self._bos = tokenizer.bos_token
        plain, whole = self._ids("a"), self._ids("a", special=True)
        self._prefix = whole[: len(whole) - len(plain)] if whole[-len(plain) :] == plain else []
        # Byte-level tokenizers can be cut anywhere; others put a space before every piece.
        self._can_cut = self._backend.decode(self._ids("a") + self._ids("b")) == "ab"

    @property
    def least_exchanges(self) -> int:
        """Without so many, nothing would carry loss."""
        return 1 if self.loss == "assistant" else 2

    @property
    def end_of_turn(self) -> int | None:
        """The token that ends an assistant's turn, where it is a special one."""
        return self._speaker.end_of_turn

    def measure(self, conversation: Conversation, sizes: Sequence[tuple[int, int]]) -> Measured:
        """Count tokens without looking at pixels.

        Args:
            conversation: The conversation.
            sizes: Height and width of each picture.

        Raises:
            RowError: It cannot be encoded.
            UserError: The chat template cannot be used.
        """
        ids, labels = self._tokens(conversation)
        more = sum(self.pictures.count(*size) - 1 for size in sizes)
        return Measured(len(ids) + more, len(labels) - labels.count(IGNORED))

    def encode(self, conversation: Conversation, pictures: Sequence[Any]) -> Encoded:
        """Tokens, labels and pixels.

        Args:
            conversation: The conversation.
            pictures: RGB images, one for every mark.

        Raises:
            RowError: It cannot be encoded.
            UserError: The chat template cannot be used.
        """
        ids, labels = self._tokens(conversation)
        if not pictures:
            return Encoded(ids, labels, [])
        seen = [self.pictures.process(picture) for picture in pictures]
        mark, shown = self.pictures.token_id, iter(seen)
        long_ids: list[int] = []
        long_labels: list[int] = []
        for token, label in zip(ids, labels, strict=True):
            new = next(shown).ids if token == mark else [token]
            long_ids += new
            long_labels += [IGNORED] * len(new) if token == mark else [label]
        return Encoded(long_ids, long_labels, [picture.pixels for picture in seen])

    def _tokens(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        """Ids and labels with one token a picture."""
        spoken = self._speaker.speak(conversation)
        bos = [] if self._bos and spoken.text.startswith(self._bos) else self._prefix
        ids, labels = list(bos), [IGNORED] * len(bos)
        pieces = _pieces(spoken, cut_spans=self._can_cut)
        encodings = self._encodings([text for _, text in pieces])
        mark = self.pictures.token_id
        for (start, piece), encoding in zip(pieces, encodings, strict=True):
            new = encoding.ids
            ids += new
            learnt = _learnt(encoding, start, len(piece), spoken.spans)
            labels += [
                token if learns and token != mark else IGNORED
                for token, learns in zip(new, learnt, strict=True)
            ]
        if ids.count(mark) != len(conversation.images):
            raise RowError(
                f"the chat template shows {ids.count(mark)} of {len(conversation.images)} pictures"
            )
        return ids, labels

    def _ids(self, text: str, *, special: bool = False) -> list[int]:
        return list(self._encodings([text], special=special)[0].ids)

    def _encodings(self, texts: list[str], *, special: bool = False) -> list[Any]:
        # Whoever used the tokenizer last may have left these on.
        self._backend.no_truncation()
        self._backend.no_padding()
        return list(self._backend.encode_batch(texts, add_special_tokens=special))


def _pieces(spoken: Spoken, *, cut_spans: bool) -> list[tuple[int, str]]:
    """The text in pieces that are tokenized on their own, each with its place.

    A span is a piece, since at generation too the prompt's tokens end where the answer begins.
    """
    text = spoken.text
    ends = {place for span in spoken.spans for place in span} if cut_spans else set()
    cuts = [(place, place) for place in ends]
    place = text.find(CUT)
    while place >= 0:
        cuts.append((place, place + len(CUT)))
        place = text.find(CUT, place + len(CUT))
    pieces, begin = [], 0
    for cut, after in sorted(cuts):
        pieces.append((begin, text[begin:cut]))
        begin = after
    pieces.append((begin, text[begin:]))
    return [(start, piece) for start, piece in pieces if piece]


def _learnt(
    encoding: Any, start: int, length: int, spans: Sequence[tuple[int, int]]
) -> Sequence[bool]:
    """Whether each token of a piece lies in a span, at least in part."""
    count = len(encoding.ids)
    met = [span for span in spans if start < span[1] and start + length > span[0]]
    if not met:
        return [False] * count
    if any(begin <= start and start + length <= end for begin, end in met):
        return [True] * count  # most pieces are a span, or stand between two
    places = [(start + first, start + last) for first, last in encoding.offsets]
    return [any(a < end and b > begin for begin, end in met) for a, b in places]
