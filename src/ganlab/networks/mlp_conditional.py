"""The permutation-invariant conditional GAN that the DCGAN paper compares with (supplementary, table 3).

The paper gives: no convolutions, labels, and batch norm without gain and bias, which "was better for both models". It
omits the rest. Here the label is appended to the input and to every hidden layer, as in the authors' convolutional
network; both networks have two layers of 1200 units, as the original GAN's generator, with ReLU in the generator and
leaky ReLU in the discriminator; and the layer at the image is not normalised. Arguments are explained in
`ganlab.networks.dcgan`.
"""

from itertools import pairwise
from math import prod

from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganlab.arguments import Count, Natural, Positive, Repeats, Scale, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.conditioning import apply_with_labels, check_classes


@checked
class Generator(LatentGenerator):
    """Latents and labels to images by fully connected layers of ``units`` features with batch norm."""

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
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Repeats = 16,
    ) -> None:
        labels = check_classes(classes)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range, labels)
        shape = (channels, image_size, image_size)
        sizes = [latent_size, *units]
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(a + labels, b, bias=False), nn.BatchNorm1d(b, eps, affine=False), nn.ReLU())
            for a, b in pairwise(sizes)
        )
        self.to_image = nn.Sequential(
            nn.Linear(sizes[-1] + labels, prod(shape), bias=False), squash(), nn.Unflatten(1, shape)
        )
        initialize(self, deviation)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N, latent_size) and labels (N,) to images (N, channels, H, W) in ``value_range``."""
        return apply_with_labels((*self.hidden, self.to_image), latents, one_hot(labels, self.classes))


@checked
class Discriminator(nn.Module):
    """Images and labels to logits by fully connected layers of ``units`` features, batch norm on all but the first."""

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        classes: Natural | None,
        *,
        units: list[Count],
        slope: Scale = 0.2,
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
    ) -> None:
        super().__init__()
        self.classes = labels = check_classes(classes)
        sizes = [channels * image_size**2, *units]
        first, *others = [nn.Linear(a + labels, b, bias=False) for a, b in pairwise(sizes)]
        self.from_image = nn.Sequential(first, nn.LeakyReLU(slope))
        self.hidden = nn.ModuleList(
            nn.Sequential(layer, nn.BatchNorm1d(layer.out_features, eps, affine=False), nn.LeakyReLU(slope))
            for layer in others
        )
        self.head = nn.Linear(sizes[-1] + labels, 1, bias=False)
        initialize(self, deviation)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (N, channels, H, W) and labels (N,) to logits (N,): positive means real and of that class."""
        layers = (self.from_image, *self.hidden, self.head)
        return apply_with_labels(layers, images.flatten(1), one_hot(labels, self.classes)).squeeze(1)
