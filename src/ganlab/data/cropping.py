"""Random crops and flips: drawn on the CPU, applied on the device that holds the pictures."""

import numpy as np
import torch
from torch import Tensor


def draw_geometry(rng: np.random.Generator, count: int, packed: int, size: int, flip: bool) -> np.ndarray:
    """Draw windows of ``size`` pixels in pictures of side ``packed``: int64 (count, 3), top, left and mirrored."""
    corners = rng.integers(0, packed - size + 1, (count, 2))
    mirrored = rng.integers(0, 2, (count, 1)) if flip else np.zeros((count, 1), np.int64)
    return np.concatenate([corners, mirrored], axis=1)


def crop(images: Tensor, geometry: Tensor, size: int) -> Tensor:
    """Crop images (B, H, W, C) of any dtype by ``geometry`` (B, 3) of `draw_geometry`: (B, size, size, C)."""
    count, height, width, channels = images.shape
    top, left, mirrored = (column[:, None] for column in geometry.unbind(1))
    along = torch.arange(size, device=images.device)
    rows = top + along
    columns = left + torch.where(mirrored == 1, size - 1 - along, along)
    lines = torch.arange(count, device=images.device)[:, None] * height + rows
    pixels = lines[:, :, None] * width + columns[:, None, :]
    # One index per pixel copies all its channels: on a CPU four times as fast as indexing two dimensions.
    chosen = images.reshape(-1, channels).index_select(0, pixels.reshape(-1))
    return chosen.view(count, size, size, channels)
