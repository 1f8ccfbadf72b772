"""How many tokens a picture takes, and the pixels a model reads."""

from __future__ import annotations

import io
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from harness import images
from harness.errors import RowError, UserError
from tasks import ImageRef

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
"""Pictures that training reads, in Pillow's names."""
_HEADER = 1 << 16
_TRIALS = ((40, 60), (300, 50), (500, 700))
_TEXT_OUTPUTS = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
CROSS_ATTENTION = "cross_attention_mask"


def size_of(ref: ImageRef) -> tuple[int, int]:
    """Height and width of a picture, from its header.

    Raises:
        RowError: It is missing, outside its folder, no picture, or too large.
    """
    from PIL import Image

    head = images.read(ref, _HEADER)
    try:
        width, height = Image.open(io.BytesIO(head), formats=FORMATS).size
    # Some headers are longer than what was read, and some formats want the whole file.
    except Exception:  # noqa: BLE001
        return _whole_size(ref)
    _check_size(ref, width, height)
    return height, width


def _whole_size(ref: ImageRef) -> tuple[int, int]:
    from PIL import Image

    data = images.read(ref)
    try:
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except Exception as error:
        raise RowError(f"image {ref.locator!r} is no picture: {error}") from error
    _check_size(ref, width, height)
    return height, width


def _check_size(ref: ImageRef, width: int, height: int) -> None:
    if width * height > images.MAX_PIXELS:
        raise RowError(f"image {ref.locator!r} has {width} x {height} pixels; too many to decode")


class Seen(NamedTuple):
    """One picture, as the model reads it."""

    ids: list[int]
    """Tokens that stand for it."""
    pixels: dict[str, Any]
    """Tensors; the first dimension is one picture, or its patches."""


class PictureTokens:
    """A processor's treatment of pictures.

    Args:
        processor: The checkpoint's.

    Raises:
        UserError: It names no token for a picture.
    """

    def __init__(self, processor: Any) -> None:
        token = getattr(processor, "image_token", None)
        token_id = getattr(processor, "image_token_id", None)
        if not isinstance(token, str) or not isinstance(token_id, int):
            raise UserError("the checkpoint's processor names no image token")
        self._processor = processor
        self._token = token
        self.token_id = token_id
        self._bos = processor.tokenizer.bos_token_id
        self.count = lru_cache(maxsize=65_536)(self._count)

    def process(self, picture: Any) -> Seen:
        """Tokens and pixels of an RGB image.

        Raises:
            RowError: The processor refuses it.
        """
        try:
            made = self._processor(
                text=[self._token],
                images=[[picture]],
                add_special_tokens=False,
                return_tensors="pt",
            )
        # Image processors refuse odd pictures with all kinds of errors.
        except Exception as error:
            raise RowError(f"the processor refuses a picture: {error}") from error
        ids = [i for i in made["input_ids"][0].tolist() if i != self._bos]
        pixels = {k: v for k, v in made.items() if k not in (*_TEXT_OUTPUTS, CROSS_ATTENTION)}
        return Seen(ids, pixels)

    def _count(self, height: int, width: int) -> int:
        """Tokens of a picture of this size.

        Raises:
            RowError: The processor refuses the size.
        """
        try:
            if self._has_formula:
                return self._by_formula(height, width)
            return self._by_trial(height, width)
        except RowError:
            raise
        except Exception as error:
            raise RowError(f"a picture of {width} x {height} pixels: {error}") from error

    @cached_property
    def _has_formula(self) -> bool:
        """Whether the processor tells the tokens of a size, and tells them rightly."""
        if getattr(self._processor, "_get_num_multimodal_tokens", None) is None:
            return False
        try:
            return all(self._by_formula(*size) == self._by_trial(*size) for size in _TRIALS)
        except Exception:  # noqa: BLE001 - a formula that cannot be used, whatever it says
            return False

    def _by_formula(self, height: int, width: int) -> int:
        found = self._processor._get_num_multimodal_tokens(image_sizes=[(height, width)])
        return int(found.num_image_tokens[0])

    def _by_trial(self, height: int, width: int) -> int:
        """Process a plain picture of this size."""
        from PIL import Image

        if CROSS_ATTENTION in self._processor.model_input_names:
            return 1  # the language model reads one mark, and looks at the picture from aside
        return len(self.process(Image.new("RGB", (width, height))).ids)
