"""The standard CNN of spectral normalisation (Miyato et al. 2018, table 3), known as SNDCGAN: 32x32, 48x48, 64x64.

From the paper: the layers, kernels, strides, maps and activations, spectral norm on every layer of the discriminator
and none in the generator. Batch norm and ReLU after the generator's first layer, which the paper's table leaves out,
are those of the code of the authors' laboratory (pfnet-research/chainer-gan-lib), and so are the weights drawn from
N(0, 0.02). That code differs from the paper, and from here, in that the 4x4/2 convolutions of the discriminator
double the maps (64-128-128-256-256-512-512), its leaky ReLU has slope 0.2 and latents are uniform on [-1, 1].
Batch norm there starts with gains of exactly 1 and eps 2e-5 and follows layers that have biases; here gains are drawn
from N(1, 0.02) like those of the other DCGANs, eps is 1e-5, and what batch norm follows has no bias of its own.
"""

from itertools import pairwise

from torch import Tensor, nn

from ganlab.arguments import Count, NonNegative, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS, LinearProjection, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.minibatch import MINIBATCHES
from ganlab.networks.layers.style import Finish

HALVINGS = 3


@checked
class Generator(LatentGenerator):
    """Latents to images: linear to 512 maps of side image_size/8, deconvolutions 4x4/2 to 256, 128, 64, then 3x3/1.

    Args:
        image_size: side of the images, a multiple of 8, at least 16.
        channels: of the images.
        width: feature maps of the layer next to the image; doubled at each halving.
        latent_size: length of a latent vector (paper: 128).
        prior: distribution of the latents (paper: ``normal``).
        output: ``tanh`` (paper), ``sigmoid`` or ``linear``.
        deviation: of the initial weights around 0, and of batch norm's gains around 1.
        eps: added to the variance in batch norm (authors' laboratory: 2e-5).
        sampling_statistics: what batch norm uses when sampling, ``running``, ``batch`` or ``standing``.
        standing_batches: batches that ``standing`` statistics are averaged over.
    """

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        *,
        width: Count = 64,
        latent_size: Count = 128,
        prior: str = "normal",
        output: str = "tanh",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-5,
        sampling_statistics: str = "running",
        standing_batches: Count = 16,
    ) -> None:
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range)
        maps = [width * 2**scale for scale in range(HALVINGS, -1, -1)]
        finish = Finish(activation="relu", eps=eps)
        self.project = LinearProjection(latent_size, maps[0], smallest_side(image_size), finish)
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), *finish.maps(outputs))
                for inputs, outputs in pairwise(maps)
            )
        )
        self.to_image = nn.Sequential(nn.Conv2d(width, channels, 3, padding=1), squash())
        initialize(self, deviation)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in ``value_range``."""
        return self.to_image(self.upsample(self.project(latents)))


@checked
class Discriminator(nn.Module):
    """Images to logits: 3x3/1 and 4x4/2 in turn, 64-64-128-128-256-256-512 maps, leaky ReLU, flat linear head.

    Args:
        image_size: side of the images, a multiple of 8, at least 16.
        channels: of the images.
        width: feature maps of the layers next to the image; doubled at each halving.
        normalization: ``spectral`` (paper), or another of `ganlab.networks.layers.style`, for comparison.
        slope: of the leaky ReLU for negative inputs (paper: 0.1).
        minibatch: what it sees of the other images: ``none`` (paper), ``standard_deviation`` or ``discrimination``.
        deviation: of the initial weights around 0, and of a normalisation's gains around 1.
        eps: added to the variance of normalisations other than spectral, which has no use for it.
    """

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        *,
        width: Count = 64,
        normalization: str = "spectral",
        slope: NonNegative = 0.1,
        minibatch: str = "none",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        side, finish = smallest_side(image_size), Finish(normalization, "leaky_relu", slope, eps=eps)
        maps = [width * 2**scale for scale in range(HALVINGS + 1)]
        first = nn.Conv2d(channels, width, 3, padding=1)
        self.from_image = nn.Sequential(first, *finish.ends(width), *finish.activated())
        self.downsample = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(inputs, inputs, 4, 2, 1, bias=finish.bias),
                    *finish.maps(inputs),
                    nn.Conv2d(inputs, outputs, 3, padding=1, bias=finish.bias),
                    *finish.maps(outputs),
                )
                for inputs, outputs in pairwise(maps)
            )
        )
        self.minibatch = choose(MINIBATCHES, minibatch, "minibatch")(maps[-1], side)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(self.minibatch.maps * side**2, 1))
        initialize(self, deviation)
        finish.normalize_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) to logits (N,): positive means real."""
        return self.head(self.minibatch(self.downsample(self.from_image(images)))).squeeze(1)


def smallest_side(image_size: int) -> int:
    """Return the side of the smallest feature map.

    Raises:
        ValueError: the image cannot be halved three times to a side of at least 2.
    """
    side, rest = divmod(image_size, 2**HALVINGS)
    if rest or side < 2:
        nearest = max(round(image_size / 8), 2) * 8
        raise ValueError(f"image size {image_size} is no multiple of 8 of at least 16; nearest size: {nearest}")
    return side
