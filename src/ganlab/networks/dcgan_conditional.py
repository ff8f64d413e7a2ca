"""The conditional DCGAN of the authors' MNIST code (mnist/train_cond_dcgan.py; the paper's supplementary, table 3).

The label is appended to the input and to every hidden layer of both networks. Batch norm has no gain and no bias, which
was better for nearest-neighbour classification. The generator begins with two fully connected layers, the discriminator
ends with one. At 28x28 with width 64 these are the authors' networks; other sizes have the same channel schedule.
Defaults are the authors', and arguments are explained in `ganlab.networks.dcgan`.
"""

from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganlab.arguments import Count, Natural, Positive, Repeats, Scale, Within, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, channel_schedule, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.conditioning import apply_with_labels, check_classes
from ganlab.networks.layers.resampling import strided, transposed


@checked
class Generator(LatentGenerator):
    """Latents and labels to images: 100 -> 1024 -> 128x7x7 -> 64x14x14 -> 1x28x28, sigmoid."""

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
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Repeats = 16,
    ) -> None:
        labels = check_classes(classes)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range, labels)
        side, schedule = channel_schedule(image_size, width)
        features = schedule[0] * side**2
        self.hidden = nn.Sequential(
            nn.Linear(latent_size + labels, hidden_units, bias=False),
            nn.BatchNorm1d(hidden_units, eps, affine=False),
            nn.ReLU(),
        )
        self.project = nn.Sequential(
            nn.Linear(hidden_units + labels, features, bias=False),
            nn.BatchNorm1d(features, eps, affine=False),
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
        layers = (self.hidden, self.project, *self.upsample, self.to_image)
        return apply_with_labels(layers, latents, one_hot(labels, self.classes))


@checked
class Discriminator(nn.Module):
    """Images and labels to logits: 1x28x28 -> 64x14x14 -> 128x7x7 -> 1024 -> 1, leaky ReLU."""

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        classes: Natural | None,
        *,
        width: Count = 64,
        kernel: Annotated[int, Within(3)] = 5,
        hidden_units: Count = 1024,
        slope: Scale = 0.2,
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
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
            nn.BatchNorm1d(hidden_units, eps, affine=False),
            nn.LeakyReLU(slope),
        )
        self.head = nn.Linear(hidden_units + labels, 1, bias=False)
        initialize(self, deviation)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (N, channels, H, W) and labels (N,) to logits (N,): positive means real and of that class."""
        encoded = one_hot(labels, self.classes)
        features = apply_with_labels((self.from_image, *self.downsample), images, encoded)
        return apply_with_labels((self.hidden, self.head), features.flatten(1), encoded).squeeze(1)
