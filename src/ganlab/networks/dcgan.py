"""DCGAN (Radford, Metz and Chintala 2015): the generator and the discriminator, as the paper's figure 1 draws them.

The authors' form: 5x5 kernels, 1024-512-256-128 feature maps at 64x64, a linear projection and a linear head, no
biases. PyTorch's tutorial: 4x4 kernels, 512-256-128-64, both ends convolutions. Two sets of values, the same lines.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganlab.networks.layers import HEADS, PRIORS, PROJECTIONS, STATISTICS, choose, down, initialize, pyramid, up


class Generator(nn.Module):
    """Latents to images: projection, then fractionally strided convolutions with batch norm and ReLU, then tanh.

    Args:
        image_size: side of the images, m * 2**k with m in 4..7 and k >= 2.
        channels: 1 for grey, 3 for colour images, or any other number.
        width: feature maps of the layer next to the image; doubled at each halving.
        latent_size: length of a latent vector (100 in the paper).
        prior: distribution of the latents, ``uniform`` on [-1, 1] (paper) or ``normal`` N(0, 1).
        kernel: side of the convolutions' kernels, at least 3 (the authors: 5; PyTorch's tutorial: 4).
        projection: ``linear`` (authors) or ``convolution`` (tutorial).
        eps: added to the variance in batch norm (authors: 1e-8; tutorial: 1e-5).
        sampling_statistics: what batch norm uses when sampling, ``batch`` (authors) or ``running``.
    """

    value_range = (-1.0, 1.0)

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        width: int = 128,
        latent_size: int = 100,
        prior: str = "uniform",
        kernel: int = 5,
        projection: str = "linear",
        eps: float = 1e-8,
        sampling_statistics: str = "batch",
    ) -> None:
        super().__init__()
        side, maps = pyramid(image_size, width)
        self.latent_size, self.prior = latent_size, choose(PRIORS, prior, "prior")
        choose(STATISTICS, sampling_statistics, "sampling statistics")
        self.sampling_statistics = sampling_statistics
        self.project = choose(PROJECTIONS, projection, "projection")(latent_size, maps[0], side, eps)
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(up(inputs, outputs, kernel), nn.BatchNorm2d(outputs, eps=eps), nn.ReLU())
                for inputs, outputs in pairwise(maps)
            )
        )
        self.to_image = nn.Sequential(up(width, channels, kernel), nn.Tanh())  # no batch norm: samples would oscillate
        initialize(self)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (N, latent_size) to images (N, channels, image_size, image_size) in [-1, 1]."""
        return self.to_image(self.upsample(self.project(latents)))

    def draw_latents(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw (count, latent_size) latents from the prior with a CPU generator: the same on every device."""
        return self.prior(torch.empty(count, self.latent_size), rng)


class Discriminator(nn.Module):
    """Images to logits: strided convolutions with batch norm and leaky ReLU, no pooling; the sigmoid is the loss's.

    Args:
        image_size: side of the images, m * 2**k with m in 4..7 and k >= 2.
        channels: of the images.
        width: feature maps of the layer next to the image; doubled at each halving.
        kernel: side of the convolutions' kernels, at least 3.
        head: ``linear`` (authors) or ``convolution`` (tutorial).
        eps: added to the variance in batch norm.
        slope: of the leaky ReLU for negative inputs (0.2 in the paper).
        input_bias: whether the first convolution has a bias. The authors and the tutorial have none; then nothing but
            eps tells the batch's scale, D(a * images) = D(images) for a > 0, and contrast is free to drift.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        width: int = 128,
        kernel: int = 5,
        head: str = "linear",
        eps: float = 1e-8,
        slope: float = 0.2,
        input_bias: bool = False,
    ) -> None:
        super().__init__()
        side, maps = pyramid(image_size, width)
        maps.reverse()
        self.from_image = nn.Sequential(down(channels, width, kernel, input_bias), nn.LeakyReLU(slope))
        self.downsample = nn.Sequential(
            *(
                nn.Sequential(down(inputs, outputs, kernel), nn.BatchNorm2d(outputs, eps=eps), nn.LeakyReLU(slope))
                for inputs, outputs in pairwise(maps)
            )
        )
        self.head = choose(HEADS, head, "head")(maps[-1], side)
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, image_size, image_size) in [-1, 1] to logits (N,): positive means real."""
        return self.head(self.downsample(self.from_image(images))).squeeze(1)
