"""Differentiable augmentation of all images that the discriminator sees, real and fake.

The discriminator overfits less, and the generator still learns the distribution of the real images, since the losses of
both players see augmented images. `ganlab.objectives.adaptive` adapts the strength.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.arguments import Count, NonNegative, Share, checked


class Augmentation(nn.Module):
    """A random transform of each image of a minibatch, twice differentiable, since penalties differentiate through it.

    Draws come from torch's global generator on the images' device. State is kept in buffers, hence in checkpoints.
    """

    value_range: tuple[float, float] = (-1.0, 1.0)  # lowest and highest value of the images

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in ``value_range`` to images of the same shape, in float32 or better."""
        low, high = self.value_range
        middle, half = (low + high) / 2, (high - low) / 2
        with torch.autocast(images.device.type, enabled=False):
            images = images if images.dtype == torch.float64 else images.float()
            return self.transform((images - middle) / half) * half + middle

    @abstractmethod
    def transform(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W), rescaled to [-1, 1], to images of the same shape."""

    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        """Adapt to this rank's logits (N,) of a discriminator step, detached; ``images`` are real, over all ranks."""

    def observed(self) -> dict[str, Tensor]:
        """Return scalars to log, by name."""
        return {}


@checked
class Colour(Augmentation):
    """Random brightness, then saturation, then contrast (DiffAugment, Zhao et al. 2020; authors' code).

    Saturation scales the distance from the pixel's mean over channels, contrast that from the image's mean; saturation
    leaves grey images unchanged. Values may leave the range of the images. ``brightness`` is the largest offset, for
    images in [-1, 1]; ``saturation`` and ``contrast`` are the largest changes of their factors from 1.
    """

    def __init__(self, *, brightness: NonNegative, saturation: Share, contrast: Share) -> None:
        super().__init__()
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast

    def transform(self, images: Tensor) -> Tensor:
        brightness, saturation, contrast = images.new_empty(3, len(images), 1, 1, 1).uniform_(-1, 1)
        images = images + self.brightness * brightness
        images = images + self.saturation * saturation * (images - images.mean(1, keepdim=True))
        return images + self.contrast * contrast * (images - images.mean((1, 2, 3), keepdim=True))


@checked
class Translation(Augmentation):
    """Random shift of up to ``share`` of the side in pixels, mid-grey beyond (DiffAugment, Zhao et al. 2020)."""

    def __init__(self, *, share: Share) -> None:
        super().__init__()
        self.share = share

    def transform(self, images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        down, right = pixels(self.share, height), pixels(self.share, width)
        padded = functional.pad(images, (right, right, down, down)).permute(0, 2, 3, 1)
        rows = window(count, 2 * down + 1, height, images.device)[:, :, None]
        columns = window(count, 2 * right + 1, width, images.device)[:, None, :]
        batch = torch.arange(count, device=images.device)[:, None, None]
        return padded[batch, rows, columns].permute(0, 3, 1, 2)


@checked
class Cutout(Augmentation):
    """Random mid-grey rectangle, ``share`` of the image's sides, uniform centre (DiffAugment, Zhao et al. 2020)."""

    def __init__(self, *, share: Share) -> None:
        super().__init__()
        self.share = share

    def transform(self, images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        rows, columns = (self.hidden(count, side, images.device) for side in (height, width))
        return images * ~(rows[:, None, :, None] & columns[:, None, None, :])

    def hidden(self, count: int, side: int, device: torch.device) -> Tensor:
        """Draw masks (count, side) of the positions inside the rectangle, along one axis."""
        size = pixels(self.share, side)
        first = torch.randint(side + 1 - size % 2, (count, 1), device=device) - size // 2
        place = torch.arange(side, device=device)
        return (first <= place) & (place < first + size)


@checked
class InstanceNoise(Augmentation):
    """Gaussian noise that decays during training (Sonderby et al. 2016; Arjovsky and Bottou 2017).

    It makes the supports of real and fake images overlap. ``deviation`` is the initial standard deviation, for images
    in [-1, 1]; the noise has decayed linearly to 0 after ``until`` images.
    """

    images_seen: Tensor

    def __init__(self, *, deviation: NonNegative, until: Count) -> None:
        super().__init__()
        self.deviation, self.until = deviation, until
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    def transform(self, images: Tensor) -> Tensor:
        left = (1 - self.images_seen / self.until).clamp(min=0)
        return images + self.deviation * left * torch.randn_like(images)

    @torch.no_grad()
    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        self.images_seen.fill_(images_seen)


def pixels(share: float, side: int) -> int:
    """Return a share of a side in whole pixels, halves rounded up."""
    return int(share * side + 0.5)


def window(count: int, places: int, side: int, device: torch.device) -> Tensor:
    """Draw windows of indices (count, side) that start at a random one of ``places``."""
    return torch.randint(places, (count, 1), device=device) + torch.arange(side, device=device)
