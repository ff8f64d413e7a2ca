"""CycleGAN (Zhu et al. 2017): the generator of residual blocks; its discriminator is pix2pix's without condition."""

from torch import Tensor, nn

from ganlab.arguments import Count, Natural, NonNegative, Share, checked
from ganlab.networks.layers.blocks import OUTPUTS, initialize
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.resampling import UPSAMPLINGS, strided
from ganlab.networks.layers.translation import hidden_norm, require_pictures, require_sides

MULTIPLE, LEAST = 4, 8  # of sides: they are halved twice, and a block reflects one pixel of two


@checked
class Generator(nn.Module):
    """Pictures to pictures: 7x7, two convolutions that halve the side, residual blocks, two that double it, 7x7.

    Attributes:
        input_shape: (channels, height, width) of the pictures that it was made for.
        multiple: the sides of other pictures must be multiples of it.
        least: and at least so long.
        value_range: of the output.
    """

    multiple, least = MULTIPLE, LEAST

    def __init__(
        self,
        image_size: Count = 256,
        channels: Count = 3,  # of the output
        input_channels: Count = 3,
        width: Count = 64,  # channels of the layers next to the image, doubled at each halving
        blocks: Natural = 9,  # 9 at 256 pixels, 6 at 128 (paper)
        normalization: str = "instance",  # or ``batch``, ``none``
        dropout: Share = 0.0,  # inside the blocks (PyTorch repository: 0.5 where it is on)
        upsampling: str = "transposed",  # or ``nearest``, ``bilinear``, ...
        output: str = "tanh",
        deviation: NonNegative = 0.02,  # of the initial weights
        eps: NonNegative = 1e-5,
    ) -> None:
        super().__init__()
        require_sides(image_size, image_size, MULTIPLE, LEAST)
        squash, self.value_range = choose(OUTPUTS, output, "output")
        self.input_shape = (input_channels, image_size, image_size)
        norm, bias = hidden_norm(normalization, eps)
        up = choose(UPSAMPLINGS, upsampling, "up-sampling")

        def hidden(convolution: nn.Module, channels: int) -> list[nn.Module]:
            return [convolution, norm(channels), nn.ReLU()]

        self.from_image = nn.Sequential(
            nn.ReflectionPad2d(3), *hidden(nn.Conv2d(input_channels, width, 7, bias=bias), width)
        )
        self.down = nn.Sequential(
            *hidden(strided(width, 2 * width, 3, bias), 2 * width),
            *hidden(strided(2 * width, 4 * width, 3, bias), 4 * width),
        )
        self.blocks = nn.Sequential()
        for _ in range(blocks):
            noise = [nn.Dropout(dropout)] if dropout else []
            first, second = (nn.Conv2d(4 * width, 4 * width, 3, bias=bias) for _ in range(2))
            layers = [nn.ReflectionPad2d(1), *hidden(first, 4 * width), *noise, nn.ReflectionPad2d(1), second]
            self.blocks.append(Residual(*layers, norm(4 * width)))
        self.up = nn.Sequential(
            *hidden(up(4 * width, 2 * width, 3, bias), 2 * width), *hidden(up(2 * width, width, 3, bias), width)
        )
        self.to_image = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), squash())
        initialize(self, deviation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, input_channels, H, W), H and W multiples of 4 and at least 8, to (N, channels, H, W)."""
        require_pictures(inputs, self.input_shape[0], MULTIPLE, LEAST)
        return self.to_image(self.up(self.blocks(self.down(self.from_image(inputs)))))


class Residual(nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, features: Tensor) -> Tensor:
        return features + super().forward(features)
