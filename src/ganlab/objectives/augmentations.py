"""Differentiable augmentation: what the discriminator sees instead of the images, real and fake alike."""

import torch
from torch import Tensor
from torch.nn import functional


class Translation:
    """Shift every image by a random whole number of pixels, zeros moving in (DiffAugment, Zhao et al. 2020).

    Args:
        share: largest shift, as a share of the image's side.
    """

    def __init__(self, share: float = 0.125) -> None:
        self.share = share

    def __call__(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to images of the same shape; differentiable in the images."""
        count, _, height, width = images.shape
        reach = round(self.share * height)
        padded = functional.pad(images, (reach,) * 4)
        shift = torch.randint(0, 2 * reach + 1, (2, count, 1, 1), device=images.device)
        rows = shift[0] + torch.arange(height, device=images.device).view(1, -1, 1)
        columns = shift[1] + torch.arange(width, device=images.device).view(1, 1, -1)
        batch = torch.arange(count, device=images.device).view(-1, 1, 1)
        return padded.permute(0, 2, 3, 1)[batch, rows, columns].permute(0, 3, 1, 2)
