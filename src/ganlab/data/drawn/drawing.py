"""Anti-aliased painting of flat shapes in NumPy: the same pixels on every machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]] | np.ndarray

FRAME = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
SUBROWS = 4  # scan lines per pixel; coverage along a scan line is exact
CHUNK = 15_000  # pixels of coverage held at once; the allocator would map and unmap larger arrays each time


@dataclass(frozen=True)
class Fade:
    """Opacity that falls smoothly from 1 at ``start`` to 0 at ``end``; radial: at the ellipse of half axes ``end``."""

    start: tuple[float, float]
    end: tuple[float, float]
    radial: bool = False

    def weights(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return weights in [0, 1] at columns ``x`` (w,) and rows ``y`` (h,): (h, w), or (h, 1) if equal in a row."""
        if self.radial:
            across, down = (x - self.start[0]) / self.end[0], (y - self.start[1]) / self.end[1]
            t = np.sqrt(np.square(across)[None, :] + np.square(down)[:, None])
        else:
            dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
            scale = 1 / (dx * dx + dy * dy)
            t = ((y - self.start[1]) * (dy * scale))[:, None]
            if dx:
                t = t + ((x - self.start[0]) * (dx * scale))[None, :]
        t = np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        return 1 - t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Shape:
    """An area bounded by closed polygons, and its paint."""

    contours: tuple[Points, ...]  # in image sides, (0, 0) at the top left; one that runs the other way is a hole
    colour: Colour  # RGB in [0, 1]
    opacity: float = 1.0
    fade: Fade | None = None
    gain: bool = False  # the colour multiplies what lies below (shadow below 1, light above 1), else it covers
    kind: int | None = None  # number in the mask where it covers at least half a pixel; None: not written


class Painting:
    """Collects shapes in painting order, from the back to the front."""

    kinds: Sequence[str]  # names of the mask's numbers

    def __init__(self) -> None:
        self.shapes: list[Shape] = []

    def _fill(
        self,
        contours: Sequence[Points],
        colour: Colour,
        kind: int | str | None = None,
        opacity: float = 1.0,
        fade: Fade | None = None,
        gain: bool = False,
    ) -> None:
        number = self.kinds.index(kind) if isinstance(kind, str) else kind
        self.shapes.append(Shape(tuple(contours), colour, opacity, fade, gain, number))


def paint(shapes: Sequence[Shape], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint ``shapes`` in order; return the image (size, size, 3) and its mask of kinds (size, size), both uint8."""
    image = np.zeros((3, size, size), np.float32)  # channels first: NumPy's inner loops run along whole rows
    mask = np.zeros((size, size), np.uint8)
    centres = _centres(size)
    colours = np.array([shape.colour for shape in shapes], np.float32)[:, :, None, None]
    for number, coverage, (rows, columns) in _covered(shapes, size):
        shape, colour = shapes[number], colours[number]
        if shape.kind is not None:
            np.putmask(mask[rows, columns], coverage >= 0.5, shape.kind)
        weight = coverage * np.float32(shape.opacity) if shape.opacity != 1 else coverage
        if shape.fade is not None:
            weight = weight * shape.fade.weights(centres[columns], centres[rows])
        below = image[:, rows, columns]
        if shape.gain:
            below *= 1 + weight * (colour - 1)
        else:
            below += weight * (colour - below)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0).copy(), mask


def bounds(mask: np.ndarray, kind: int) -> tuple[float, float, float, float]:
    """Return the tight box (x0, y0, x1, y1) of the pixels of ``kind``, in units of the image side; zeros if none."""
    here = mask == kind
    columns, rows = np.flatnonzero(here.any(0)), np.flatnonzero(here.any(1))
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def ellipse(x: float, y: float, rx: float, ry: float, points: int = 32) -> np.ndarray:
    """Return the contour (points, 2) of an ellipse around (x, y) with half axes rx and ry."""
    return _circle(points) * (rx, ry) + (x, y)


def smooth(corners: Points, steps: int = 6) -> np.ndarray:
    """Return the contour (n * steps, 2) of a closed Catmull-Rom curve through ``corners`` (n, 2)."""
    points = np.asarray(corners, np.float64)
    return _catmull_rom(len(points), steps) @ points


def tone(colour: Colour, factor: float) -> Colour:
    """Return a brighter (factor above 1) or darker colour."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Interpolate from ``colour`` to ``other`` by ``share``."""
    return tuple(a + share * (b - a) for a, b in zip(colour, other, strict=True))  # type: ignore[return-value]


def _covered(shapes: Sequence[Shape], size: int) -> Iterator[tuple[int, np.ndarray, tuple[slice, slice]]]:
    """Yield for each visible shape: its number, its coverage, float32 (h, w) in [0, 1], and its rows and columns."""
    contours = [contour for shape in shapes for contour in shape.contours]
    ends = np.cumsum([len(contour) for contour in contours])
    following = np.arange(1, ends[-1] + 1)
    following[ends - 1] = np.concatenate([[0], ends[:-1]])
    start = np.concatenate(contours) * size
    end = start[following]
    firsts = np.cumsum([0, *(sum(map(len, shape.contours)) for shape in shapes)])
    low = np.clip(np.floor(np.minimum.reduceat(start, firsts[:-1])), 0, size).astype(int)
    high = np.clip(np.ceil(np.maximum.reduceat(start, firsts[:-1])), low, size).astype(int)
    areas = (high - low).prod(1)
    group = 0
    while group < len(shapes):
        last = max(group + 1, int(np.searchsorted(np.cumsum(areas[group:]), CHUNK, "right")) + group)
        edges = slice(firsts[group], firsts[last])
        owners = np.repeat(np.arange(last - group), np.diff(firsts[group : last + 1]))
        coverages = _coverage(start[edges], end[edges], owners, low[group:last], high[group:last], size)
        corners = zip(low[group:last].tolist(), high[group:last].tolist(), strict=True)
        numbers = range(group, last)
        for number, coverage, ((left, top), (right, bottom)) in zip(numbers, coverages, corners, strict=True):
            if coverage.size:
                yield number, coverage, (slice(top, bottom), slice(left, right))
        group = last


def _coverage(
    start: np.ndarray, end: np.ndarray, owners: np.ndarray, low: np.ndarray, high: np.ndarray, size: int
) -> Iterator[np.ndarray]:
    """Yield for each owner of the edges ``start``-``end`` (e, 2) its share of each pixel from ``low`` to ``high``."""
    width, height = (high - low).T  # of each owner's window; windows are stored one after the other
    offsets = np.cumsum(height * (width + 1)) - height * (width + 1)
    total = int(np.sum(height * (width + 1)))  # the extra cell of a row: a closed contour's steps sum to zero there
    first = np.ceil(np.clip(np.minimum(start[:, 1], end[:, 1]), 0, size) * SUBROWS - 0.5).astype(int)
    last = np.ceil(np.clip(np.maximum(start[:, 1], end[:, 1]), 0, size) * SUBROWS - 0.5).astype(int)
    crossings = (last - first) * (width > 0)[owners]
    edge = np.repeat(np.arange(len(start)), crossings)
    line = np.arange(len(edge)) + (first - np.cumsum(crossings) + crossings)[edge]
    dx, dy = (end - start).T
    slope = np.divide(dx, dy, out=np.zeros_like(dx), where=dy != 0)
    x = line * (slope / SUBROWS)[edge]
    x += (start[:, 0] - (start[:, 1] - 0.5 / SUBROWS) * slope)[edge]
    x = np.minimum(np.maximum(x, 0, out=x), size, out=x)
    column = np.minimum(x.astype(int), size - 1)
    row_length = (width + 1)[owners]
    cell = line // SUBROWS * row_length[edge] + column
    cell += (offsets[owners] - low[owners, 1] * row_length - low[owners, 0])[edge]
    step = (np.sign(dy) / SUBROWS)[edge]  # of the winding to the right of a crossing; their sum is the coverage
    beyond = (x - column) * step
    steps = np.bincount(cell, step - beyond, total + 1) + np.bincount(cell + 1, beyond, total + 1)
    inside = np.minimum(np.abs(np.cumsum(steps)), 1).astype(np.float32)
    for offset, rows, columns in zip(offsets.tolist(), height.tolist(), width.tolist(), strict=True):
        yield inside[offset : offset + rows * (columns + 1)].reshape(rows, columns + 1)[:, :-1]


@lru_cache(maxsize=8)
def _centres(size: int) -> np.ndarray:
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


@lru_cache(maxsize=8)
def _circle(points: int) -> np.ndarray:
    angle = np.arange(points) * (2 * np.pi / points)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


@lru_cache(maxsize=64)
def _catmull_rom(corners: int, steps: int) -> np.ndarray:
    """Return the weights (corners * steps, corners) of the corners in each point of their closed curve."""
    t = (np.arange(steps) / steps)[None, :, None]
    p1 = np.eye(corners)
    p0, p2, p3 = (np.roll(p1, shift, 0)[:, None] for shift in (1, -1, -2))
    p1 = p1[:, None]
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return curve.reshape(-1, corners)
