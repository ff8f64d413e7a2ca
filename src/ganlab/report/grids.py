"""Images as PNG files: one grid, or one file per image."""

import math
from pathlib import Path

from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from ganlab.files import atomic_write


def save_grid(images: Tensor, path: Path) -> None:
    """Write uint8 (N, C, H, W) images as one PNG, row by row, as square as possible."""
    columns = math.ceil(math.sqrt(len(images)))
    save_image(make_grid(images.cpu(), nrow=columns, padding=2, pad_value=255), path)


def save_each(images: Tensor, folder: Path) -> list[Path]:
    """Write uint8 (N, C, H, W) images as ``000000.png``, ``000001.png``, ... into a folder, created if missing."""
    paths = [folder / f"{index:06d}.png" for index in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        save_image(image, path)
    return paths


def save_image(image: Tensor, path: Path) -> None:
    """Write one uint8 (C, H, W) image as PNG, grey where it has one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, sync=False) as file:
        to_pil_image(image).save(file, format="PNG")
