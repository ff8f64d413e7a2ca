"""Channel schedule, projections, hidden layers, heads, outputs and initial weights of the networks.

Layers halve or double the image side, so it is ``m * 2**k``: the side ``m`` (4 to 7) of the smallest feature map,
doubled ``k`` times (at least twice).
"""

from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import pairwise

from torch import Tensor, nn

from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.style import NORMS, LayerStyle


def channel_schedule(image_size: int, width: int) -> tuple[int, list[int]]:
    """Return the side of the smallest feature map, and the channels of each scale from there up to the image.

    ``width`` channels are next to the image, twice as many at each halving: an image of side 64 with width 128 gives
    ``(4, [1024, 512, 256, 128])``.
    """
    side, halvings = image_size, 0
    while side > 7 and side % 2 == 0:
        side, halvings = side // 2, halvings + 1
    if not (4 <= side <= 7 and halvings >= 2):
        sizes = sorted(m * 2**k for m in range(4, 8) for k in range(2, 12))
        place = bisect(sizes, image_size)
        raise ValueError(
            f"image size {image_size} cannot be made by doubling a feature map of side 4 to 7 at least twice; "
            f"nearest sizes: {', '.join(map(str, sizes[max(place - 1, 0) : place + 1]))}"
        )
    return side, [width * 2**scale for scale in reversed(range(halvings))]


class LinearProjection(nn.Sequential):
    """Linear layer from latents to the smallest feature map, normalised per feature before the reshape (authors)."""

    def __init__(self, latent_size: int, channels: int, side: int, style: LayerStyle) -> None:
        features = channels * side**2
        super().__init__(
            nn.Linear(latent_size, features, bias=style.bias),
            *style.after_linear(features, channels),
            nn.Unflatten(1, (channels, side, side)),
        )


class ConvolutionProjection(nn.Sequential):
    """Transposed convolution from latents to the smallest feature map, normalised per channel (PyTorch's tutorial)."""

    def __init__(self, latent_size: int, channels: int, side: int, style: LayerStyle) -> None:
        super().__init__(
            nn.Unflatten(1, (latent_size, 1, 1)),
            nn.ConvTranspose2d(latent_size, channels, side, bias=style.bias),
            *style.after_convolution(channels),
        )


class FlattenHead(nn.Sequential):
    """Linear layer without bias: (N, channels, side, side) -> (N, 1)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(channels * side**2, 1, bias=False))


class GlobalAveragePoolHead(nn.Sequential):
    """Global average pooling, then linear, to (N, 1): more stable, slower to converge (paper, sec. 3)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(nn.AvgPool2d(side), nn.Flatten(), nn.Linear(channels, 1, bias=False))


class ConvolutionHead(nn.Sequential):
    """Convolution over the full side, without bias: (N, channels, side, side) -> (N, 1)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(nn.Conv2d(channels, 1, side, bias=False), nn.Flatten())


def fully_connected(sizes: list[int], style: LayerStyle) -> Iterator[nn.Sequential]:
    """Yield a linear layer with normalisation and activation for each pair: (N, sizes[i]) -> (N, sizes[i + 1])."""
    for inputs, outputs in pairwise(sizes):
        yield nn.Sequential(nn.Linear(inputs, outputs, bias=style.bias), *style.after_linear(outputs))


def hidden_before_head(
    channels: int, side: int, layers: int, features: int, style: LayerStyle
) -> tuple[nn.Sequential, tuple[int, int]]:
    """Return fully connected ``layers`` on the smallest feature map, if any, and (channels, side) of their output."""
    if layers == 0:
        return nn.Sequential(), (channels, side)
    connected = fully_connected([channels * side**2] + [features] * layers, style)
    return nn.Sequential(nn.Flatten(), *connected, nn.Unflatten(1, (features, 1, 1))), (features, 1)


PROJECTIONS: dict[str, Callable[..., nn.Module]] = {"linear": LinearProjection, "convolution": ConvolutionProjection}
HEADS: dict[str, Callable[..., nn.Module]] = {
    "flatten": FlattenHead,
    "global_average_pool": GlobalAveragePoolHead,
    "convolution": ConvolutionHead,
}
# The generator's output activation and its value range; images of a linear output are clamped to it.
OUTPUTS: dict[str, tuple[Callable[[], nn.Module], tuple[float, float]]] = {
    "tanh": (nn.Tanh, (-1.0, 1.0)),
    "sigmoid": (nn.Sigmoid, (0.0, 1.0)),
    "linear": (nn.Identity, (-1.0, 1.0)),
}


def initialize(network: nn.Module, deviation: float = 0.02, initialization: str = "normal") -> None:
    """Draw all weights (paper, sec. 4), and gains from N(1, deviation) (authors' code, tutorial); set biases to 0.

    Besides ``normal`` N(0, deviation) there are ``he``, ``glorot`` and ``orthogonal``, which suit networks without
    normalisation, in which the paper's small weights make signals vanish.
    """
    draw = choose(INITIALIZATIONS, initialization, "initialization")
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            draw(module.weight, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, NORMS) and module.affine:
            nn.init.normal_(module.weight, 1.0, deviation)
            nn.init.zeros_(module.bias)


INITIALIZATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "normal": lambda weight, deviation: nn.init.normal_(weight, 0.0, deviation),
    "he": lambda weight, _: nn.init.kaiming_normal_(weight, 0.2, nonlinearity="leaky_relu"),
    "glorot": lambda weight, _: nn.init.xavier_uniform_(weight),
    "orthogonal": lambda weight, _: nn.init.orthogonal_(weight),
}
