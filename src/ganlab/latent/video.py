"""Latent walks as animations."""

from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ganlab.files import atomic_write


def frames(images: Tensor, back: bool = False) -> Tensor:
    """Return a walk's images (rows, steps, C, H, W) in order, (T, C, H, W); ``back`` appends the way back."""
    shown = torch.cat([images[0, :1], *images[:, 1:]])
    return torch.cat([shown, shown[1:-1].flip(0)]) if back else shown


def save_gif(images: Tensor, path: Path, rate: float = 12.5, scale: int = 1) -> None:
    """Write images uint8 (T, C, H, W), grey or RGB, as an endless GIF, atomically.

    ``rate`` is in images per second, rounded to hundredths of a second per image. Pixels are enlarged by ``scale``. A
    GIF has 256 colours per image and merges equal neighbours.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images of shape {tuple(images.shape)} make no GIF: give (T, 1 or 3, H, W)")
    if not 0 < rate <= 50 or scale < 1:
        raise ValueError(f"rate={rate}, scale={scale}: give a rate above 0 and up to 50, and a scale of 1 or more")
    large = images.cpu().repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    first, *rest = (to_pil_image(image) for image in large)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=round(100 / rate) * 10, loop=0)
