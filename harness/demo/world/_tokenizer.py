"""A tokenizer whose tokens are words: what a model of a million parameters can copy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|im_end|>"
SPECIAL = (
    END_OF_TEXT,
    "<|im_start|>",
    END_OF_TURN,
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen2-VL's, in its order."""
UNKNOWN = "<unk>"
_PIECE = re.compile(r"\w+|\n|[^\w\s]")
_NO_SPACE_BEFORE = ".,:;?!)\"'\n"
_NO_SPACE_AFTER = ("(", "\n", "<|im_start|>")


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Every word and every mark of some texts, each once, in order of appearance."""
    return list(dict.fromkeys(piece for text in texts for piece in _PIECE.findall(text)))


def make_tokenizer(pieces: Iterable[str]) -> Any:
    """A fast tokenizer of whole words.

    Spaces are no tokens: decoding puts them back where English has them.

    Args:
        pieces: Words and marks; any other word becomes `<unk>`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {piece: place for place, piece in enumerate((*SPECIAL, UNKNOWN, *pieces))}
    words = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" +"), "removed"),
            pre_tokenizers.Split(Regex(r"\n|[^\w\s]"), "isolated"),
        ]
    )
    closing = [decoders.Replace(f" {mark}", mark) for mark in _NO_SPACE_BEFORE]
    opening = [decoders.Replace(f"{mark} ", mark) for mark in _NO_SPACE_AFTER]
    words.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex(r"^(?=[^<])"), " "),
            decoders.Fuse(),
            *closing,
            *opening,
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        unk_token=UNKNOWN,
        additional_special_tokens=[t for t in SPECIAL if t not in (END_OF_TURN, END_OF_TEXT)],
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
