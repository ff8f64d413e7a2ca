"""Down-sampling and up-sampling layers by name: strided and transposed convolutions, and their alternatives."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional


def strided(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    """Strided convolution: (N, inputs, H, W) -> (N, outputs, H/2, W/2) for even H and W."""
    return nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


def pooled(pool: type[nn.Module], inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Sequential:
    """Convolution, then 2x2 pooling: (N, inputs, H, W) -> (N, outputs, H/2, W/2) for even H and W."""
    return nn.Sequential(*same(inputs, outputs, kernel, bias), pool(2))


def transposed(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.ConvTranspose2d:
    """Fractionally strided convolution: (N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2, bias=bias
    )


def resized(mode: str, inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Sequential:
    """Interpolation, then convolution: (N, inputs, H, W) -> (N, outputs, 2H, 2W) (Odena et al. 2016)."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=mode), *same(inputs, outputs, kernel, bias))


def shuffled(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Sequential:
    """Sub-pixel convolution (Shi et al. 2016), i.e. pixel shuffle: (N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
    return nn.Sequential(*same(inputs, 4 * outputs, kernel, bias), nn.PixelShuffle(2))


def unpooled(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Sequential:
    """Bed of nails, then convolution: (N, inputs, H, W) -> (N, outputs, 2H, 2W).

    For odd kernels it equals ``transposed`` with the kernel rotated by 180 degrees.
    """
    return nn.Sequential(BedOfNails(), *same(inputs, outputs, kernel, bias))


class BedOfNails(nn.Module):
    """Put each value at the upper left of a 2x2 block of zeros: (N, C, H, W) -> (N, C, 2H, 2W)."""

    def forward(self, features: Tensor) -> Tensor:
        count, channels, height, width = features.shape
        spread = functional.pad(features.reshape(count, channels, height, 1, width, 1), (0, 1, 0, 0, 0, 1))
        return spread.reshape(count, channels, 2 * height, 2 * width)


def same(inputs: int, outputs: int, kernel: int, bias: bool) -> list[nn.Module]:
    """Return a convolution that keeps the side; an even kernel pads one more zero at the right and at the bottom."""
    before, after = (kernel - 1) // 2, kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=before if before == after else 0, bias=bias)
    return [convolution] if before == after else [nn.ZeroPad2d((before, after, before, after)), convolution]


DOWNSAMPLINGS: dict[str, Callable[..., nn.Module]] = {
    "strided": strided,
    "max_pool": partial(pooled, nn.MaxPool2d),
    "avg_pool": partial(pooled, nn.AvgPool2d),
}
UPSAMPLINGS: dict[str, Callable[..., nn.Module]] = {
    "transposed": transposed,
    "nearest": partial(resized, "nearest"),
    "bilinear": partial(resized, "bilinear"),
    "bicubic": partial(resized, "bicubic"),
    "pixel_shuffle": shuffled,
    "unpool": unpooled,
}
