"""DCGAN (Radford, Metz and Chintala 2015, fig. 1): generator and discriminator.

The authors' code has 5x5 kernels, 1024-512-256-128 channels at 64x64, a linear projection, a linear head and no biases;
PyTorch's tutorial has 4x4 kernels, 512-256-128-64 channels and convolutions at both ends. Each guideline of the paper
(sec. 3) is an argument; the first value named is the paper's.
"""

from itertools import pairwise, starmap
from typing import Annotated

from torch import Tensor, nn

from ganlab.arguments import Count, Few, Positive, Repeats, Scale, Share, Within, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import (
    HEADS,
    OUTPUTS,
    PROJECTIONS,
    channel_schedule,
    fully_connected,
    hidden_before_head,
    initialize,
)
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.minibatch import MINIBATCHES
from ganlab.networks.layers.resampling import DOWNSAMPLINGS, UPSAMPLINGS
from ganlab.networks.layers.style import LayerStyle


@checked
class Generator(LatentGenerator):
    """Latents to images: projection, then fractionally strided convolutions with batch norm and ReLU, then tanh."""

    def __init__(
        self,
        image_size: Count = 64,  # m * 2**k with m in 4..7 and k >= 2
        channels: Count = 3,
        width: Count = 128,  # channels of the layer next to the image; doubled at each halving
        latent_size: Count = 100,
        prior: str = "uniform",  # ``uniform`` on [-1, 1] (paper) or another in `ganlab.networks.latents`
        kernel: Annotated[int, Within(3)] = 5,  # side (authors: 5; PyTorch's tutorial: 4)
        projection: str = "linear",  # ``linear`` (authors) or ``convolution`` (tutorial)
        upsampling: str = "transposed",  # or ``nearest``, ``bilinear``, ``bicubic``, ``pixel_shuffle``, ``unpool``
        # ``batch`` (not at the image), ``all_layers`` (batch norm there as well), ``none``, ``instance``, ``layer``,
        normalization: str = "batch",  # ``group``; of the weights: ``spectral``, ``weight``
        activation: str = "relu",  # or ``leaky_relu``, ``elu``, ``gelu``, ``silu``, ``tanh``, ``sigmoid``
        slope: Scale = 0.2,  # of the leaky ReLU for negative inputs
        output: str = "tanh",  # or ``sigmoid`` (images in [0, 1]), ``linear`` (images around [-1, 1])
        hidden_layers: Annotated[
            int, Within(0, 100)
        ] = 0,  # fully connected, before the projection (the paper removes them)
        hidden_units: Count = 1024,
        dropout: Share = 0.0,  # probability of dropping a value after each activation in training
        initialization: str = "normal",  # ``normal`` (paper), ``he``, ``glorot`` or ``orthogonal``
        deviation: Scale = 0.02,  # of the ``normal`` initial weights
        eps: Positive = 1e-8,  # added to the variance in batch norm (authors: 1e-8; tutorial: 1e-5)
        sampling_statistics: str = "batch",  # when sampling: ``batch`` (authors), ``running`` or ``standing``
        standing_batches: Repeats = 16,  # batches that ``standing`` statistics average over
    ) -> None:
        side, schedule = channel_schedule(image_size, width)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range)
        up = choose(UPSAMPLINGS, upsampling, "up-sampling")
        style = LayerStyle(normalization, activation, slope, dropout, eps)
        sizes = [latent_size] + [hidden_units] * hidden_layers
        self.hidden = nn.Sequential(*fully_connected(sizes, style))
        self.project = choose(PROJECTIONS, projection, "projection")(sizes[-1], schedule[0], side, style)
        double = [(up(a, b, kernel, style.bias), *style.after_convolution(b)) for a, b in pairwise(schedule)]
        self.upsample = nn.Sequential(*starmap(nn.Sequential, double))
        self.to_image = nn.Sequential(up(width, channels, kernel), *style.norm_at_image(channels), squash())
        initialize(self, deviation, initialization)
        style.normalize_weights(self)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in ``value_range``."""
        return self.to_image(self.upsample(self.project(self.hidden(latents))))


@checked
class Discriminator(nn.Module):
    """Images to logits (N,), positive for real: strided convolutions with batch norm and leaky ReLU, no pooling.

    The authors and the tutorial have no ``input_bias``, that of the first convolution; then batch norm makes
    D(a * images) = D(images) for a > 0 but for eps, and the contrast of samples can drift.
    """

    def __init__(
        self,
        image_size: Count = 64,
        channels: Count = 3,
        width: Count = 128,
        kernel: Annotated[int, Within(3)] = 5,
        downsampling: str = "strided",  # or ``max_pool``, ``avg_pool``
        normalization: str = "batch",
        activation: str = "leaky_relu",
        slope: Scale = 0.2,
        hidden_layers: Few = 0,  # fully connected, before the head (the paper removes them)
        hidden_units: Count = 1024,
        dropout: Share = 0.0,
        minibatch: str = "none",  # before the head: ``none`` (paper), ``standard_deviation`` or ``discrimination``
        # ``flatten`` (authors); without hidden layers also ``global_average_pool`` (tried in the paper)
        head: str = "flatten",  # and ``convolution`` (tutorial)
        input_bias: bool = False,
        initialization: str = "normal",
        deviation: Scale = 0.02,
        eps: Positive = 1e-8,
    ) -> None:
        super().__init__()
        side, schedule = channel_schedule(image_size, width)
        schedule.reverse()
        down = choose(DOWNSAMPLINGS, downsampling, "down-sampling")
        style = LayerStyle(normalization, activation, slope, dropout, eps)
        self.from_image = nn.Sequential(
            down(channels, width, kernel, input_bias), *style.norm_at_image(width), *style.activation_and_dropout()
        )
        halve = [(down(a, b, kernel, style.bias), *style.after_convolution(b)) for a, b in pairwise(schedule)]
        self.downsample = nn.Sequential(*starmap(nn.Sequential, halve))
        if hidden_layers and head in HEADS and head != "flatten":
            raise ValueError(
                f"head={head} needs feature maps, and hidden_layers={hidden_layers} leave none: "
                f"type head=flatten or hidden_layers=0"
            )
        self.hidden, features = hidden_before_head(schedule[-1], side, hidden_layers, hidden_units, style)
        self.minibatch = choose(MINIBATCHES, minibatch, "minibatch")(*features)
        self.head = choose(HEADS, head, "head")(self.minibatch.channels, features[1])
        initialize(self, deviation, initialization)
        style.normalize_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) to logits (N,): positive means real."""
        return self.head(self.minibatch(self.hidden(self.downsample(self.from_image(images))))).squeeze(1)
