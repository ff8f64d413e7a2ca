"""What a feature looks for: its strongest responses, and the pixels that cause them (paper sec. 6.2, figure 5).

Guided back-propagation (Springenberg et al. 2014): backwards through each ReLU goes what is positive, where the ReLU
was open. Random filters are the baseline: what they show is the image and the architecture, not what was learned.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.networks.statistics import Averages, sampling
from ganlab.probes.features import float_batches, with_label
from ganlab.probes.fresh import draw_anew
from ganlab.probes.layers import ACTIVATIONS, Layer, recorded
from ganlab.systems.images import Range

RULES = ("leaky", "relu")


@dataclass(frozen=True)
class Peak:
    """A strongest response of a feature.

    Attributes:
        image: number of the image.
        row: of the response in the feature map.
        column: of the response in the feature map.
        value: of the response.
    """

    image: int
    row: int
    column: int
    value: float


class _Guided(torch.autograd.Function):
    """(Leaky) ReLU whose derivative lets only positive gradients pass."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: float, closed: float) -> Tensor:
        """``slope`` for negative values going forward, ``closed`` going backward."""
        ctx.save_for_backward(values)
        ctx.closed = closed
        return torch.where(values > 0, values, slope * values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (values,) = ctx.saved_tensors
        positive = gradients[0].clamp(min=0)
        return torch.where(values > 0, positive, ctx.closed * positive), None, None


@contextmanager
def guided(network: nn.Module, rule: str = "leaky") -> Iterator[None]:
    """Let gradients be guided through the network's ReLUs for the block; outputs stay as they are.

    Args:
        network: any whose activations are ReLUs or leaky ones.
        rule: ``leaky``: a positive gradient passes where the input was negative with the leaky ReLU's slope; ``relu``:
            it does not, as if the unit were a ReLU (the original, where the two are the same).

    Raises:
        ValueError: no such rule, or another activation, for which guiding is not defined.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule} is not known: take one of {', '.join(RULES)}")
    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
                slope = getattr(module, "negative_slope", 0.0)
                closed = slope if rule == "leaky" else 0.0
                hook = module.register_forward_hook(
                    lambda _, given, out, slope=slope, closed=closed: _Guided.apply(given[0], slope, closed)
                )
                hooks.callback(hook.remove)
            elif isinstance(module, ACTIVATIONS):
                raise ValueError(f"guided back-propagation is defined for ReLUs, not for {type(module).__name__}")
        yield


def find_peaks(
    network: nn.Module,
    images: np.ndarray,
    layer: Layer,
    features: list[int],
    count: int,
    *,
    averages: Averages | None = None,
    value_range: Range = (-1.0, 1.0),
    batch_size: int = 128,
    label: int | None = None,
) -> list[list[Peak]]:
    """Return for each feature its ``count`` strongest responses, the strongest first, at most one an image.

    Args:
        network: a discriminator.
        images: uint8 (N, H, W, C).
        layer: whose maps are looked at.
        features: numbers of the maps.
        count: of peaks, at most N.
        averages: fixed statistics of batch norm, see `PooledFeatures.freeze`; None: the running ones.
        value_range: of the images that the network takes.
        batch_size: images that pass together.
        label: given to a conditional discriminator with every image.
    """
    device = next(network.parameters()).device
    tops, places = [], []
    with sampling(network, mode_of(averages), averages), recorded(network, [layer]) as maps:
        for batch in float_batches(images, batch_size, value_range):
            network(*with_label(batch.to(device), label))
            top, place = maps[layer.name][:, features].flatten(2).max(dim=2)
            tops.append(top.cpu())
            places.append(place.cpu())
    values, index = torch.cat(tops).topk(count, dim=0)
    place = torch.cat(places).gather(0, index)
    return [
        [
            Peak(int(index[rank, number]), *divmod(int(place[rank, number]), layer.width), float(values[rank, number]))
            for rank in range(count)
        ]
        for number in range(len(features))
    ]


def explain(
    network: nn.Module,
    images: Tensor,
    layer: Layer,
    feature: int,
    peaks: list[Peak],
    *,
    averages: Averages | None = None,
    rule: str = "leaky",
    label: int | None = None,
) -> Tensor:
    """Return the guided derivative (n, C, H, W) of each peak's response by the pixels of its image.

    Args:
        network: a discriminator.
        images: of the peaks, floats (n, C, H, W) in the network's range.
        layer: whose response it is.
        feature: number of the map.
        peaks: one an image.
        averages: as in `find_peaks`.
        rule: see `guided`.
        label: as in `find_peaks`.
    """
    pixels = images.detach().clone().requires_grad_()
    rows, columns = torch.tensor([[p.row, p.column] for p in peaks]).T
    with (
        sampling(network, mode_of(averages), averages),
        torch.enable_grad(),
        guided(network, rule),
        recorded(network, [layer]) as maps,
    ):
        network(*with_label(pixels, label))
        responses = maps[layer.name][torch.arange(len(peaks)), feature, rows, columns]
        (derivative,) = torch.autograd.grad(responses.sum(), pixels)
    return derivative


def receptive_field(
    network: nn.Module, layer: Layer, image: Tensor, row: int, column: int, label: int | None = None
) -> tuple[int, int, int, int]:
    """Return the box x0, y0, x1, y1 in pixels, ends excluded, of all that can change a unit, cut at the image's border.

    Exact for any network: followed back through the layers themselves, with equal positive weights and all that follows
    them left out, and pooling by mean, so that nothing cancels and nothing is closed.

    Args:
        network: of any kind; left as it is.
        layer: of the unit.
        image: one as the network takes it, (1, C, H, W).
        row: of the unit.
        column: of the unit.
        label: as in `find_peaks`.
    """
    copy = deepcopy(network).double().eval()
    pixels = torch.ones_like(image, dtype=torch.float64, requires_grad=True)

    def connect(module: Any, values: tuple[Tensor, ...], out: Tensor) -> Tensor:
        if isinstance(module, nn.Conv2d):
            weight = torch.full_like(module.weight, 1 / module.weight[0].numel())
            return functional.conv2d(
                values[0], weight, None, module.stride, module.padding, module.dilation, module.groups
            )
        if isinstance(module, nn.MaxPool2d):
            return functional.avg_pool2d(values[0], module.kernel_size, module.stride, module.padding)
        return values[0]

    with ExitStack() as hooks, torch.enable_grad(), recorded(copy, [layer]) as maps:
        for module in copy.modules():
            follower = isinstance(module, (*ACTIVATIONS, nn.BatchNorm2d, nn.GroupNorm, nn.Dropout, nn.MaxPool2d))
            if follower or isinstance(module, nn.Conv2d):
                hooks.callback(module.register_forward_hook(connect, prepend=True).remove)
        copy(*with_label(pixels, label))
        (derivative,) = torch.autograd.grad(maps[layer.name][0, 0, row, column], pixels)
    y, x = derivative[0].sum(0).nonzero(as_tuple=True)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def patch(box: tuple[int, int, int, int], size: int, side: int) -> tuple[slice, slice]:
    """Return rows and columns of the square of ``size`` pixels about a box, moved to lie in the image of ``side``."""
    x0, y0, x1, y1 = box
    top, left = (min(max((low + high - size + 1) // 2, 0), side - size) for low, high in ((y0, y1), (x0, x1)))
    return slice(top, top + size), slice(left, left + size)


def random_filters(network: nn.Module, seed: int, deviation: float = 0.02) -> nn.Module:
    """Return a copy of a network with fresh weights, see `ganlab.probes.fresh.draw_anew`: the baseline of figure 5.

    Its batch norms hold no averages: take new ones.
    """
    copy = deepcopy(network).cpu()
    draw_anew(copy, seed, deviation)
    return copy.to(next(network.parameters()).device)


def mode_of(averages: Averages | None) -> str:
    """Return the name of the statistics that batch norm is to use."""
    return "running" if averages is None else "standing"
