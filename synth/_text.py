"""Strangers' text: what may become part of a training row, and choices that hang on a row's id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TypeVar

CHECKS_VERSION = 1
"""Part of the fingerprint of every stage whose texts are checked here: counted up when other texts
are refused, so that no finished stage keeps what is refused now."""
_Item = TypeVar("_Item")

# Any family's special tokens, picture marks and role marks. A tokenizer would take them for its
# own, and a picture mark without a picture stops a training run.
_MARK = re.compile(
    r"""
    <\|[^|<>\s]{1,64}\|?> | <[^|<>\s]{1,64}\|>            # Llama 3, Qwen, Phi, Gemma 4, ...
    | <\uff5c[^|<>]{1,64}\uff5c>                          # DeepSeek
    | </?(?:s|bos|eos|pad|unk|mask|cls|sep)(?:_token)?>   # SentencePiece families, Cohere
    | </?(?:image|video|audio|img)(?:_(?:pad|id|soft_token|placeholder|start|end|context))?>
    | <(?:fake_token_around_image|(?:start|end)_of_(?:image|audio|turn|utterance)
        |im_(?:start|end|patch|col)|global-img|row_\d+_col_\d+|loc\d{4}|seg\d{3}|unused\d+)>
    | </?(?:slice|quad|ref|box)>                          # regions: InternVL, MiniCPM, Qwen
    | <</?SYS>>
    | \[/?(?:INST|AVAILABLE_TOOLS|SYSTEM_PROMPT|TOOL_(?:CALLS|CONTENT|RESULTS))\]
    | \[(?:IMG(?:_BREAK|_END)?|gMASK)\]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")


def forged_mark(text: str) -> str | None:
    """The first text a tokenizer or a data reader would take for a mark of its own."""
    found = _MARK.search(text)
    return found[0] if found else None


def fault_of(text: str, most: int) -> str | None:
    """Why a text may not become part of a training row; None if it may.

    Args:
        text: What a data set or a model says.
        most: Characters it may have.
    """
    if not text.strip():
        return "empty"
    if len(text) > most:
        return f"{len(text):,} characters; at most {most:,}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8 text"
    if (control := _CONTROL.search(text)) is not None:
        return f"holds the control character U+{ord(control[0]):04X}"
    if (mark := forged_mark(text)) is not None:
        return f"holds the chat mark {mark}"
    return None


def tidy(text: str) -> str:
    """Text with its lines' ends as newlines, no blanks around it, and no byte order mark."""
    return "\n".join(line.rstrip() for line in text.lstrip("\ufeff").strip().splitlines())


def shortened(text: str, most: int = 400) -> str:
    """The start of a text, for a reject's detail."""
    clean = text[: most + 1].encode(errors="replace").decode()
    return clean if len(text) <= most else f"{clean[:most]} ..."


def number_of(seed: int, row_id: str, purpose: str) -> int:
    """64 bits that follow from seed, row id and purpose alone, whatever the rows' order."""
    text = f"{seed}\0{purpose}\0{row_id}"
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def fraction_of(seed: int, row_id: str, purpose: str) -> float:
    """As `number_of`, between 0 and 1 (1 is left out)."""
    return (number_of(seed, row_id, purpose) >> 11) / (1 << 53)


def pick(options: Sequence[_Item], seed: int, row_id: str, purpose: str) -> _Item:
    """One of several, chosen as `number_of` says."""
    return options[number_of(seed, row_id, purpose) % len(options)]
