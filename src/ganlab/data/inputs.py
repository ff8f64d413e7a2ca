"""Inputs made from images: holes (drawn on the CPU), edges and grey (in integers: the same on every device)."""

from dataclasses import dataclass
from math import sqrt
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ganlab.arguments import Count, Natural, Within, checked
from ganlab.errors import UserError
from ganlab.transfer import send

HOLES = ("centre_hole", "random_region", "occlusion")
KINDS = ("none", *HOLES, "edges", "grey")
MEAN_COLOUR = (117, 104, 123)  # RGB, fills holes (Pathak et al. 2016, authors' code)

# A random region is where low-frequency noise is small. The authors crop 128 pixels from a 10,000 pixel pattern that is
# enlarged from 600: CELLS is the number of noise cells along a side, for any picture size.
CELLS = 128 * 600 / 10_000
DENSITY = 0.25
REGION = (0.20, 0.30)  # allowed share of the picture

RECTANGLES = 3
RECTANGLE_SIDE = (1 / 8, 3 / 8)  # in shares of the picture's side
COVERED = 0.172  # mean share of the picture that such rectangles cover
CANDIDATES = 8  # drawn for each picture, of which the one nearest to a level is taken
LEVELS = (0.10, 0.20, 0.35)  # of occlusion, at which the project measures

Level = Annotated[float, Within(0.01, 0.5)]

REFERENCE_SIDE = 128  # pixels of the authors' pictures, in which an overlap is given


@checked
@dataclass(frozen=True)
class MadeInputs:
    """How inputs and targets are made from images.

    Attributes:
        kind: one of `KINDS`.
        overlap: width of the rim of a hole that is predicted although inputs show it, in pixels of a picture of 128
            (authors: 4); it scales with the picture.
        level: share of the picture that an occlusion covers, nearly; None: rectangles with sides of 1/8 to 3/8.
        channels: 1 makes the inputs grey, with one channel; None keeps those of the targets.
    """

    kind: str = "none"
    overlap: Natural = 0
    level: Level | None = None
    channels: Count | None = None

    def __post_init__(self) -> None:
        """Raise ``UserError`` if the kind is unknown, or has no use for another value."""
        if self.kind not in KINDS:
            raise UserError(f"data.inputs={self.kind} is not known: take one of {', '.join(KINDS)}")
        if self.overlap and self.kind not in HOLES:
            raise UserError(f"data.overlap={self.overlap} is the rim of a hole: type data.inputs=centre_hole")
        if self.level is not None and self.kind != "occlusion":
            raise UserError(f"data.level={self.level} is the share of an occlusion: type data.inputs=occlusion")

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of a batch's pictures and masks."""
        if self.kind == "none":
            return ("images",)
        return ("inputs", "targets", "masks") if self.kind in HOLES else ("inputs", "targets")

    def draw(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray | None:
        """Draw the holes of ``count`` pictures, see `draw_masks`; None if the kind has none."""
        return draw_masks(self.kind, rng, count, size, self.level) if self.kind in HOLES else None

    def make(self, images: Tensor, masks: Tensor | None) -> dict[str, Tensor]:
        """Return inputs and targets, uint8 (B, H, W, C), see `make_inputs`.

        With holes also ``masks``, bool (B, H, W): what is predicted; and with an overlap ``rim``, bool (B, H, W): what
        of it the inputs show.
        """
        if masks is None or not self.overlap:
            return self.in_channels(make_inputs(self.kind, images, masks))
        rim = masks & grown(~masks, round(self.overlap * images.shape[2] / REFERENCE_SIDE))
        return self.in_channels(make_inputs(self.kind, images, masks & ~rim) | {"masks": masks, "rim": rim})

    def in_channels(self, pictures: dict[str, Tensor]) -> dict[str, Tensor]:
        """Make ``inputs`` (B, H, W, C), if there are some, grey where one channel is asked for."""
        if self.channels == 1 and "inputs" in pictures and pictures["inputs"].shape[-1] != 1:
            pictures["inputs"] = grey(pictures["inputs"])[..., None]
        return pictures


def grown(masks: Tensor, width: int) -> Tensor:
    """Grow masks, bool (B, H, W), by ``width`` pixels to all sides."""
    return max_pool2d(masks.float(), 2 * width + 1, stride=1, padding=width) > 0


def draw_masks(kind: str, rng: np.random.Generator, count: int, size: int, level: float | None = None) -> np.ndarray:
    """Draw the holes of ``count`` pictures, bool (count, size, size), True where a pixel is missing."""
    if kind == "centre_hole":  # half as wide and high as the picture (Pathak et al. 2016, sec. 3.3)
        mask = np.zeros((size, size), bool)
        start = size // 4
        mask[start : start + size // 2, start : start + size // 2] = True
    elif kind == "random_region":  # 20 to 30 %, the same for all pictures (Pathak et al. 2016, sec. 3.3)
        mask = random_region(rng, size)
    else:
        return occlusions(rng, count, size, level)
    return np.broadcast_to(mask, (count, size, size))


def random_region(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw one region, bool (size, size): bicubically enlarged noise below a threshold, redrawn until its area fits."""
    cells = int(CELLS) + 3  # the visible ones, one for the shift, and the margin of the kernel
    side = round(size * cells / CELLS)
    while True:
        noise = torch.from_numpy(rng.random((1, 1, cells, cells), np.float32))
        pattern = interpolate(noise, size=(side, side), mode="bicubic", align_corners=False)[0, 0].numpy()
        top, left = rng.integers(0, side - size + 1, 2)
        mask = pattern[top : top + size, left : left + size] < DENSITY
        if REGION[0] <= mask.mean() <= REGION[1] or size < 4:  # with so few pixels no share may fit
            return mask


def occlusions(rng: np.random.Generator, count: int, size: int, level: float | None = None) -> np.ndarray:
    """Draw `RECTANGLES` inside each of ``count`` pictures, bool (count, size, size), which cover nearly ``level``."""
    if level is None:
        return rectangles(rng, (count,), size)
    drawn = rectangles(rng, (count, CANDIDATES), size, sqrt(level / COVERED))
    nearest = np.abs(drawn.mean((2, 3)) - level).argmin(axis=1)
    return drawn[np.arange(count), nearest]


def rectangles(rng: np.random.Generator, shape: tuple[int, ...], size: int, scale: float = 1.0) -> np.ndarray:
    """Draw sets of `RECTANGLES`, which may overlap, bool (*shape, size, size); ``scale`` enlarges their sides."""
    sides = np.rint(rng.uniform(*RECTANGLE_SIDE, (*shape, RECTANGLES, 2)) * scale * size).clip(1, size)
    starts = np.floor(rng.random((*shape, RECTANGLES, 2)) * (size - sides + 1))
    along = np.arange(size)
    covered = (along >= starts[..., None]) & (along < (starts + sides)[..., None])
    return (covered[..., 0, :, None] & covered[..., 1, None, :]).any(-3)


def make_inputs(kind: str, images: Tensor, masks: Tensor | None) -> dict[str, Tensor]:
    """Return inputs and targets, uint8 (B, H, W, C) like ``images``; with holes also masks, bool (B, H, W)."""
    if masks is not None:
        return {"inputs": fill(images, masks), "targets": images, "masks": masks}
    values = grey(images) if kind == "grey" else edges(images)  # equal in all channels; edges are dark on white
    return {"inputs": values[..., None].expand_as(images).contiguous(), "targets": images}


def fill(images: Tensor, masks: Tensor) -> Tensor:
    """Return ``images`` (B, H, W, C) with the mean colour where ``masks`` (B, H, W) are True."""
    colour = torch.tensor(MEAN_COLOUR, dtype=torch.uint8)
    if images.shape[-1] == 1:
        colour = grey(colour.view(1, 1, 1, 3)).view(1)
    return torch.where(masks[..., None], send(colour, images.device), images)


def grey(images: Tensor) -> Tensor:
    """Return ITU-R 601 grey, uint8 (B, H, W), of uint8 images (B, H, W, C), rounded as in Pillow."""
    if images.shape[-1] == 1:
        return images[..., 0]
    red, green, blue = images.int().unbind(-1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).byte()


def edges(images: Tensor) -> Tensor:
    """Return a drawing, uint8 (B, H, W): 255 minus half the Sobel gradient magnitude of grey, at least 0."""
    padded = grey(images).int()
    padded = torch.cat([padded[:, :1], padded, padded[:, -1:]], dim=1)
    padded = torch.cat([padded[:, :, :1], padded, padded[:, :, -1:]], dim=2)
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    along = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    squares = (across[:, :, 2:] - across[:, :, :-2]) ** 2 + (along[:, 2:] - along[:, :-2]) ** 2
    return 255 - (squares.float().sqrt() / 2).clamp(max=255).byte()
