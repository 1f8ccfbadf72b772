"""Whether two thumbnails show the same picture: lay one on the other, look at what is left over.

Hashes only find candidates. Here the cut is estimated (least squares over four edges, gain and
offset, by Gauss-Newton), and the remainder judged: over the whole picture by correlation, and
locally, so that one disc more or less in otherwise equal drawings is seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth._phash import THUMB, Window, detail

Floats = NDArray[np.float32]
Thumbs = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Grey and colours."""

LEAST_CORRELATION = 0.9
"""Of the pictures, and of what is left of them without their slow changes of brightness: two skies
or two vignettes agree in those alone."""
MOST_OFFSET = 16.0
"""Grey levels by which the mean brightness may differ."""
GAINS = (0.7, 1.4)
"""By how much contrast may differ."""
MOST_COLOUR, COLOUR_SHARE = 3.0, 0.15
"""Levels by which Cb and Cr may differ over half of the picture, and a share of their own standard
deviation on top: strong colours lose most by compression. Not where one picture is grey."""
PLAIN = 0.5
"""A picture of which less than half changes from pixel to pixel is plain: a drawing of few
shapes. Two of one template may hold the same ones in the same places, in other shades."""
PLAIN_OFFSET, PLAIN_COLOUR = 2.5, 3.5
"""What the mean brightness and the mean colour of plain pictures may differ by if nothing else
does: their squares and that of the largest cell, each over its limit, may make 1 together."""
_GREY = 4.0  # largest distance from grey that recompressing leaves in a grey picture
_WHOLE = np.array([0, 1, 0, 1], np.float32)
_CELL = THUMB // 8
# The largest cell mean of what is left over: JPEG's noise, and a share of the contrast for
# edges that resampling has moved by a part of a pixel.
_CELL_NOISE, _CELL_SHARE = 3.0, 0.15
_JPEG_NOISE, _CLEAR = 1.4, 0.95  # grey levels at quality 30; correlation that needs no allowance
_REACH = 0.13  # how far an edge may move
_STEPS = 6


LIMITS = {
    "least_correlation": LEAST_CORRELATION, "most_offset": MOST_OFFSET, "gains": list(GAINS),
    "most_colour": [MOST_COLOUR, COLOUR_SHARE], "most_cell": [_CELL_NOISE, _CELL_SHARE],
    "plain": [PLAIN, PLAIN_OFFSET, PLAIN_COLOUR],
}  # fmt: skip
"""What decides, for a report."""


def whole_boxes(count: int) -> Floats:
    """The start for pictures that were not cut: (count, 4)."""
    return np.tile(_WHOLE, (count, 1))


def box_of(window: Window) -> tuple[float, float, float, float]:
    """Where the second picture's edges lie in the first, if it is that part of it."""
    return window.left, 1 - window.right, window.top, 1 - window.bottom


def box_around(window: Window) -> tuple[float, float, float, float]:
    """Where the second picture's edges lie in the first, if the first is that part of it."""
    width, height = 1 - window.left - window.right, 1 - window.top - window.bottom
    return (
        -window.left / width, 1 + window.right / width,
        -window.top / height, 1 + window.bottom / height,
    )  # fmt: skip


def same_picture(first: Thumbs, second: Thumbs, boxes: Floats) -> NDArray[np.bool_]:
    """Decide, pair by pair.

    Args:
        first: Grey (n, 48, 48) and colours (n, 2, 12, 12).
        second: As many.
        boxes: Where to start: left, right, top and bottom edge of the second picture in the
            first, whose own edges are 0 and 1; (n, 4).
    """
    one, two = (_smooth(grey.astype(np.float32)) for grey, _ in (first, second))
    boxes = _edges(one, two, boxes)
    warped, inside = _warp(one, boxes)
    gain, offset, left_over, correlation, contrast = _compare(warped, two, inside)
    _, _, _, of_detail, faint = _compare(detail(warped) * inside, detail(two) * inside, inside)
    # What recompressing leaves of a faint picture's correlation.
    possible = np.minimum(1, faint / np.sqrt(faint**2 + _JPEG_NOISE**2) / _CLEAR)
    cell = _largest_cell(left_over) / (_CELL_NOISE + _CELL_SHARE * contrast)
    colour, tint = _other_colours(first[1], second[1], boxes)
    tones = (cell <= 1) & (np.abs(offset) <= MOST_OFFSET) & (colour <= MOST_COLOUR)
    few = cell**2 + (offset / PLAIN_OFFSET) ** 2 + (tint / PLAIN_COLOUR) ** 2 <= 1
    return np.asarray(
        (np.minimum(correlation, of_detail) >= LEAST_CORRELATION * possible)
        & np.where(_plain(one) | _plain(two), few, tones)
        & (gain >= GAINS[0])
        & (gain <= GAINS[1])
    )


def _plain(pictures: Floats) -> NDArray[np.bool_]:
    """Which of some smoothed thumbnails are the same from pixel to pixel over half of them."""
    down, across = np.gradient(pictures, axis=(1, 2))
    changes = np.hypot(down, across) > 1
    return np.asarray(changes.mean((1, 2)) < PLAIN)


def _other_colours(
    first: NDArray[np.uint8], second: NDArray[np.uint8], boxes: Floats
) -> tuple[Floats, Floats]:
    """Median difference of Cb or Cr, the worse, less its share; and how far their means lie apart.

    Both are 0 where one picture is grey.
    """
    one, two = first.astype(np.float32), second.astype(np.float32)
    grey = np.minimum(*(np.abs(colours - 128).max((1, 2, 3)) for colours in (one, two))) <= _GREY
    worst = np.zeros(len(boxes), np.float32)
    means = np.zeros(len(boxes), np.float32)
    for plane in (0, 1):
        warped, inside = _warp(one[:, plane], boxes)
        apart = np.where(inside > 0, warped - two[:, plane], np.float32(np.nan))
        share = COLOUR_SHARE * two[:, plane].std((1, 2))
        worst = np.maximum(worst, np.nanmedian(np.abs(apart), (1, 2)) - share)
        means = np.hypot(means, np.nanmean(apart, (1, 2)))
    none = np.float32(0)
    return np.where(grey, none, worst), np.where(grey, none, means)


def _smooth(pictures: Floats) -> Floats:
    """Binomial filter (1 2 1) both ways: what only one of two copies has kept is not compared."""
    for axis in (1, 2):
        padded = np.pad(pictures, [(1, 1) if a == axis else (0, 0) for a in range(3)], "edge")
        inner = [
            padded[:, i : i + THUMB] if axis == 1 else padded[:, :, i : i + THUMB] for i in range(3)
        ]
        pictures = (inner[0] + 2 * inner[1] + inner[2]) / np.float32(4)
    return pictures


def _edges(one: Floats, two: Floats, boxes: Floats) -> Floats:
    """Where the second's edges lie in the first, by Gauss-Newton."""
    boxes = boxes.astype(np.float32)
    for _ in range(_STEPS):
        warped, inside = _warp(one, boxes)
        gain, _, left_over, _, _ = _compare(warped, two, inside)
        moved = boxes + _step(warped, inside, gain, left_over, boxes)
        boxes = np.clip(moved, _WHOLE - _REACH, _WHOLE + _REACH).astype(np.float32)
    return boxes


def _compare(
    warped: Floats, two: Floats, inside: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    count = np.maximum(inside.sum((1, 2)), 1)
    means = [(picture * inside).sum((1, 2)) / count for picture in (warped, two)]
    a = (warped - means[0][:, None, None]) * inside
    b = (two - means[1][:, None, None]) * inside
    aa, bb, ab = ((x * y).sum((1, 2)) for x, y in ((a, a), (b, b), (a, b)))
    gain = ab / (aa + 1e-6)
    left_over = b - gain[:, None, None] * a
    correlation = ab / np.sqrt(aa * bb + 1e-6)
    return gain, means[1] - means[0], left_over, correlation, np.sqrt(bb / count)


def _step(
    warped: Floats, inside: Floats, gain: Floats, left_over: Floats, boxes: Floats
) -> NDArray[np.float64]:
    """One damped Gauss-Newton step of the four edges; gain and offset are solved for along."""
    count = len(warped)
    along = ((np.arange(THUMB) + 0.5) / THUMB).astype(np.float32)
    down, across = np.gradient(warped, axis=(1, 2))
    scale = THUMB * gain[:, None, None] * inside
    across = across * scale / (boxes[:, 1] - boxes[:, 0])[:, None, None]
    down = down * scale / (boxes[:, 3] - boxes[:, 2])[:, None, None]
    parts = (
        across * (1 - along), across * along,
        down * (1 - along)[:, None], down * along[:, None],
        warped * inside, inside,
    )  # fmt: skip
    slopes = np.stack(parts, -1).reshape(count, THUMB * THUMB, 6).astype(np.float32)
    turned = slopes.transpose(0, 2, 1)
    normal = (turned @ slopes).astype(np.float64)
    diagonal = np.einsum("nii->ni", normal)
    normal += np.einsum("ni,ij->nij", diagonal * 1e-3 + 1e-6, np.eye(6))
    right = (turned @ left_over.reshape(count, -1, 1)).astype(np.float64)
    return np.clip(np.linalg.solve(normal, right)[:, :4, 0], -0.03, 0.03)


def _warp(pictures: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """The part of each picture inside its box, and 1 where there is something to compare."""
    side = pictures.shape[-1]
    each = np.arange(len(pictures))[:, None]
    column, part_x, seen_x = _places(boxes[:, 0], boxes[:, 1], side)
    row, part_y, seen_y = _places(boxes[:, 2], boxes[:, 3], side)
    rows = _between(pictures[each, row], pictures[each, row + 1], part_y).transpose(0, 2, 1)
    warped = _between(rows[each, column], rows[each, column + 1], part_x).transpose(0, 2, 1)
    return warped, (seen_y[:, :, None] & seen_x[:, None, :]).astype(np.float32)


def _places(
    low: Floats, high: Floats, side: int
) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Of each pixel along a side: the cell it comes from, how far into it, whether it counts.

    The outermost pixels do not: filters had nothing to reach for beyond the edge.
    """
    index = np.arange(side)
    place = (low[:, None] + (high - low)[:, None] * (index + 0.5) / side) * side - 0.5
    seen = (place >= 1) & (place <= side - 2) & (np.minimum(index, side - 1 - index) >= 1)
    place = np.clip(place, 0, side - 1)
    cell = np.minimum(place.astype(np.int64), side - 2)
    return cell, (place - cell).astype(np.float32), seen


def _between(low: Floats, high: Floats, part: Floats) -> Floats:
    return low + (high - low) * part[..., None]


def _largest_cell(left_over: Floats) -> Floats:
    """Largest absolute mean over cells of an eighth of the side, each half over its neighbour."""
    sums = np.pad(left_over, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    low = np.arange(0, THUMB - _CELL + 1, _CELL // 2)
    high = low + _CELL
    cells = (
        sums[:, high][:, :, high] - sums[:, low][:, :, high]
        - sums[:, high][:, :, low] + sums[:, low][:, :, low]
    )  # fmt: skip
    return np.asarray(np.abs(cells).max((1, 2)) / _CELL**2)
