"""Resizing before a feature network; values from different kinds of resizing do not compare."""

from functools import lru_cache

import torch
from torch import Tensor
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x


def tensorflow_bilinear(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 images (N, C, H, W) as TensorFlow 1: bilinear, without antialiasing; float32 of 0 to 255."""
    return interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=size, align_corners=False)


def clean_bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 images (N, C, H, W) as clean-fid (Parmar et al., 2022, section 3); float32 of 0 to 255.

    Pillow's antialiased bicubic filter on each channel in floating point, never rounded to bytes. As in Pillow, sums
    are float64 and each of the two passes ends in float32, horizontal before vertical. Pillow 13 starts with the
    vertical pass if that is less work, which changes the last digit.
    """
    pixels = images.double()
    for axis, wanted in ((3, size[1]), (2, size[0])):
        have = pixels.shape[axis]
        if have != wanted:
            weights = bicubic_weights(have, wanted).to(pixels.device)
            pixels = (pixels.transpose(axis, 3) @ weights.T).transpose(axis, 3).float().double()
    return pixels.clamp(0, 255).float()


@lru_cache(maxsize=16)
def bicubic_weights(have: int, wanted: int) -> Tensor:
    """Return float64 weights (wanted, have) of Keys's cubic, a = -1/2, scaled when downsampling; rows sum to 1."""
    scale = have / wanted
    width = max(scale, 1.0)
    centres = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * scale
    first = (centres - 2 * width + 0.5).floor().clamp(min=0)
    last = (centres + 2 * width + 0.5).floor().clamp(max=have)
    pixels = torch.arange(have, dtype=torch.float64)
    distance = ((pixels + 0.5 - centres) / width).abs()
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
    weights = weights * ((pixels >= first) & (pixels < last))
    return weights / weights.sum(dim=1, keepdim=True)


RESIZES = {"torch_fidelity": tensorflow_bilinear, "clean": clean_bicubic}
DESCRIPTIONS = {"torch_fidelity": "bilinear, TensorFlow 1", "clean": "bicubic, antialiased, as Pillow's in float"}
