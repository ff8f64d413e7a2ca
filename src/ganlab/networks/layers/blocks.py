"""The pieces that the networks are made of, each variant under its name.

All networks here halve or double the image with every convolution, so an image side is ``m * 2**k``: the side ``m``
(4 to 7) of the smallest feature map, doubled ``k`` times (at least twice).
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from torch import Tensor, nn

from ganlab.networks.latents import PRIORS
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.minibatch import MINIBATCHES
from ganlab.networks.layers.resampling import DOWNSAMPLINGS, UPSAMPLINGS
from ganlab.networks.layers.style import ACTIVATIONS, BATCH_NORMS, NORMALIZATIONS, NORMS, Finish
from ganlab.networks.statistics import STATISTICS, sampling, standing_averages

__all__ = [
    "ACTIVATIONS",
    "BATCH_NORMS",
    "DOWNSAMPLINGS",
    "HEADS",
    "INITIALIZATIONS",
    "MINIBATCHES",
    "NORMALIZATIONS",
    "OUTPUTS",
    "PRIORS",
    "PROJECTIONS",
    "STATISTICS",
    "UPSAMPLINGS",
    "Finish",
    "choose",
    "fully_connected",
    "hidden_before_head",
    "initialize",
    "nearest_sizes",
    "pyramid",
    "sampling",
    "standing_averages",
]


def pyramid(image_size: int, width: int) -> tuple[int, list[int]]:
    """Return the side of the smallest feature map and the feature maps of each scale, smallest image side first.

    ``width`` is the number of feature maps next to the image; it doubles at every halving, so a 64x64 image with
    width 128 gives ``(4, [1024, 512, 256, 128])``.

    Raises:
        ValueError: ``image_size`` is not m * 2**k with m in 4..7 and k >= 2.
    """
    side, halvings = image_size, 0
    while side > 7 and side % 2 == 0:
        side, halvings = side // 2, halvings + 1
    if not (4 <= side <= 7 and halvings >= 2):
        raise ValueError(
            f"image size {image_size} cannot be made by doubling a feature map of side 4 to 7 at least twice; "
            f"nearest sizes: {', '.join(map(str, nearest_sizes(image_size)))}"
        )
    return side, [width * 2**scale for scale in reversed(range(halvings))]


def nearest_sizes(image_size: int) -> list[int]:
    """Return the one or two sizes next to ``image_size`` that ``pyramid`` accepts."""
    sizes = sorted(m * 2**k for m in range(4, 8) for k in range(2, 12))
    below = [size for size in sizes if size <= image_size][-1:]
    return below + [size for size in sizes if size > image_size][:1]


class LinearProjection(nn.Sequential):
    """Latents to the smallest feature map by a linear layer, normalised per unit *before* the reshape (authors' code).

    Each of the ``maps * side**2`` units has a gain and a bias of its own.
    """

    def __init__(self, latent_size: int, maps: int, side: int, finish: Finish) -> None:
        units = maps * side**2
        super().__init__(
            nn.Linear(latent_size, units, bias=finish.bias),
            *finish.units(units, maps),
            nn.Unflatten(1, (maps, side, side)),
        )


class ConvolutionProjection(nn.Sequential):
    """Latents to the smallest feature map by a transposed convolution, normalised per map (PyTorch's tutorial)."""

    def __init__(self, latent_size: int, maps: int, side: int, finish: Finish) -> None:
        super().__init__(
            nn.Unflatten(1, (latent_size, 1, 1)),
            nn.ConvTranspose2d(latent_size, maps, side, bias=finish.bias),
            *finish.maps(maps),
        )


class FlattenHead(nn.Sequential):
    """The smallest feature map to one logit by a linear layer without bias: (N, maps, side, side) -> (N, 1)."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(maps * side**2, 1, bias=False))


class GlobalAveragePoolHead(nn.Sequential):
    """The mean of each map of the smallest feature map, weighed to one logit: (N, maps, side, side) -> (N, 1).

    What the paper tried (sec. 3): more stable, slower to converge.
    """

    def __init__(self, maps: int, side: int) -> None:
        super().__init__(nn.AvgPool2d(side), nn.Flatten(), nn.Linear(maps, 1, bias=False))


class ConvolutionHead(nn.Sequential):
    """The smallest feature map to one logit by a convolution as large as the map: (N, maps, side, side) -> (N, 1)."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__(nn.Conv2d(maps, 1, side, bias=False), nn.Flatten())


def fully_connected(sizes: list[int], finish: Finish) -> Iterator[nn.Sequential]:
    """Yield one finished linear layer between each two sizes: (N, sizes[i]) -> (N, sizes[i + 1])."""
    for inputs, outputs in pairwise(sizes):
        yield nn.Sequential(nn.Linear(inputs, outputs, bias=finish.bias), *finish.units(outputs, 1))


def hidden_before_head(
    maps: int, side: int, layers: int, units: int, finish: Finish
) -> tuple[nn.Sequential, tuple[int, int]]:
    """Return fully connected layers for the smallest feature map, and the (maps, side) that a head gets from them.

    Without any, the feature map itself; else one map of side 1 a unit, (N, units, 1, 1).
    """
    if layers == 0:
        return nn.Sequential(), (maps, side)
    connected = fully_connected([maps * side**2] + [units] * layers, finish)
    return nn.Sequential(nn.Flatten(), *connected, nn.Unflatten(1, (units, 1, 1))), (units, 1)


PROJECTIONS: dict[str, Callable[..., nn.Module]] = {"linear": LinearProjection, "convolution": ConvolutionProjection}
HEADS: dict[str, Callable[..., nn.Module]] = {
    "flatten": FlattenHead,
    "global_average_pool": GlobalAveragePoolHead,
    "convolution": ConvolutionHead,
}
# The generator's last function, and the range of its images; what a linear output leaves of it is clamped.
OUTPUTS: dict[str, tuple[Callable[[], nn.Module], tuple[float, float]]] = {
    "tanh": (nn.Tanh, (-1.0, 1.0)),
    "sigmoid": (nn.Sigmoid, (0.0, 1.0)),
    "linear": (nn.Identity, (-1.0, 1.0)),
}


def initialize(network: nn.Module, deviation: float = 0.02, initialization: str = "normal") -> None:
    """Draw every weight, and every normalisation's gain from N(1, deviation); biases become 0.

    Paper sec. 4 for the weights; the gains are the authors' code and PyTorch's tutorial alike.

    Args:
        network: any.
        deviation: of the ``normal`` weights and of the gains.
        initialization: ``normal`` N(0, deviation), ``he``, ``glorot`` or ``orthogonal``; the last three suit networks
            without normalisation, whose signals the paper's small weights let fade.
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
