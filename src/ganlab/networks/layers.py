"""The pieces that the networks are made of, each variant under its name.

All networks here halve or double the image with every convolution, so an image side is ``m * 2**k``: the side ``m``
(4 to 7) of the smallest feature map, doubled ``k`` times (at least twice).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
STATISTICS = {"running": "running averages", "batch": "statistics of the batch at hand"}


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


def down(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    """Strided convolution: (N, inputs, H, W) -> (N, outputs, H/2, W/2) for even H and W."""
    return nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


def up(inputs: int, outputs: int, kernel: int) -> nn.ConvTranspose2d:
    """Fractionally strided convolution without bias: (N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2, bias=False
    )


class LinearProjection(nn.Sequential):
    """Latents to the smallest feature map by a linear layer, normalised per unit *before* the reshape (authors' code).

    Each of the ``maps * side**2`` units has a gain and a bias of its own.
    """

    def __init__(self, latent_size: int, maps: int, side: int, eps: float) -> None:
        units = maps * side**2
        super().__init__(
            nn.Linear(latent_size, units, bias=False),
            nn.BatchNorm1d(units, eps=eps),
            nn.ReLU(),
            nn.Unflatten(1, (maps, side, side)),
        )


class ConvolutionProjection(nn.Sequential):
    """Latents to the smallest feature map by a transposed convolution, normalised per map (PyTorch's tutorial)."""

    def __init__(self, latent_size: int, maps: int, side: int, eps: float) -> None:
        super().__init__(
            nn.Unflatten(1, (latent_size, 1, 1)),
            nn.ConvTranspose2d(latent_size, maps, side, bias=False),
            nn.BatchNorm2d(maps, eps=eps),
            nn.ReLU(),
        )


class LinearHead(nn.Sequential):
    """The smallest feature map to one logit by a linear layer without bias: (N, maps, side, side) -> (N, 1)."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(maps * side**2, 1, bias=False))


class ConvolutionHead(nn.Sequential):
    """The smallest feature map to one logit by a convolution as large as the map: (N, maps, side, side) -> (N, 1)."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__(nn.Conv2d(maps, 1, side, bias=False), nn.Flatten())


PROJECTIONS: dict[str, Callable[..., nn.Module]] = {"linear": LinearProjection, "convolution": ConvolutionProjection}
HEADS: dict[str, Callable[..., nn.Module]] = {"linear": LinearHead, "convolution": ConvolutionHead}
PRIORS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "uniform": lambda z, rng: z.uniform_(-1, 1, generator=rng),
    "normal": lambda z, rng: z.normal_(generator=rng),
}


def choose(table: dict[str, T], name: str, what: str) -> T:
    """Return ``table[name]``, or raise a ValueError that lists the names that there are."""
    if name not in table:
        raise ValueError(f"{what} {name!r} does not exist; choose one of {', '.join(table)}")
    return table[name]


def initialize(network: nn.Module, deviation: float = 0.02) -> None:
    """Draw every weight from N(0, deviation) and every batch-norm gain from N(1, deviation); biases become 0.

    Paper sec. 4 for the weights; the gains are the authors' code and PyTorch's tutorial alike.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, BATCH_NORMS) and module.affine:
            nn.init.normal_(module.weight, 1.0, deviation)
            nn.init.zeros_(module.bias)


@contextmanager
def sampling(network: nn.Module, statistics: str) -> Iterator[None]:
    """Put ``network`` into sampling mode for the block, without gradients and without a trace in the network.

    Args:
        network: any module.
        statistics: what batch norm normalises with: ``running`` averages (as ``eval()`` does), or those of the
            ``batch`` at hand, as the authors always do: a sample then depends on its batch mates.
    """
    norms = [m for m in network.modules() if isinstance(m, BATCH_NORMS)]
    averages = [(norm.running_mean, norm.running_var) for norm in norms]
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        if statistics == "batch":  # batch norm without averages uses, and leaves, nothing but the batch
            for norm in norms:
                norm.running_mean = norm.running_var = None
        with torch.no_grad():
            yield
    finally:
        for norm, (mean, variance) in zip(norms, averages, strict=True):
            norm.running_mean, norm.running_var = mean, variance
        for module, training in modes:
            module.training = training
