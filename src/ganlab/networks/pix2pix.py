"""pix2pix (Isola et al. 2017): a U-Net or encoder-decoder as generator, and the PatchGAN discriminator.

Layers are those of the authors' Lua code and of their PyTorch repository, which agree but for the generator's dropout.
The biases that Lua's hidden convolutions have are set to zero at each step there, and left out here.
"""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Natural, NonNegative, checked
from ganlab.networks.layers.blocks import OUTPUTS, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.resampling import UPSAMPLINGS, strided
from ganlab.networks.layers.translation import UNET_DROPOUTS, hidden_norm, require_pictures


@checked
class Generator(nn.Module):
    """Pictures to pictures: convolutions that halve the side down to one pixel, then as many that double it.

    In the U-Net each of the latter also sees the features of its side on the way down. Dropout is the only noise.

    Attributes:
        input_shape: (channels, height, width) of the pictures that it was made for.
        multiple: the sides of other pictures must be multiples of it.
        value_range: of the output.
    """

    def __init__(
        self,
        image_size: Count = 256,  # a power of two of at least 4: 256 makes eight levels
        channels: Count = 3,  # of the output
        input_channels: Count = 3,
        width: Count = 64,  # channels of the level next to the image, doubled at each of the next three
        skips: bool = True,  # false: the encoder-decoder
        normalization: str = "batch",  # or ``instance``, ``none``
        dropout: str = "lua",  # of 0.5, after the first three up-samplings; or ``pytorch``, ``none``
        upsampling: str = "transposed",  # or ``nearest``, ``bilinear``, ... with 3x3 kernels
        output: str = "tanh",
        deviation: NonNegative = 0.02,  # of the initial weights
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        depth = image_size.bit_length() - 1
        if depth < 2 or image_size != 2**depth:
            near = sorted({max(4, 2**depth), max(4, 2 ** (depth + 1))})
            raise ValueError(
                f"image size {image_size} is no power of two of at least 4; nearest sizes: {', '.join(map(str, near))}"
            )
        squash, self.value_range = choose(OUTPUTS, output, "output")
        self.skips, self.multiple, self.input_shape = skips, image_size, (input_channels, image_size, image_size)
        norm, bias = hidden_norm(normalization, eps)
        up, kernel = choose(UPSAMPLINGS, upsampling, "up-sampling"), 4 if upsampling == "transposed" else 3
        dropped = choose(UNET_DROPOUTS, dropout, "dropout")(depth)
        levels = [width * 2 ** min(level, 3) for level in range(depth)]

        self.down = nn.ModuleList([nn.Sequential(strided(input_channels, width, 4, bias))])
        for level, (inputs, outputs) in enumerate(pairwise(levels), start=1):
            normalize = [norm(outputs)] if level < depth - 1 else []  # which would set the innermost pixel to zero
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), strided(inputs, outputs, 4, bias), *normalize))
        self.up = nn.ModuleList()
        for level in reversed(range(1, depth)):
            inputs, outputs = levels[level] * (2 if skips and level < depth - 1 else 1), levels[level - 1]
            noise = [nn.Dropout(0.5)] if level in dropped else []
            self.up.append(nn.Sequential(nn.ReLU(), up(inputs, outputs, kernel, bias), norm(outputs), *noise))
        self.up.append(nn.Sequential(nn.ReLU(), up(width * (2 if skips else 1), channels, kernel, True), squash()))
        initialize(self, deviation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, input_channels, H, W), H and W multiples of ``multiple``, to (N, channels, H, W)."""
        require_pictures(inputs, self.input_shape[0], self.multiple)
        passed = [inputs]
        for down in self.down:
            passed.append(down(passed[-1]))
        values = self.up[0](passed.pop())
        for up in self.up[1:]:
            values = up(torch.cat([passed.pop(), values], dim=1) if self.skips else values)
        return values


@checked
class Discriminator(nn.Module):
    """PatchGAN: pictures, behind their condition, to a map of logits, one for each of many overlapping patches.

    Patches have 1, 16, 34, 70 (paper), 142, 286 and 574 pixels a side for 0 to 6 ``layers``.

    Attributes:
        input_shape: (channels, height, width) of the pictures that it was made for, the condition's channels included.
        condition_channels: of the input picture, which passes in front of the images; 0 for none.
    """

    def __init__(
        self,
        image_size: Count = 256,
        channels: Count = 3,
        condition_channels: Natural = 3,
        width: Count = 64,  # channels of the first layer, doubled at each of the next three
        layers: Natural = 3,  # that halve the side; 0: one logit a pixel
        normalization: str = "batch",  # or ``instance``, ``none``
        deviation: NonNegative = 0.02,
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        self.condition_channels, self.least = condition_channels, 3 * 2**layers if layers else 1
        if image_size < self.least:
            raise ValueError(
                f"image size {image_size} is too small for {layers} layers, which need {self.least}: take fewer layers"
            )
        self.input_shape = (channels + condition_channels, image_size, image_size)
        norm, bias = hidden_norm(normalization, eps)
        kernel, padding = (4, 1) if layers else (1, 0)
        sizes = [width * 2 ** min(layer, 3) for layer in range(max(layers, 1) + 1)]
        first = nn.Conv2d(self.input_shape[0], width, kernel, 2 if layers else 1, padding)
        self.patches = nn.Sequential(first, nn.LeakyReLU(0.2))
        for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            stride = 2 if layer < layers else 1
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
            self.patches.extend([convolution, norm(outputs), nn.LeakyReLU(0.2)])
        self.patches.append(nn.Conv2d(sizes[-1], 1, kernel, 1, padding, bias=bias or layers > 0))
        initialize(self, deviation)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, condition_channels + channels, H, W) to logits (N, 1, h, w): positive means real."""
        require_pictures(pictures, self.input_shape[0], least=self.least)
        return self.patches(pictures)


def load(path: str | Path) -> nn.Module:
    """Load a ``.pth`` file of the PyTorch repository, see `ganlab.networks.published.load`."""
    from ganlab.networks import published  # it knows the networks of this module

    return published.load(path)
