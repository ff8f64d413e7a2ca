"""The paper's figures of the latent space, laid out as one picture each."""

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.utils import make_grid

PADDING = 2  # white pixels around every image
GAP = 8  # white pixels between parts of a figure


def sheet(images: Tensor) -> Tensor:
    """Return images uint8 (rows, columns, C, H, W) as one picture uint8 (C, height, width)."""
    return make_grid(images.flatten(0, 1), nrow=images.shape[1], padding=PADDING, pad_value=255)


def beside(pictures: list[Tensor]) -> Tensor:
    """Return pictures uint8 (C, height, width) side by side, white gaps between."""
    return _stack(pictures, dim=2)


def arithmetic_picture(exemplars: Tensor, means: Tensor, sums: Tensor, in_pixels: Tensor) -> Tensor:
    """Return a sum of three concepts as one picture uint8 (C, height, width), after Fig. 7.

    A column a concept: its exemplars, and below a gap what their mean latent shows. To the right the nine sums, and
    below them the sum of the pixels.

    Args:
        exemplars: uint8 (3, n, C, H, W).
        means: uint8 (3, C, H, W).
        sums: uint8 (9, C, H, W), the centre fifth.
        in_pixels: uint8 (C, H, W).
    """
    left = _stack([sheet(exemplars.transpose(0, 1)), sheet(means[None])], dim=1)
    right = _stack([sheet(sums.unflatten(0, (3, 3))), sheet(in_pixels[None, None])], dim=1)
    return _stack([left, right], dim=2)


def _stack(parts: list[Tensor], dim: int) -> Tensor:
    """Put pictures (C, height, width) one below (``dim`` 1) or beside (2) the other, a white gap between."""
    across = 3 - dim
    longest = max(part.shape[across] for part in parts)
    cells: list[Tensor] = []
    for part in parts:
        missing, gap = longest - part.shape[across], GAP if cells else 0
        sides = [0, missing, gap, 0] if dim == 1 else [gap, 0, 0, missing]  # left, right, top, bottom
        cells.append(pad(part, sides, value=255))
    return torch.cat(cells, dim=dim)
