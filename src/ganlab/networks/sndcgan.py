"""The standard CNN of spectral normalisation (Miyato et al. 2018, table 3), known as SNDCGAN: 32x32, 48x48, 64x64.

From the paper: layers, kernels, strides, channels and activations, and spectral norm on every layer of the
discriminator. From the code of the authors' laboratory (pfnet-research/chainer-gan-lib): batch norm and ReLU after the
generator's first layer, which the paper's table omits, and weights from N(0, 0.02).

That code differs from the paper and from this file: the 4x4/2 convolutions of its discriminator double the channels
(64-128-128-256-256-512-512), the slope of its leaky ReLU is 0.2, latents are uniform on [-1, 1], and batch norm follows
layers with biases, has initial gains of 1 and eps 2e-5. Here those layers have no bias, the gains come from N(1, 0.02)
as in the other DCGANs, and eps is 1e-5. Arguments are explained in `ganlab.networks.dcgan`.
"""

from itertools import pairwise

from torch import Tensor, nn

from ganlab.arguments import Count, Positive, Repeats, Scale, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, LinearProjection, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.minibatch import MINIBATCHES
from ganlab.networks.layers.style import LayerStyle

HALVINGS = 3


@checked
class Generator(LatentGenerator):
    """Latents to images: linear to 512 channels of side image_size/8, transposed 4x4/2 to 256, 128, 64, then 3x3/1."""

    def __init__(
        self,
        image_size: Count = 32,  # a multiple of 8, at least 16
        channels: Count = 3,
        *,
        width: Count = 64,
        latent_size: Count = 128,
        prior: str = "normal",
        output: str = "tanh",
        deviation: Scale = 0.02,
        eps: Positive = 1e-5,
        sampling_statistics: str = "running",
        standing_batches: Repeats = 16,
    ) -> None:
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range)
        schedule = [width * 2**scale for scale in range(HALVINGS, -1, -1)]
        style = LayerStyle(activation="relu", eps=eps)
        self.project = LinearProjection(latent_size, schedule[0], smallest_side(image_size), style)
        scales = [
            nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), *style.after_convolution(b))
            for a, b in pairwise(schedule)
        ]
        self.upsample = nn.Sequential(*scales)
        self.to_image = nn.Sequential(nn.Conv2d(width, channels, 3, padding=1), squash())
        initialize(self, deviation)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in ``value_range``."""
        return self.to_image(self.upsample(self.project(latents)))


@checked
class Discriminator(nn.Module):
    """Images to logits: 3x3/1 and 4x4/2 in turn, 64-64-128-128-256-256-512 channels, leaky ReLU, linear."""

    def __init__(
        self,
        image_size: Count = 32,  # a multiple of 8, at least 16
        channels: Count = 3,
        *,
        width: Count = 64,
        normalization: str = "spectral",  # (paper), or another name in `ganlab.networks.layers.style`
        slope: Scale = 0.1,
        minibatch: str = "none",
        deviation: Scale = 0.02,
        eps: Positive = 1e-5,  # added to the variance in normalisation; unused by ``spectral``
    ) -> None:
        super().__init__()
        side, style = smallest_side(image_size), LayerStyle(normalization, "leaky_relu", slope, eps=eps)
        schedule = [width * 2**scale for scale in range(HALVINGS + 1)]
        first = nn.Conv2d(channels, width, 3, padding=1)
        self.from_image = nn.Sequential(first, *style.norm_at_image(width), *style.activation_and_dropout())
        scales = [
            nn.Sequential(
                nn.Conv2d(inputs, inputs, 4, 2, 1, bias=style.bias),
                *style.after_convolution(inputs),
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=style.bias),
                *style.after_convolution(outputs),
            )
            for inputs, outputs in pairwise(schedule)
        ]
        self.downsample = nn.Sequential(*scales)
        self.minibatch = choose(MINIBATCHES, minibatch, "minibatch")(schedule[-1], side)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(self.minibatch.channels * side**2, 1))
        initialize(self, deviation)
        style.normalize_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) to logits (N,): positive means real."""
        return self.head(self.minibatch(self.downsample(self.from_image(images)))).squeeze(1)


def smallest_side(image_size: int) -> int:
    """Return the side of the smallest feature map, at least 2; a ValueError if three halvings cannot give one."""
    side, rest = divmod(image_size, 2**HALVINGS)
    if rest or side < 2:
        nearest = max(round(image_size / 8), 2) * 8
        raise ValueError(f"image size {image_size} is no multiple of 8 of at least 16; nearest size: {nearest}")
    return side
