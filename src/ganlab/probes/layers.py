"""The convolutional layers of any network, found by tracing a forward pass, and hooks to record or change them.

A layer is a convolution with the normalisation, activation, pooling and dropout that follow it. It has the name of the
convolution, such as ``downsample.0.0``. Sums of branches, as in residual blocks, belong to no layer.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.networks.layers.conditioning import ConditionalBatchNorm
from ganlab.networks.layers.style import NORMS
from ganlab.networks.statistics import Averages, sampling

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
FOLLOWERS = (*NORMS, ConditionalBatchNorm, *ACTIVATIONS, *POOLS, nn.PixelShuffle, nn.Dropout)


@dataclass(frozen=True)
class Layer:
    """One convolutional layer."""

    name: str  # of the convolution among the network's modules
    end: str  # name of the module whose output is the layer's
    call: int  # index of that module's call within a forward pass, from 0
    channels: int  # of the output
    height: int  # of the output
    width: int  # of the output


def find_layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Return the convolutional layers of ``network(*inputs)`` in forward order; ``ValueError`` if there are none."""
    found: list[tuple[str, str, int]] = []  # convolution, end, call
    chain: list[Tensor] = []  # outputs of the latest convolution and its followers so far
    shapes: list[torch.Size] = []
    calls: Counter[str] = Counter()

    def follow(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        call, calls[name] = calls[name], calls[name] + 1
        if isinstance(module, CONVOLUTIONS):
            found.append((name, name, call))
            shapes.append(output.shape[1:])
            chain[:] = [output]
        elif any(inputs[0] is one for one in chain):
            found[-1], shapes[-1] = (found[-1][0], name, call), output.shape[1:]
            chain.append(output)

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if isinstance(module, (*CONVOLUTIONS, *FOLLOWERS)):
                hooks.enter_context(module.register_forward_hook(partial(follow, name)))
        with sampling(network, "running"):
            network(*inputs)
    if not found:
        raise ValueError(f"{type(network).__name__} has no convolutions, and so no feature maps to look at")
    return [Layer(*names, *shape) for names, shape in zip(found, shapes, strict=True)]


def feature_layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Return a discriminator's `find_layers` without a convolution that computes the logit (``head=convolution``)."""
    layers = [one for one in find_layers(network, *inputs) if (one.channels, one.height, one.width) != (1, 1, 1)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no feature maps: its only convolution computes the logit")
    return layers


def pick(layers: list[Layer], name: str) -> Layer:
    """Return the layer of a name; ``ValueError`` if there is none."""
    for layer in layers:
        if layer.name == name:
            return layer
    raise ValueError(f"there is no layer {name!r}; layers: {', '.join(layer.name for layer in layers)}")


def fixed_statistics(network: nn.Module, averages: Averages | None) -> AbstractContextManager[None]:
    """Sample a network with given batch-norm averages, or its running ones, see `ganlab.networks.statistics`."""
    return sampling(network, "running" if averages is None else "standing", averages)


@contextmanager
def tapped(network: nn.Module, layers: list[Layer], tap: Callable[[Layer, Tensor], Tensor | None]) -> Iterator[None]:
    """Call ``tap`` with each layer and its output whenever the network runs; a tensor that it returns replaces it."""
    calls: Counter[str] = Counter()
    by_call = {(layer.end, layer.call): layer for layer in layers}
    modules = dict(network.named_modules())

    def see(name: str, _: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        call, calls[name] = calls[name], calls[name] + 1
        layer = by_call.get((name, call))
        return None if layer is None else tap(layer, output)

    with ExitStack() as hooks:
        hooks.enter_context(network.register_forward_pre_hook(lambda *_: calls.clear()))
        for end in {layer.end for layer in layers}:
            hooks.enter_context(modules[end].register_forward_hook(partial(see, end)))
        yield


@contextmanager
def recorded(network: nn.Module, layers: list[Layer]) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that holds, after each forward pass, the outputs of the layers by name."""
    outputs: dict[str, Tensor] = {}
    with tapped(network, layers, lambda layer, output: outputs.update({layer.name: output})):
        yield outputs
