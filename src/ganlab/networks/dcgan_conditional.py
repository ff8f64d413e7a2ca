"""The conditional DCGAN of the authors' MNIST code (mnist/train_cond_dcgan.py; the paper's supplementary, table 3).

The label is appended to the input and to every hidden layer of both networks. Batch norm has no gain and no bias, which
was better for nearest-neighbour classification. The generator begins with two fully connected layers, the discriminator
ends with one. At 28x28 with width 64 these are the authors' networks; other sizes have the same channel schedule.
"""

from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Natural, NonNegative, Within, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, channel_schedule, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.conditioning import append, check_classes, encode
from ganlab.networks.layers.resampling import strided, transposed


@checked
class Generator(LatentGenerator):
    """Latents and labels to images: 100 -> 1024 -> 128x7x7 -> 64x14x14 -> 1x28x28, sigmoid.

    Args:
        image_size: side of the images, m * 2**k with m in 4..7 and k >= 2.
        channels: of the images.
        classes: number of classes.
        width: channels of the layer next to the image; doubled at each halving.
        latent_size: length of a latent vector.
        prior: distribution of the latents (authors: ``uniform``).
        kernel: side of the convolutions' kernels, at least 3 (authors: 5).
        hidden_units: features of the first layer (authors: 1024).
        output: ``sigmoid`` (authors; images in [0, 1]), ``tanh`` or ``linear``.
        deviation: of the initial weights.
        eps: added to the variance in batch norm.
        sampling_statistics: what batch norm uses when sampling, ``batch`` (authors), ``running`` or ``standing``.
        standing_batches: batches that ``standing`` statistics are averaged over.
    """

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        classes: Natural | None,
        *,
        width: Count = 64,
        latent_size: Count = 100,
        prior: str = "uniform",
        kernel: Annotated[int, Within(3)] = 5,
        hidden_units: Count = 1024,
        output: str = "sigmoid",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Count = 16,
    ) -> None:
        labels = check_classes(classes)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range, labels)
        side, schedule = channel_schedule(image_size, width)
        features = schedule[0] * side**2
        self.hidden = nn.Sequential(
            nn.Linear(latent_size + labels, hidden_units, bias=False), bare_norm(hidden_units, eps), nn.ReLU()
        )
        self.project = nn.Sequential(
            nn.Linear(hidden_units + labels, features, bias=False),
            bare_norm(features, eps),
            nn.ReLU(),
            nn.Unflatten(1, (schedule[0], side, side)),
        )
        self.upsample = nn.ModuleList(
            nn.Sequential(
                transposed(inputs + labels, outputs, kernel), nn.BatchNorm2d(outputs, eps, affine=False), nn.ReLU()
            )
            for inputs, outputs in pairwise(schedule)
        )
        self.to_image = nn.Sequential(transposed(width + labels, channels, kernel), squash())
        initialize(self, deviation)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N, latent_size) and labels (N,) to images (N, channels, H, W) in ``value_range``."""
        label = encode(labels, self.classes)
        values = latents
        for layer in (self.hidden, self.project, *self.upsample, self.to_image):
            values = layer(append(values, label))
        return values


@checked
class Discriminator(nn.Module):
    """Images and labels to logits: 1x28x28 -> 64x14x14 -> 128x7x7 -> 1024 -> 1, leaky ReLU.

    Args:
        image_size: side of the images, m * 2**k with m in 4..7 and k >= 2.
        channels: of the images.
        classes: number of classes.
        width: channels of the layer next to the image; doubled at each halving.
        kernel: side of the convolutions' kernels, at least 3 (authors: 5).
        hidden_units: features of the last hidden layer (authors: 1024).
        slope: of the leaky ReLU for negative inputs.
        deviation: of the initial weights.
        eps: added to the variance in batch norm.
    """

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        classes: Natural | None,
        *,
        width: Count = 64,
        kernel: Annotated[int, Within(3)] = 5,
        hidden_units: Count = 1024,
        slope: NonNegative = 0.2,
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
    ) -> None:
        super().__init__()
        self.classes = labels = check_classes(classes)
        side, schedule = channel_schedule(image_size, width)
        schedule.reverse()
        self.from_image = nn.Sequential(strided(channels + labels, width, kernel), nn.LeakyReLU(slope))
        self.downsample = nn.ModuleList(
            nn.Sequential(
                strided(inputs + labels, outputs, kernel),
                nn.BatchNorm2d(outputs, eps, affine=False),
                nn.LeakyReLU(slope),
            )
            for inputs, outputs in pairwise(schedule)
        )
        self.hidden = nn.Sequential(
            nn.Linear(schedule[-1] * side**2 + labels, hidden_units, bias=False),
            bare_norm(hidden_units, eps),
            nn.LeakyReLU(slope),
        )
        self.head = nn.Linear(hidden_units + labels, 1, bias=False)
        initialize(self, deviation)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (N, channels, H, W) and labels (N,) to logits (N,): positive means real and of that class."""
        label = encode(labels, self.classes)
        values = images
        for layer in (self.from_image, *self.downsample):
            values = layer(append(values, label))
        for layer in (self.hidden, self.head):
            values = layer(append(torch.flatten(values, 1), label))
        return values.squeeze(1)


def bare_norm(features: int, eps: float) -> nn.BatchNorm1d:
    """Return batch norm without gain and bias."""
    return nn.BatchNorm1d(features, eps, affine=False)
