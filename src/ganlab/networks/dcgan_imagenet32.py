"""The DCGAN authors' network for ImageNet at 32x32, whose discriminator gives the paper's CIFAR-10 features.

From the shapes of their released weights and imagenet/load_pretrained.py: 3x3 kernels, and two layers per scale, one of
which resamples. The paper's 28,672 features (sec. 5.1) are the 128 + 128 + 256 + 256 + 512 + 512 = 1792 channels of the
discriminator at 32x32, each pooled to 4x4. Defaults are the authors', arguments those of `ganlab.networks.dcgan`.
"""

from itertools import pairwise

from torch import Tensor, nn

from ganlab.arguments import Count, Positive, Repeats, Scale, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, FlattenHead, LinearProjection, channel_schedule, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.resampling import transposed
from ganlab.networks.layers.style import LayerStyle

KERNEL = 3


@checked
class Generator(LatentGenerator):
    """Latents to images: 4x4x512, then 512/2 - 256/1 - 256/2 - 128/1 - 128/2 and 3/1 (channels/stride), tanh."""

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        *,
        width: Count = 128,
        latent_size: Count = 256,
        prior: str = "uniform",
        output: str = "tanh",
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Repeats = 16,
    ) -> None:
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range)
        side, schedule = channel_schedule(image_size, width)
        style = LayerStyle(activation="relu", eps=eps)
        self.project = LinearProjection(latent_size, schedule[0], side, style)
        double = [nn.Sequential(transposed(a, a, KERNEL), *style.after_convolution(a)) for a in schedule]
        keep = [nn.Sequential(kept(a, b), *style.after_convolution(b)) for a, b in pairwise(schedule)]
        self.upsample = nn.Sequential(*alternate(double, keep))
        self.to_image = nn.Sequential(kept(width, channels), squash())
        initialize(self, deviation)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in ``value_range``."""
        return self.to_image(self.upsample(self.project(latents)))


@checked
class Discriminator(nn.Module):
    """Images to logits: 128/1 - 128/2 - 256/1 - 256/2 - 512/1 - 512/2 (channels/stride), no batch norm at the image."""

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        *,
        width: Count = 128,
        slope: Scale = 0.2,
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
    ) -> None:
        super().__init__()
        side, schedule = channel_schedule(image_size, width)
        schedule.reverse()
        style = LayerStyle(activation="leaky_relu", slope=slope, eps=eps)
        self.from_image = nn.Sequential(convolution(channels, width, 1), *style.activation_and_dropout())
        halve = [nn.Sequential(convolution(a, a, 2), *style.after_convolution(a)) for a in schedule]
        keep = [nn.Sequential(convolution(a, b, 1), *style.after_convolution(b)) for a, b in pairwise(schedule)]
        self.downsample = nn.Sequential(*alternate(halve, keep))
        self.head = FlattenHead(schedule[-1], side)
        initialize(self, deviation)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) to logits (N,): positive means real."""
        return self.head(self.downsample(self.from_image(images))).squeeze(1)


def convolution(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    """3x3 convolution: (N, inputs, H, W) -> (N, outputs, H/stride, W/stride)."""
    return nn.Conv2d(inputs, outputs, KERNEL, stride, padding=1, bias=False)


def kept(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Transposed convolution that keeps the side, as in the authors' code: (N, inputs, H, W) -> (N, outputs, H, W)."""
    return nn.ConvTranspose2d(inputs, outputs, KERNEL, padding=1, bias=False)


def alternate(scaling: list[nn.Sequential], keeping: list[nn.Sequential]) -> list[nn.Sequential]:
    """Interleave the layers, beginning and ending with one that resamples."""
    pairs = zip(scaling, keeping, strict=False)
    return [layer for pair in pairs for layer in pair] + [scaling[-1]]
