"""Sketches of pictures: 64-bit perceptual hashes to find likeness, a thumbnail to decide it."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.images import pixel_hash

THUMB = 48
"""Pixels a side of a thumbnail."""
COLOUR = 12
"""Pixels a side of its colours."""
FLAT = 2.4
"""Contrast in grey levels, slow changes of brightness taken off, below which a picture has nothing
that a hash could hold: recompressing it changes as much as there is. Resizing takes some of it, so
that copies are sure to be found from 3 on."""
_SIDE = 64
_GRID = 32
_FREQUENCIES = 11
# A coefficient counts as positive from a tenth of the others' size on (and from what recompressing
# may add to it): those of symmetrical and of faint pictures are near 0, and their signs are noise.
_SHARE, _NOISE = 0.1, 6.0

_CUTS = ((0.0, 0.0), (0.035, 0.0), (0.0, 0.035), (0.03, 0.03))


class Window(NamedTuple):
    """How much of a picture is cut off at each edge, as shares of its sides."""

    left: float
    right: float
    top: float
    bottom: float


WINDOWS: tuple[Window, ...] = tuple(
    Window(*across, *down) for across, down in product(_CUTS, _CUTS)
)
"""The whole picture first, then the parts of it whose hashes lie near those of any part that was
cut by up to 5 % at each edge."""


class Sketch(NamedTuple):
    """What is kept of one picture."""

    hashes: NDArray[np.uint64]
    """A hash for each of `WINDOWS`; the first is the whole picture's."""
    thumb: NDArray[np.uint8]
    """Grey, `THUMB` x `THUMB`, whatever the picture's shape."""
    colour: NDArray[np.uint8]
    """Cb and Cr, 2 x `COLOUR` x `COLOUR`."""
    contrast: float
    """Standard deviation of the grey values, slow changes of brightness taken off."""
    pixels: bytes
    """Hash of size and pixels (16 bytes)."""


def sketch(image: Image.Image) -> Sketch:
    """Sketch an RGB picture."""
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    planes = np.asarray(small.convert("YCbCr"), np.float32)
    grey = planes[..., 0]
    thumb = _shrunk(grey, THUMB)
    colour = np.stack([_shrunk(planes[..., plane], COLOUR) for plane in (1, 2)])
    pixels = bytes.fromhex(pixel_hash(image))
    contrast = float(detail(thumb[None].astype(np.float32)).std())
    return Sketch(_hashes(grey), thumb, colour, contrast, pixels)


def detail(thumbs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails (n, 48, 48) without their slow changes: the best quadratic surface taken off."""
    flat = thumbs.reshape(len(thumbs), -1)
    surfaces = _surfaces()
    return np.asarray((flat - flat @ surfaces @ surfaces.T).reshape(thumbs.shape), np.float32)


@cache
def _surfaces() -> NDArray[np.float32]:
    """Orthonormal quadratic surfaces over a thumbnail, (48 * 48, 6)."""
    down, across = np.meshgrid(*[np.linspace(-1, 1, THUMB)] * 2, indexing="ij")
    terms = (np.ones_like(down), down, across, down * across, down**2, across**2)
    basis, _ = np.linalg.qr(np.stack([term.ravel() for term in terms], 1))
    return np.asarray(basis, np.float32)


def _hashes(grey: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Signs of the 64 lowest frequencies of the discrete cosine transform, window by window."""
    transform, rows, columns = _transform(), *_lowest()
    every = (transform @ grey @ transform.T).reshape(
        len(_CUTS), _FREQUENCIES, len(_CUTS), _FREQUENCIES
    )
    # (down, v, across, u) to (across, down, frequency), the order of WINDOWS.
    chosen = every.transpose(2, 0, 1, 3)[:, :, rows, columns].reshape(len(WINDOWS), 64)
    size = np.sqrt((chosen**2).mean(-1, keepdims=True))
    bits = chosen > np.maximum(_SHARE * size, _NOISE)
    return np.packbits(bits, axis=-1).view(">u8")[:, 0].astype(np.uint64)


@cache
def _transform() -> NDArray[np.float32]:
    """Rows that resample a cut of 64 values to 32 and take its lowest frequencies (DCT-II)."""
    frequency, place = np.arange(_FREQUENCIES)[:, None], np.arange(_GRID)[None]
    cosines = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _GRID)) * np.sqrt(2 / _GRID)
    cosines[0] /= np.sqrt(2)
    parts = [cosines @ _resampling(low, high, _GRID) for low, high in _CUTS]
    return np.asarray(np.concatenate(parts), np.float32)


def _shrunk(plane: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    matrix = _shrinking(side)
    means = np.rint(matrix @ plane @ matrix.T).clip(0, 255)
    return np.asarray(means, np.uint8)


@cache
def _shrinking(side: int) -> NDArray[np.float32]:
    return _resampling(0.0, 0.0, side)


def _resampling(low: float, high: float, count: int) -> NDArray[np.float32]:
    """Matrix (`count`, 64) of the area means of equal steps from `low` to 1 - `high`."""
    edges = np.linspace(low * _SIDE, (1 - high) * _SIDE, count + 1)[:, None]
    cells = np.arange(_SIDE)[None]
    overlap = np.minimum(edges[1:], cells + 1) - np.maximum(edges[:-1], cells)
    matrix = np.maximum(overlap, 0)
    return np.asarray(matrix / matrix.sum(1, keepdims=True), np.float32)


@cache
def _lowest() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the 64 lowest frequencies but the mean, by their sum."""
    pairs = [pair for pair in product(range(_FREQUENCIES), repeat=2) if pair != (0, 0)]
    pairs.sort(key=lambda pair: (sum(pair), abs(pair[0] - pair[1]), pair))
    chosen = np.array(pairs[:64])
    return chosen[:, 0], chosen[:, 1]
