"""Anti-aliased painting of flat shapes, by numpy alone: the same pixels on every machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]] | np.ndarray

FRAME = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
SUBROWS = 6  # scan lines a pixel; along a scan line coverage is exact
CHUNK = 4_000_000  # most pixels of coverage held at once


@dataclass(frozen=True)
class Fade:
    """Opacity that falls smoothly from 1 to 0.

    Linear: from the point ``start`` to the point ``end``. Radial: from ``start``, the centre, to the ellipse around it
    with half axes ``end``.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    radial: bool = False

    def weights(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the weights (h,w) in 0..1 at columns ``x`` (w,) and rows ``y`` (h,)."""
        if self.radial:
            across, down = (x - self.start[0]) / self.end[0], (y - self.start[1]) / self.end[1]
            t = np.sqrt(np.square(across)[None, :] + np.square(down)[:, None])
        else:
            dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
            scale = 1 / (dx * dx + dy * dy)
            t = ((x - self.start[0]) * (dx * scale))[None, :] + ((y - self.start[1]) * (dy * scale))[:, None]
        t = np.clip(t, 0, 1)
        return 1 - t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Shape:
    """An area bounded by closed polygons, and what is painted there.

    Coordinates are in units of the image side, (0, 0) at the top left; points may lie outside. Several contours are
    painted as one; a contour that runs the other way round cuts a hole. ``colour`` is RGB in 0..1. ``gain``: the colour
    is a factor on what lies below (shadow below 1, light above 1) instead of paint. ``kind``: the number that the mask
    takes where the shape covers at least half a pixel; None leaves the mask alone.
    """

    contours: tuple[Points, ...]
    colour: Colour
    opacity: float = 1.0
    fade: Fade | None = None
    gain: bool = False
    kind: int | None = None


def paint(shapes: Sequence[Shape], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint ``shapes`` in order: the image (size,size,3) and its mask of kinds (size,size), both uint8."""
    image = np.zeros((size, size, 3), np.float32)
    mask = np.zeros((size, size), np.uint8)
    centres = _centres(size)
    for shape, coverage, (rows, columns) in _covered(shapes, size):
        if shape.kind is not None:
            mask[rows, columns][coverage >= 0.5] = shape.kind
        weight = coverage * np.float32(shape.opacity) if shape.opacity != 1 else coverage
        if shape.fade is not None:
            weight = weight * shape.fade.weights(centres[columns], centres[rows])
        below = image[rows, columns]
        colour = np.array(shape.colour, np.float32)
        if shape.gain:
            below *= 1 + weight[..., None] * (colour - 1)
        else:
            below += weight[..., None] * (colour - below)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), mask


def bounds(mask: np.ndarray, kind: int) -> tuple[float, float, float, float]:
    """Return the tight box (x0,y0,x1,y1) of the pixels of ``kind`` in units of the image side; zeros where none is."""
    here = mask == kind
    columns, rows = np.flatnonzero(here.any(0)), np.flatnonzero(here.any(1))
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def ellipse(x: float, y: float, rx: float, ry: float, points: int = 32) -> np.ndarray:
    """Return the contour (points,2) of an ellipse around (x, y) with half axes rx and ry."""
    return _circle(points) * (rx, ry) + (x, y)


def smooth(corners: Points, steps: int = 6) -> np.ndarray:
    """Return the contour (n*steps,2) of a closed Catmull-Rom curve through ``corners`` (n,2)."""
    p1 = np.asarray(corners, np.float64)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (p0, p1, p2, p3))
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return curve.reshape(-1, 2)


def _covered(shapes: Sequence[Shape], size: int) -> Iterator[tuple[Shape, np.ndarray, tuple[slice, slice]]]:
    """Yield each shape that shows, with its coverage (h,w) float32 in 0..1 and the rows and columns that this fills."""
    at_once = max(1, CHUNK // (size * (size + 1)))
    for first in range(0, len(shapes), at_once):
        chunk = shapes[first : first + at_once]
        counts = [len(contour) for shape in chunk for contour in shape.contours]
        owners = np.repeat(np.arange(len(chunk)), [sum(map(len, shape.contours)) for shape in chunk])
        points = np.concatenate([np.asarray(contour) for shape in chunk for contour in shape.contours]) * size
        following = np.arange(1, len(points) + 1)
        ends = np.cumsum(counts)
        following[ends - 1] = ends - counts
        coverages = _coverage(points, points[following], owners, len(chunk), size)
        starts = np.searchsorted(owners, np.arange(len(chunk)))
        low = np.clip(np.floor(np.minimum.reduceat(points, starts)), 0, size).astype(int).tolist()
        high = np.clip(np.ceil(np.maximum.reduceat(points, starts)), 0, size).astype(int).tolist()
        for shape, coverage, (left, top), (right, bottom) in zip(chunk, coverages, low, high, strict=True):
            if left < right and top < bottom:
                yield shape, coverage[top:bottom, left:right], (slice(top, bottom), slice(left, right))


def _coverage(start: np.ndarray, end: np.ndarray, owners: np.ndarray, count: int, size: int) -> np.ndarray:
    """Return the share of each pixel (count,size,size) that each owner of the edges ``start``-``end`` (e,2) covers.

    Where an edge crosses a scan line, everything right of the crossing is one deeper inside or outside; the sum of
    these steps along the line is the coverage.
    """
    first = np.ceil(np.clip(np.minimum(start[:, 1], end[:, 1]), 0, size) * SUBROWS - 0.5).astype(int)
    last = np.ceil(np.clip(np.maximum(start[:, 1], end[:, 1]), 0, size) * SUBROWS - 0.5).astype(int)
    crossings = last - first
    edge = np.repeat(np.arange(len(start)), crossings)
    line = np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings) + first[edge]
    dx, dy = (end - start).T
    slope = np.divide(dx, dy, out=np.zeros_like(dx), where=dy != 0)
    x = np.clip(start[edge, 0] + ((line + 0.5) / SUBROWS - start[edge, 1]) * slope[edge], 0, size)
    column = np.minimum(x.astype(int), size - 1)
    cell = (owners[edge] * size + line // SUBROWS) * (size + 1) + column
    step = np.sign(dy)[edge] / SUBROWS
    right = (x - column) * step
    steps = np.bincount(cell, step - right, count * size * (size + 1))
    steps += np.bincount(cell + 1, right, count * size * (size + 1))
    inside = np.cumsum(steps.reshape(count, size, size + 1).astype(np.float32)[..., :-1], axis=-1)
    return np.minimum(np.abs(inside, out=inside), 1, out=inside)


@lru_cache(maxsize=8)
def _centres(size: int) -> np.ndarray:
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


@lru_cache(maxsize=8)
def _circle(points: int) -> np.ndarray:
    angle = np.arange(points) * (2 * np.pi / points)
    return np.stack([np.cos(angle), np.sin(angle)], 1)
