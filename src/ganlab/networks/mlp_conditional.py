"""The permutation-invariant conditional GAN that the DCGAN paper compares with (supplementary, table 3).

The paper gives: no convolutions, labels, and batch norm without gain and bias, which "was better for both models". It
omits the rest. Here the label is appended to the input and to every hidden layer, as in the authors' convolutional
network; both networks have two layers of 1200 units, as the original GAN's generator, with ReLU in the generator and
leaky ReLU in the discriminator; and the layer at the image is not normalised.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Natural, NonNegative, checked
from ganlab.networks.dcgan_conditional import bare_norm
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.conditioning import append, check_classes, encode


@checked
class Generator(LatentGenerator):
    """Latents and labels to images by fully connected layers with batch norm.

    Args:
        image_size: side of the images.
        channels: of the images.
        classes: number of classes.
        units: features of each hidden layer.
        latent_size: length of a latent vector.
        prior: distribution of the latents.
        output: ``sigmoid`` (images in [0, 1]), ``tanh`` or ``linear``.
        deviation: of the initial weights.
        eps: added to the variance in batch norm.
        sampling_statistics: what batch norm uses when sampling, ``batch``, ``running`` or ``standing``.
        standing_batches: batches that ``standing`` statistics are averaged over.
    """

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        classes: Natural | None,
        *,
        units: list[Count],
        latent_size: Count = 100,
        prior: str = "uniform",
        output: str = "sigmoid",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Count = 16,
    ) -> None:
        labels = check_classes(classes)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range, labels)
        shape = (channels, image_size, image_size)
        sizes = [latent_size, *units]
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(a + labels, b, bias=False), bare_norm(b, eps), nn.ReLU())
            for a, b in pairwise(sizes)
        )
        self.to_image = nn.Sequential(
            nn.Linear(sizes[-1] + labels, prod(shape), bias=False), squash(), nn.Unflatten(1, shape)
        )
        initialize(self, deviation)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N, latent_size) and labels (N,) to images (N, channels, H, W) in ``value_range``."""
        label = encode(labels, self.classes)
        values = latents
        for layer in (*self.hidden, self.to_image):
            values = layer(append(values, label))
        return values


@checked
class Discriminator(nn.Module):
    """Images and labels to logits by fully connected layers with batch norm except on the first.

    Args:
        image_size: side of the images.
        channels: of the images.
        classes: number of classes.
        units: features of each hidden layer.
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
        units: list[Count],
        slope: NonNegative = 0.2,
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
    ) -> None:
        super().__init__()
        self.classes = labels = check_classes(classes)
        sizes = [channels * image_size**2, *units]
        layers = [nn.Linear(a + labels, b, bias=False) for a, b in pairwise(sizes)]
        self.from_image = nn.Sequential(layers[0], nn.LeakyReLU(slope))
        self.hidden = nn.ModuleList(
            nn.Sequential(layer, bare_norm(layer.out_features, eps), nn.LeakyReLU(slope)) for layer in layers[1:]
        )
        self.head = nn.Linear(sizes[-1] + labels, 1, bias=False)
        initialize(self, deviation)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (N, channels, H, W) and labels (N,) to logits (N,): positive means real and of that class."""
        label = encode(labels, self.classes)
        values = torch.flatten(images, 1)
        for layer in (self.from_image, *self.hidden, self.head):
            values = layer(append(values, label))
        return values.squeeze(1)
