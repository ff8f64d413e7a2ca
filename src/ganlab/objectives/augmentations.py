"""Differentiable augmentation: what the discriminator sees instead of the images, real and fake alike.

Both players' losses see every image through the same random transforms, so that the discriminator never meets the
few real images themselves and the generator still learns their distribution. `ganlab.objectives.adaptive` holds the
augmentation whose strength follows the discriminator.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.arguments import Count, NonNegative, Share, checked


class Augmentation(nn.Module):
    """A random transform of a minibatch, differentiable twice in the images (penalties go through it).

    Draws come from torch's global generator on the images' device, apart for every image. What carries over from step
    to step is a buffer, hence in the checkpoint.

    Attributes:
        value_range: lowest and highest value of the images; transforms are written for (-1, 1).
    """

    value_range: tuple[float, float] = (-1.0, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in ``value_range`` to images of the same shape, in float32 or better."""
        low, high = self.value_range
        middle, half = (low + high) / 2, (high - low) / 2
        with torch.autocast(images.device.type, enabled=False):
            images = images if images.dtype == torch.float64 else images.float()
            return self.transform((images - middle) / half) * half + middle

    @abstractmethod
    def transform(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) whose values lie around [-1, 1] to images of the same shape."""

    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        """Take note of one judgement of the discriminator.

        Args:
            real_logits: (N,), detached, of this rank.
            fake_logits: (N,), detached, of this rank.
            images: real images that this call stands for, over all ranks.
            images_seen: the clock.
        """

    def observed(self) -> dict[str, Tensor]:
        """Return what is worth a curve: scalars by the names that they are logged under."""
        return {}


@checked
class Colour(Augmentation):
    """Random brightness, then saturation, then contrast (DiffAugment, Zhao et al. 2020; authors' code).

    Saturation is the distance from the pixel's mean over the channels, contrast the one from the image's mean; the
    first does nothing to grey images. Values may leave the images' range.

    Args:
        brightness: largest change, where the range is 2 wide.
        saturation: largest change of the factor 1.
        contrast: largest change of the factor 1.
    """

    def __init__(self, *, brightness: NonNegative, saturation: Share, contrast: Share) -> None:
        super().__init__()
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast

    def transform(self, images: Tensor) -> Tensor:
        """Return recoloured images."""
        brightness, saturation, contrast = images.new_empty(3, len(images), 1, 1, 1).uniform_(-1, 1)
        images = images + self.brightness * brightness
        images = images + self.saturation * saturation * (images - images.mean(1, keepdim=True))
        return images + self.contrast * contrast * (images - images.mean((1, 2, 3), keepdim=True))


@checked
class Translation(Augmentation):
    """Shift every image by a random whole number of pixels, mid-grey moving in (DiffAugment, Zhao et al. 2020).

    Args:
        share: largest shift, as a share of the image's side.
    """

    def __init__(self, *, share: Share) -> None:
        super().__init__()
        self.share = share

    def transform(self, images: Tensor) -> Tensor:
        """Return shifted images."""
        count, _, height, width = images.shape
        down, right = pixels(self.share, height), pixels(self.share, width)
        padded = functional.pad(images, (right, right, down, down)).permute(0, 2, 3, 1)
        rows = window(count, 2 * down + 1, height, images.device)[:, :, None]
        columns = window(count, 2 * right + 1, width, images.device)[:, None, :]
        batch = torch.arange(count, device=images.device)[:, None, None]
        return padded[batch, rows, columns].permute(0, 3, 1, 2)


@checked
class Cutout(Augmentation):
    """Paint a rectangle of every image mid-grey (DiffAugment, Zhao et al. 2020).

    Its centre lies anywhere in the image, so part of it may lie outside.

    Args:
        share: side of the rectangle, as a share of the image's side.
    """

    def __init__(self, *, share: Share) -> None:
        super().__init__()
        self.share = share

    def transform(self, images: Tensor) -> Tensor:
        """Return images with a hole."""
        count, _, height, width = images.shape
        rows, columns = (self.hidden(count, side, images.device) for side in (height, width))
        return images * ~(rows[:, None, :, None] & columns[:, None, None, :])

    def hidden(self, count: int, side: int, device: torch.device) -> Tensor:
        """Draw which positions (count, side) along one axis lie in the rectangle."""
        size = pixels(self.share, side)
        first = torch.randint(side + 1 - size % 2, (count, 1), device=device) - size // 2
        place = torch.arange(side, device=device)
        return (first <= place) & (place < first + size)


@checked
class InstanceNoise(Augmentation):
    """Gaussian noise that fades out as training goes on (Sonderby et al. 2016; Arjovsky and Bottou 2017).

    It gives real and fake images overlapping supports, where the discriminator cannot be sure.

    Args:
        deviation: of the noise at the beginning, where the images' range is 2 wide.
        until: images seen when it has decayed, linearly, to nothing.
    """

    images_seen: Tensor

    def __init__(self, *, deviation: NonNegative, until: Count) -> None:
        super().__init__()
        self.deviation, self.until = deviation, until
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    def transform(self, images: Tensor) -> Tensor:
        """Return images with noise."""
        left = (1 - self.images_seen / self.until).clamp(min=0)
        return images + self.deviation * left * torch.randn_like(images)

    @torch.no_grad()
    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        """Keep the clock."""
        self.images_seen.fill_(images_seen)


def pixels(share: float, side: int) -> int:
    """Return a share of a side as a whole number of pixels, halves rounded up."""
    return int(share * side + 0.5)


def window(count: int, places: int, side: int, device: torch.device) -> Tensor:
    """Draw the indices (count, side) of windows that start anywhere in ``places``."""
    return torch.randint(places, (count, 1), device=device) + torch.arange(side, device=device)
