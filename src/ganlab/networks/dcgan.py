"""DCGAN (Radford, Metz and Chintala 2015, fig. 1): generator and discriminator.

The authors' code has 5x5 kernels, 1024-512-256-128 channels at 64x64, a linear projection, a linear head and no biases;
PyTorch's tutorial has 4x4 kernels, 512-256-128-64 channels and convolutions at both ends. Each guideline of the paper
(sec. 3) is an argument; the first value named is the paper's.
"""

from itertools import pairwise, starmap
from typing import Annotated

from torch import Tensor, nn

from ganlab.arguments import Count, Natural, NonNegative, Share, Within, checked
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
    """Latents to images: projection, then fractionally strided convolutions with batch norm and ReLU, then tanh.

    Args:
        image_size: side of the images, m * 2**k with m in 4..7 and k >= 2.
        channels: of the images.
        width: channels of the layer next to the image; doubled at each halving.
        latent_size: length of a latent vector (100 in the paper).
        prior: distribution of the latents, ``uniform`` on [-1, 1] (paper) or another in `ganlab.networks.latents`.
        kernel: side of the convolutions' kernels, at least 3 (the authors: 5; PyTorch's tutorial: 4).
        projection: ``linear`` (authors) or ``convolution`` (tutorial).
        upsampling: ``transposed`` (fractionally strided), ``nearest``, ``bilinear``, ``bicubic``, ``pixel_shuffle`` or
            ``unpool``.
        normalization: ``batch`` (not at the image), ``none``, ``all_layers`` (batch norm at the image as well),
            ``instance``, ``layer``, ``group``, or of the weights: ``spectral``, ``weight``.
        activation: ``relu``, ``leaky_relu``, ``elu``, ``gelu``, ``silu``, ``tanh`` or ``sigmoid``.
        slope: of the leaky ReLU for negative inputs.
        output: ``tanh``, ``sigmoid`` (images in [0, 1]) or ``linear`` (images around [-1, 1]).
        hidden_layers: fully connected layers between the latents and the projection (the paper removes them: 0).
        hidden_units: features of each of them.
        dropout: probability of dropping a value after each activation in training.
        initialization: ``normal`` (paper), ``he``, ``glorot`` or ``orthogonal``.
        deviation: of the ``normal`` initial weights (paper: 0.02).
        eps: added to the variance in batch norm (authors: 1e-8; tutorial: 1e-5).
        sampling_statistics: what batch norm uses when sampling, ``batch`` (authors), ``running`` or ``standing``.
        standing_batches: batches that ``standing`` statistics are averaged over.
    """

    def __init__(
        self,
        image_size: Count = 64,
        channels: Count = 3,
        width: Count = 128,
        latent_size: Count = 100,
        prior: str = "uniform",
        kernel: Annotated[int, Within(3)] = 5,
        projection: str = "linear",
        upsampling: str = "transposed",
        normalization: str = "batch",
        activation: str = "relu",
        slope: NonNegative = 0.2,
        output: str = "tanh",
        hidden_layers: Natural = 0,
        hidden_units: Count = 1024,
        dropout: Share = 0.0,
        initialization: str = "normal",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
        sampling_statistics: str = "batch",
        standing_batches: Count = 16,
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
    """Images to logits: strided convolutions with batch norm and leaky ReLU, no pooling; the loss has the sigmoid.

    The other arguments are those of `Generator`.

    Args:
        downsampling: ``strided``, ``max_pool`` or ``avg_pool``.
        hidden_layers: fully connected layers before the head (the paper removes them: 0).
        minibatch: layer before the head: ``none`` (paper), ``standard_deviation`` or ``discrimination``.
        head: ``flatten`` (authors), ``global_average_pool`` (tried in the paper) or ``convolution`` (tutorial); the
            last two take feature maps and exclude hidden layers.
        input_bias: whether the first convolution has a bias. The authors and the tutorial have none; then batch norm
            makes D(a * images) = D(images) for a > 0 but for eps, and the contrast of samples can drift.
    """

    def __init__(
        self,
        image_size: Count = 64,
        channels: Count = 3,
        width: Count = 128,
        kernel: Annotated[int, Within(3)] = 5,
        downsampling: str = "strided",
        normalization: str = "batch",
        activation: str = "leaky_relu",
        slope: NonNegative = 0.2,
        hidden_layers: Natural = 0,
        hidden_units: Count = 1024,
        dropout: Share = 0.0,
        minibatch: str = "none",
        head: str = "flatten",
        input_bias: bool = False,
        initialization: str = "normal",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-8,
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
