"""Context encoder (Pathak et al. 2016): completes a picture with a hole; layers are those of the authors' Lua code.

``region=centre`` predicts the hole in the middle, of half the side; ``region=whole`` the whole picture, for holes
elsewhere. The discriminator sees what is predicted, without its context. The biases of the authors' convolutions, which
they set to zero at each step, are left out.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from ganlab.arguments import Count, NonNegative, checked
from ganlab.networks.layers.blocks import OUTPUTS, ConvolutionHead, channel_schedule, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.resampling import UPSAMPLINGS, strided
from ganlab.networks.layers.translation import hidden_norm, require_shape

Norm = Callable[[int], nn.Module]
Region = Literal["centre", "whole"]


@checked
class Generator(nn.Module):
    """Pictures with a hole to what is missing: an encoder, a bottleneck, a decoder.

    Attributes:
        region: that it predicts.
        input_shape: (channels, height, width) of its pictures.
        value_range: of the output.
    """

    def __init__(
        self,
        image_size: Count = 128,  # m * 2**k with m in 4..7 and k >= 2
        channels: Count = 3,
        region: Region = "centre",
        width: Count = 64,  # channels of the layer next to the image
        # ``convolution`` (code) to one pixel, or ``channelwise`` (paper): fully connected within each channel
        bottleneck: str = "convolution",
        bottleneck_units: Count = 4000,  # of ``convolution``; the code's default is 100, its instructions 4000
        normalization: str = "batch",  # or ``instance``, ``none``
        upsampling: str = "transposed",  # or ``nearest``, ``bilinear``, ... with 3x3 kernels
        output: str = "tanh",
        deviation: NonNegative = 0.02,  # of the initial weights
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        squash, self.value_range = choose(OUTPUTS, output, "output")
        self.region, self.input_shape = region, (channels, image_size, image_size)
        norm, _ = hidden_norm(normalization, eps)
        up, kernel = choose(UPSAMPLINGS, upsampling, "up-sampling"), 4 if upsampling == "transposed" else 3
        side, (encoder, decoder) = schedules(image_size, width, region)
        self.encode = halving(channels, encoder, norm)
        make = choose(BOTTLENECKS, bottleneck, "bottleneck")
        self.bottleneck = nn.Sequential(*make(encoder[-1], decoder[-1], side, bottleneck_units, norm))
        self.decode = nn.Sequential()
        for inputs, outputs in pairwise(reversed(decoder)):
            self.decode.extend([up(inputs, outputs, kernel), norm(outputs), nn.ReLU()])
        self.decode.extend([up(width, channels, kernel), squash()])
        initialize(self, deviation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the whole picture, or to its middle (N, channels, H/2, W/2)."""
        require_shape(inputs, self.input_shape)
        return self.decode(self.bottleneck(self.encode(inputs)))


@checked
class Discriminator(nn.Module):
    """What was predicted to logits (N,), positive for real; of ``region=centre`` half the picture's side.

    Attributes:
        input_shape: (channels, height, width) of its pictures.
    """

    def __init__(
        self,
        image_size: Count = 128,  # of the whole picture
        channels: Count = 3,
        region: Region = "centre",
        width: Count = 64,
        normalization: str = "batch",
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        size = image_size // 2 if region == "centre" else image_size
        self.input_shape = (channels, size, size)
        side, (_, encoder) = schedules(image_size, width, region)
        self.encode = halving(channels, encoder, hidden_norm(normalization, eps)[0])
        self.head = ConvolutionHead(encoder[-1], side)
        initialize(self, deviation)

    def forward(self, images: Tensor) -> Tensor:
        """Map the predicted region, or its truth, to logits (N,): positive means real."""
        require_shape(images, self.input_shape)
        return self.head(self.encode(images)).squeeze(1)


def schedules(image_size: int, width: int, region: Region) -> tuple[int, tuple[list[int], list[int]]]:
    """Return the side of the smallest feature map, and the channels from the image down to it.

    The latter of the whole picture and of the predicted region: at most four scales double the channels, and those
    next to the image keep ``width``: 64, 64, 128, 256, 512 at 128 pixels.
    """
    side, scales = channel_schedule(image_size, width)
    halvings = len(scales), len(scales) - (region == "centre")
    channels = [[width * 2 ** max(scale - max(count - 4, 0), 0) for scale in range(count)] for count in halvings]
    return side, (channels[0], channels[1])


def halving(channels: int, schedule: list[int], norm: Norm) -> nn.Sequential:
    """Return convolutions that halve the side, one for each entry of a schedule; the first has no norm."""
    layers = [strided(channels, schedule[0], 4), nn.LeakyReLU(0.2)]
    for inputs, outputs in pairwise(schedule):
        layers += [strided(inputs, outputs, 4), norm(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def convolution(inputs: int, outputs: int, side: int, units: int, norm: Norm) -> list[nn.Module]:
    """Return a convolution to one pixel of ``units`` channels, and one back (authors' code)."""
    return [
        nn.Conv2d(inputs, units, side, bias=False), norm(units), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(units, outputs, side, bias=False), norm(outputs), nn.ReLU(),
    ]  # fmt: skip


def channelwise(inputs: int, outputs: int, side: int, units: int, norm: Norm) -> list[nn.Module]:
    """Return a layer that connects all pixels of each channel, then 1x1 across channels (paper, sec. 3.1)."""
    connected = nn.Conv2d(inputs, inputs * side**2, side, groups=inputs, bias=False)
    return [
        connected, nn.Flatten(), nn.Unflatten(1, (inputs, side, side)),
        nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs), nn.ReLU(),
    ]  # fmt: skip


# Of the channels of the smallest feature map before and after, its side, and the units of ``convolution``.
BOTTLENECKS: dict[str, Callable[[int, int, int, int, Norm], list[nn.Module]]] = {
    "convolution": convolution,
    "channelwise": channelwise,
}
