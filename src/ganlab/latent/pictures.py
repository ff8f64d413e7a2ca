"""Layouts of the latent-space figures, each as one picture."""

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.utils import make_grid

PADDING = 2  # white pixels around every image
GAP = 8  # white pixels between parts of a figure


def image_grid(images: Tensor) -> Tensor:
    """Return images uint8 (rows, columns, C, H, W) as one picture uint8 (C, height, width)."""
    return make_grid(images.flatten(0, 1), nrow=images.shape[1], padding=PADDING, pad_value=255)


def side_by_side(pictures: list[Tensor]) -> Tensor:
    """Return pictures uint8 (C, height, width) side by side with white gaps between them."""
    return _stack(pictures, dim=2)


def arithmetic_picture(exemplars: Tensor, means: Tensor, sums: Tensor, in_pixels: Tensor) -> Tensor:
    """Return a sum of three concepts as one picture uint8 (C, height, width), laid out like figure 7.

    Left: one column per concept, its exemplars (3, n, C, H, W) above the image of their mean latent (3, C, H, W).
    Right: the nine sums (9, C, H, W), the centre at index 4, above the sum in pixels (C, H, W). All are uint8.
    """
    left = _stack([image_grid(exemplars.transpose(0, 1)), image_grid(means[None])], dim=1)
    right = _stack([image_grid(sums.unflatten(0, (3, 3))), image_grid(in_pixels[None, None])], dim=1)
    return _stack([left, right], dim=2)


def _stack(parts: list[Tensor], dim: int) -> Tensor:
    """Stack pictures (C, height, width) vertically (``dim`` 1) or horizontally (2) with white gaps."""
    across = 3 - dim
    longest = max(part.shape[across] for part in parts)
    cells: list[Tensor] = []
    for part in parts:
        missing, gap = longest - part.shape[across], GAP if cells else 0
        sides = [0, missing, gap, 0] if dim == 1 else [gap, 0, 0, missing]  # left, right, top, bottom
        cells.append(pad(part, sides, value=255))
    return torch.cat(cells, dim=dim)
