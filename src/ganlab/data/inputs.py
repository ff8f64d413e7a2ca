"""Inputs made from images: holes (drawn on the CPU), edges and grey (in integers: the same on every device)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

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


def require_known(kind: str) -> None:
    """Raise ``UserError`` if ``kind`` is not one of `KINDS`."""
    if kind not in KINDS:
        raise UserError(f"data.inputs={kind} is not known: take one of {', '.join(KINDS)}")


def entries_of(kind: str) -> tuple[str, ...]:
    """Return the names of a batch's pictures and masks for inputs of ``kind``."""
    if kind == "none":
        return ("images",)
    return ("inputs", "targets", "masks") if kind in HOLES else ("inputs", "targets")


def draw_masks(kind: str, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Draw the holes of ``count`` pictures, bool (count, size, size), True where a pixel is missing."""
    if kind == "centre_hole":  # half as wide and high as the picture (Pathak et al. 2016, sec. 3.3)
        mask = np.zeros((size, size), bool)
        start = size // 4
        mask[start : start + size // 2, start : start + size // 2] = True
    elif kind == "random_region":  # 20 to 30 %, the same for all pictures (Pathak et al. 2016, sec. 3.3)
        mask = random_region(rng, size)
    else:
        return rectangles(rng, count, size)  # occlusion; rectangles may overlap
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


def rectangles(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Draw `RECTANGLES` inside each of ``count`` pictures, bool (count, size, size)."""
    sides = np.rint(rng.uniform(*RECTANGLE_SIDE, (count, RECTANGLES, 2)) * size).clip(1)
    starts = np.floor(rng.random((count, RECTANGLES, 2)) * (size - sides + 1))
    along = np.arange(size)
    covered = (along >= starts[..., None]) & (along < (starts + sides)[..., None])
    return (covered[:, :, 0, :, None] & covered[:, :, 1, None, :]).any(1)


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
