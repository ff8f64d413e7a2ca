"""Guided backpropagation of a feature's strongest responses (paper sec. 6.2, figure 5; Springenberg et al. 2014).

The backward pass through a ReLU keeps only positive gradients at units that were active. Random filters are the
baseline: what they show comes from the image and the architecture, not from training.
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

from ganlab.images import Range
from ganlab.networks.statistics import Averages
from ganlab.probes.features import float_batches, with_label
from ganlab.probes.layers import ACTIVATIONS, Layer, fixed_statistics, recorded

RULES = ("leaky", "relu")


@dataclass(frozen=True)
class Peak:
    """A strong response of a feature."""

    image: int  # index of the image
    row: int  # in the feature map
    column: int  # in the feature map
    value: float  # of the response


class _Guided(torch.autograd.Function):
    """(Leaky) ReLU that passes only positive gradients backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: float, closed: float) -> Tensor:
        """Negative inputs are scaled by ``slope`` forward and by ``closed`` backward."""
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
    """Guide gradients through the network's ReLUs, leaky or not, within the block; outputs do not change.

    Positive gradients pass inactive leaky ReLUs scaled by their slope (``leaky``) or are stopped as in the original
    (``relu``). Other activations raise ``ValueError``.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule} does not exist: choose one of {', '.join(RULES)}")
    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
                slope = getattr(module, "negative_slope", 0.0)
                closed = slope if rule == "leaky" else 0.0
                hook = module.register_forward_hook(
                    lambda _, inputs, out, slope=slope, closed=closed: _Guided.apply(inputs[0], slope, closed)
                )
                hooks.enter_context(hook)
            elif isinstance(module, ACTIVATIONS):
                raise ValueError(f"guided backpropagation is defined for ReLUs, not for {type(module).__name__}")
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
    """Return the ``count`` strongest responses of each feature in descending order, at most one per image.

    Images are uint8 (N, H, W, C), ``features`` channels of the layer. Batch norm uses ``averages``, see
    `PooledFeatures.freeze`, or its running ones. A conditional discriminator is given ``label`` with every image.
    """
    device = next(network.parameters()).device
    tops, places = [], []
    with fixed_statistics(network, averages), recorded(network, [layer]) as outputs:
        for batch in float_batches(images, batch_size, value_range):
            network(*with_label(batch.to(device), label))
            top, place = outputs[layer.name][:, features].flatten(2).max(dim=2)
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
    """Return the guided derivative (n, C, H, W) of each peak's response with respect to its image's pixels.

    There is one peak per image, floats (n, C, H, W) in the network's range. For ``averages`` and ``label`` see
    `find_peaks`, for ``rule`` `guided`.
    """
    pixels = images.detach().clone().requires_grad_()
    rows, columns = torch.tensor([[p.row, p.column] for p in peaks]).T
    with (
        fixed_statistics(network, averages),
        torch.enable_grad(),
        guided(network, rule),
        recorded(network, [layer]) as outputs,
    ):
        network(*with_label(pixels, label))
        responses = outputs[layer.name][torch.arange(len(peaks)), feature, rows, columns]
        (derivative,) = torch.autograd.grad(responses.sum(), pixels)
    return derivative


def receptive_field(
    network: nn.Module, layer: Layer, image: Tensor, row: int, column: int, label: int | None = None
) -> tuple[int, int, int, int]:
    """Return the receptive field of a unit in pixels, x0, y0, x1, y1 with ends excluded, cut at the image's border.

    It is exact for any network: a derivative through a copy's layers, with equal positive weights, mean pooling, and no
    normalisation or activation, so that nothing cancels. ``image`` has the input's shape, (1, C, H, W).
    """
    copy = deepcopy(network).double().eval()
    pixels = torch.ones_like(image, dtype=torch.float64, requires_grad=True)

    def connect(module: Any, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
        if isinstance(module, nn.Conv2d):
            weight = torch.full_like(module.weight, 1 / module.weight[0].numel())
            return functional.conv2d(
                inputs[0], weight, None, module.stride, module.padding, module.dilation, module.groups
            )
        if isinstance(module, nn.MaxPool2d):
            return functional.avg_pool2d(inputs[0], module.kernel_size, module.stride, module.padding)
        return inputs[0]

    with ExitStack() as hooks, torch.enable_grad(), recorded(copy, [layer]) as outputs:
        for module in copy.modules():
            follower = isinstance(module, (*ACTIVATIONS, nn.BatchNorm2d, nn.GroupNorm, nn.Dropout, nn.MaxPool2d))
            if follower or isinstance(module, nn.Conv2d):
                hooks.enter_context(module.register_forward_hook(connect, prepend=True))
        copy(*with_label(pixels, label))
        (derivative,) = torch.autograd.grad(outputs[layer.name][0, 0, row, column], pixels)
    y, x = derivative[0].sum(0).nonzero(as_tuple=True)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def square_around(box: tuple[int, int, int, int], size: int, side: int) -> tuple[slice, slice]:
    """Return rows and columns of the square of ``size`` pixels around a box, moved inside the image of ``side``."""
    x0, y0, x1, y1 = box
    top, left = (min(max((low + high - size + 1) // 2, 0), side - size) for low, high in ((y0, y1), (x0, x1)))
    return slice(top, top + size), slice(left, left + size)
