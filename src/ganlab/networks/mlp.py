"""The original GAN (Goodfellow et al. 2014): fully connected networks, as in the authors' configurations.

MNIST: a generator of 1200-1200 ReLU units against a discriminator of 240-240 maxout units of 5 pieces with dropout.
CIFAR-10: 8000 ReLU - 8000 sigmoid - linear against 1600-1600 maxout units. All weights are drawn uniformly.
Differences: the authors initialise MNIST's output bias from the mean of each pixel, here it is 0; their CIFAR-10 pixels
are contrast-normalised, here they are scaled to [-1, 1]. Their convolutional network for CIFAR-10 is not included.
Defaults are the authors', and other arguments are explained in `ganlab.networks.dcgan`.
"""

from itertools import pairwise, starmap
from math import prod

from torch import Tensor, nn

from ganlab.arguments import Count, Scale, Share, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.style import ACTIVATIONS


@checked
class Generator(LatentGenerator):
    """Latents to images by fully connected layers."""

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        *,
        units: list[Count],  # of each hidden layer
        activations: list[str],  # of each hidden layer, names of `ganlab.networks.layers.style`
        output: str,  # ``sigmoid`` (MNIST; images in [0, 1]), ``tanh`` or ``linear`` (CIFAR-10)
        latent_size: Count = 100,
        prior: str = "uniform_unit_variance",
        bound: Scale = 0.05,  # initial weights of the hidden layers are uniform on [-bound, bound]
        output_bound: Scale = 0.05,  # the same for the output's weights (MNIST: 0.05; CIFAR-10: 0.5)
    ) -> None:
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, "running", 1, value_range)
        if len(units) != len(activations):
            raise ValueError(f"units={units} and activations={activations} must be of equal length")
        shape = (channels, image_size, image_size)
        sizes = [latent_size, *units]
        layers = [
            nn.Sequential(uniform(a, b, bound), choose(ACTIVATIONS, name, "activation")(0.2))
            for (a, b), name in zip(pairwise(sizes), activations, strict=True)
        ]
        self.hidden = nn.Sequential(*layers)
        self.to_image = nn.Sequential(uniform(sizes[-1], prod(shape), output_bound), squash(), nn.Unflatten(1, shape))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in ``value_range``."""
        return self.to_image(self.hidden(latents))


@checked
class Discriminator(nn.Module):
    """Images to logits by maxout layers with dropout, also active in the generator's steps."""

    def __init__(
        self,
        image_size: Count,
        channels: Count,
        *,
        units: list[Count],  # of each hidden layer
        pieces: Count = 5,  # linear functions whose maximum each unit is
        input_dropout: Share = 0.2,  # probability of dropping a pixel in training
        dropout: Share = 0.5,  # probability of dropping a hidden unit in training
        bound: Scale = 0.005,  # initial weights are uniform on [-bound, bound]
    ) -> None:
        super().__init__()
        sizes = [channels * image_size**2, *units]
        self.from_image = nn.Sequential(nn.Flatten(), nn.Dropout(input_dropout))
        layers = [(uniform(a, b * pieces, bound), Maxout(pieces), nn.Dropout(dropout)) for a, b in pairwise(sizes)]
        self.hidden = nn.Sequential(*starmap(nn.Sequential, layers))
        self.head = uniform(sizes[-1], 1, bound)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) to logits (N,): positive means real."""
        return self.head(self.hidden(self.from_image(images))).squeeze(1)


class Maxout(nn.Module):
    """Maximum over each unit's consecutive pieces: (N, units * pieces) -> (N, units)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, values: Tensor) -> Tensor:
        return values.unflatten(1, (-1, self.pieces)).amax(2)


def uniform(inputs: int, outputs: int, bound: float) -> nn.Linear:
    """Return a linear layer with weights uniform on [-bound, bound] and biases 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer
