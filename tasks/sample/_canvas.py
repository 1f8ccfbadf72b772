"""Drawing with smooth edges, and PNG bytes that are the same everywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from copy import copy
from random import Random

from PIL import Image, ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]

PIXELS = 112
"""Pixels a side of the food and remote-sensing pictures."""
_SCALE = 2
_STORED_LIMIT = 65_535


class Pen:
    """Draws a square picture at twice its size and halves it in the end, for smooth edges.

    Args:
        background: Colour of the empty picture.
        side: Pixels a side of the finished picture.
        units: Units a side in which all coordinates and lengths are given.
    """

    def __init__(self, background: Color, *, side: int = PIXELS, units: float = 100) -> None:
        self._factor = side * _SCALE / units
        self._origin = (0.0, 0.0)
        self._image = Image.new("RGB", (side * _SCALE, side * _SCALE), background)
        self._draw = ImageDraw.Draw(self._image)

    def at(self, x: float, y: float, scale: float = 1) -> Pen:
        """A pen on the same picture whose origin is (x, y) and whose units are `scale` as long."""
        pen = copy(self)
        pen._origin = self._pixel((x, y))
        pen._factor = self._factor * scale
        return pen

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fill a circle around (x, y)."""
        self.oval(x, y, radius, radius, color)

    def oval(self, x: float, y: float, rx: float, ry: float, color: Color) -> None:
        """Fill an upright ellipse around (x, y)."""
        self._draw.ellipse(self._pixels([(x - rx, y - ry), (x + rx, y + ry)]), fill=color)

    def ring(self, x: float, y: float, radius: float, width: float, color: Color) -> None:
        """Draw a circle's outline, `width` inwards from `radius`."""
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.ellipse(box, outline=color, width=self._thick(width))

    def box(
        self, left: float, top: float, right: float, bottom: float, color: Color, round_: float = 0
    ) -> None:
        """Fill a rectangle, with corners rounded by the radius `round_`."""
        corners = self._pixels([(left, top), (right, bottom)])
        self._draw.rounded_rectangle(corners, self._thick(round_) if round_ else 0, fill=color)

    def line(self, points: Sequence[Point], width: float, color: Color) -> None:
        """Draw a bent line."""
        self._draw.line(self._pixels(points), color, self._thick(width), joint="curve")

    def arc(
        self,
        x: float,
        y: float,
        radius: float,
        span: tuple[float, float],
        width: float,
        color: Color,
    ) -> None:
        """Draw part of a circle; `span` is in degrees, clockwise from three o'clock."""
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.arc(box, *span, fill=color, width=self._thick(width))

    def shape(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._pixels(points), fill=color)

    def image(self) -> Image.Image:
        """The finished picture."""
        return self._image.reduce(_SCALE)

    def _pixels(self, points: Sequence[Point]) -> list[tuple[int, int]]:
        return [(round(x), round(y)) for x, y in map(self._pixel, points)]

    def _pixel(self, point: Point) -> Point:
        (x, y), (left, top) = point, self._origin
        return left + x * self._factor, top + y * self._factor

    def _thick(self, width: float) -> int:
        return max(1, round(width * self._factor))


def near(color: Color, rng: Random, spread: int = 10) -> Color:
    """A colour at most `spread` away in each channel."""
    red, green, blue = (max(0, min(255, c + rng.randint(-spread, spread))) for c in color)
    return red, green, blue


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG: no metadata, no compression, equal bytes on every machine."""
    # Pillow links zlib here and zlib-ng there, whose streams differ; stored blocks cannot, and
    # the fingerprint of the sample is the same everywhere.
    width, height = image.size
    pixels = image.convert("RGB").tobytes()
    stride = 3 * width
    lines = b"".join(b"\0" + pixels[row * stride : (row + 1) * stride] for row in range(height))
    stream = bytearray(b"\x78\x01")
    for start in range(0, len(lines), _STORED_LIMIT):
        part = lines[start : start + _STORED_LIMIT]
        last = start + _STORED_LIMIT >= len(lines)
        stream += struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF) + part
    stream += struct.pack(">I", zlib.adler32(lines))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", bytes(stream)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
