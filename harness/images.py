"""The one image loader: what is opened, how it is checked, what it becomes."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import warnings
from functools import lru_cache
from typing import NamedTuple, cast

import xxhash
from PIL import Image, UnidentifiedImageError

from harness.errors import RowError
from tasks import ImageRef
from tasks._paths import is_plain_path

MAX_PIXELS = 89_478_485
"""Largest picture that is decoded (a quarter of a gigabyte as RGB)."""
MAX_BYTES = 256 * 1024 * 1024

# What is wrong with a file is its row's reason, not lines on the screen.
warnings.filterwarnings("ignore", module=r"PIL\.")


class Picture(NamedTuple):
    """One decoded picture."""

    image: Image.Image
    """RGB."""
    data: bytes | None
    """The encoded file as it came; None for a picture made here."""
    content: str
    """Fingerprint of the encoded file: what the journal's key holds."""


def load(ref: ImageRef, formats: tuple[str, ...]) -> Picture:
    """Read, check and decode one picture.

    Args:
        ref: Where it is.
        formats: Accepted file formats in Pillow's names.

    Raises:
        RowError: It is missing, outside its folder, not an accepted picture, too large,
            truncated.
    """
    data = read(ref)
    return Picture(decode(data, formats, ref.locator), data, fingerprint(data))


def fingerprint(data: bytes) -> str:
    """Fingerprint of an encoded picture, 32 hex digits."""
    return hashlib.sha256(data).hexdigest()[:32]


def read(ref: ImageRef, most: int | None = None) -> bytes:
    """The encoded file behind a reference.

    Args:
        ref: Where it is.
        most: Only its first bytes, enough for a header.

    Raises:
        RowError: It is missing, outside its folder, an address, or no regular file.
    """
    if ref.data is not None:
        return ref.data[:most]
    if ref.root is None:
        raise RowError(f"no picture at {ref.locator!r}")
    locator = ref.locator
    if "://" in locator:
        raise RowError(f"image {locator!r} is an address; pictures are read from their folder only")
    if not is_plain_path(locator):
        raise RowError(f"image {locator!r} is not a path inside its folder")
    folder, name = os.path.split(locator)
    try:
        return _read_file(_inside(str(ref.root), folder), name, locator, str(ref.root), most)
    except OSError as error:
        raise RowError(f"image {locator!r}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise RowError(f"image {locator!r} is not a path inside its folder: {error}") from error


@lru_cache(maxsize=4096)
def _inside(root: str, folder: str) -> str:
    """The real path of a folder under `root`; cached, since resolving costs more than opening."""
    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, folder))  # noqa: PTH118 - hot path, text in and out
    if real != top and not real.startswith(top + os.sep):
        raise RowError(f"image folder {folder!r} leads out of {root}")
    return real


def _read_file(folder: str, name: str, locator: str, root: str, most: int | None) -> bytes:
    path = f"{folder}{os.sep}{name}"
    # O_NONBLOCK: opening a named pipe must not hang the run.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        real = os.path.realpath(path)
        if not real.startswith(os.path.realpath(root) + os.sep):
            raise RowError(f"image {locator!r} is a link out of its folder") from error
        handle = os.open(real, flags)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RowError(f"image {locator!r} is not a file")
        if status.st_size > MAX_BYTES:
            raise RowError(f"image {locator!r} has {status.st_size:,} bytes; at most {MAX_BYTES:,}")
        if most is not None:
            return os.read(handle, most)
        chunks = []
        while chunk := os.read(handle, max(status.st_size + 1, 65_536)):
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    finally:
        os.close(handle)


def decode(data: bytes, formats: tuple[str, ...], locator: str) -> Image.Image:
    """Decode to RGB; the size is checked from the header before any pixel is.

    Raises:
        RowError: Not an accepted picture, too large, or damaged.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise RowError(f"image {locator!r} has {width} x {height} pixels; too many to decode")
        if image.mode == "RGB" and image.format != "TIFF":
            image.load()
            return image
        rgb = _eight_bits(image, locator).convert("RGB")
        # Some conversions, and TIFF with a plane a colour, leave the unused fourth byte of a pixel
        # at 0, others at 255: one form.
        return Image.frombytes("RGB", rgb.size, rgb.tobytes())
    except RowError:
        raise
    except Image.DecompressionBombError as error:
        raise RowError(f"image {locator!r} has too many pixels to decode: {error}") from error
    except UnidentifiedImageError as error:
        raise RowError(f"image {locator!r} is not {', '.join(formats)}") from error
    # A damaged file makes Pillow's decoders raise almost anything, and none of it is our fault.
    except Exception as error:
        raise RowError(f"image {locator!r} cannot be decoded: {error}") from error


def _eight_bits(image: Image.Image, locator: str) -> Image.Image:
    """Grey of more than 8 bits as Pillow's own conversion to RGB can take it: it only clips.

    16 bits lose their lower byte, as those of a colour picture do when Pillow reads it.
    """
    if image.mode.startswith("I;16"):
        import numpy as np

        # Whatever the byte order of the mode, the array has the numbers.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        low, high = cast("tuple[float, float]", image.getextrema())
        if low < 0 or high > 255:
            raise RowError(
                f"image {locator!r} has 32-bit grey from {low:g} to {high:g}: no telling which is "
                "white; save it with 8 or 16 bits"
            )
    return image


def pixel_hash(image: Image.Image) -> str:
    """Fingerprint (32 hex digits) of size and RGB pixels: rows that share a picture share it."""
    hashed = xxhash.xxh3_128(f"{image.width}x{image.height}".encode())
    # As the pixels lie in memory (a fourth byte of 255 each): three times faster than packing them.
    hashed.update(image.tobytes("raw", "RGBX"))
    return hashed.hexdigest()


def blank(image: Image.Image) -> Picture:
    """A grey picture of the same size, for runs that ask whether the model looks."""
    plain = Image.new("RGB", image.size, (127, 127, 127))
    return Picture(plain, None, f"blank {image.width}x{image.height}")
