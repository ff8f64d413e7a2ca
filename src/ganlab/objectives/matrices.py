"""Batches of affine transforms of the plane and of colours, in homogeneous coordinates."""

import torch
from torch import Tensor


def affine(linear: Tensor, shift: Tensor) -> Tensor:
    """Join linear parts (N, k, k) and shifts (N, k) to matrices (N, k + 1, k + 1)."""
    count, size = shift.shape
    last = identity(count, size + 1, linear)[:, -1:]
    return torch.cat([torch.cat([linear, shift[:, :, None]], 2), last], 1)


def identity(count: int, size: int, like: Tensor) -> Tensor:
    """Return identity matrices (count, size, size)."""
    return torch.eye(size, device=like.device, dtype=like.dtype).expand(count, -1, -1)


# Transforms of the plane: matrices (N, 3, 3) acting on (x, y, 1)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Scale by factors (N,) of each axis."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def rotation(cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate by angles, given as cosines and sines (N,), from x towards y."""
    linear = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    return affine(linear, torch.zeros_like(linear[:, 0]))


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Shift by (N,) along each axis."""
    return affine(identity(len(x), 2, x), torch.stack([x, y], 1))


# Transforms of colours: matrices (N, 4, 4) acting on (red, green, blue, 1); the grey axis is along (1, 1, 1)


def brightening(amount: Tensor) -> Tensor:
    """Add an amount (N,) to all channels."""
    return affine(identity(len(amount), 3, amount), amount[:, None].expand(-1, 3))


def stretching(luma: Tensor, chroma: Tensor) -> Tensor:
    """Scale along and perpendicular to the grey axis, by factors (N,)."""
    luma, chroma = luma[:, None, None], chroma[:, None, None]
    linear = chroma * identity(len(luma), 3, luma) + (luma - chroma) / 3
    return affine(linear, torch.zeros_like(linear[:, 0]))


def hue_rotation(angle: Tensor) -> Tensor:
    """Rotate about the grey axis by angles (N,) in radians, by Rodrigues' formula; 2 pi / 3 maps red to green."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    one = identity(len(angle), 3, angle)
    across = (one.roll(1, 1) - one.roll(-1, 1)) / 3**0.5  # the cross product with the grey axis
    linear = cosine * one + sine * across + (1 - cosine) / 3
    return affine(linear, torch.zeros_like(linear[:, 0]))


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Transform the colours of images (N, 3, H, W); with other channel counts, each channel as a grey image."""
    linear, shift = matrices[:, :3, :3], matrices[:, :3, 3]
    if images.shape[1] == 3:
        return (linear @ images.flatten(2) + shift[:, :, None]).view(images.shape)
    factor, amount = linear.sum((1, 2)) / 3, shift.mean(1)  # the transform along the grey axis
    return images * factor[:, None, None, None] + amount[:, None, None, None]
