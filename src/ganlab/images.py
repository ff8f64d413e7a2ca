"""Conversion between the bytes of data and metrics and the floats of networks."""

from torch import Tensor

Range = tuple[float, float]


def to_floats(images: Tensor, value_range: Range) -> Tensor:
    """Convert uint8 (N, H, W, C) to float32 (N, C, H, W): 0 becomes the low, 255 the high end of the range."""
    low, high = value_range
    return images.permute(0, 3, 1, 2).float().mul_((high - low) / 255).add_(low)


def to_bytes(images: Tensor, value_range: Range) -> Tensor:
    """Convert floats (N, C, H, W) to uint8 of the same shape: scaled, rounded and clamped. Inverse of `to_floats`."""
    low, high = value_range
    return images.float().sub(low).mul_(255 / (high - low)).round_().clamp_(0, 255).byte()
