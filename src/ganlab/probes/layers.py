"""The convolutional layers of any network, found by following values through it: seen, recorded, changed.

A layer is a convolution and what its maps alone go through next: normalisation, activation, pooling, dropout. It goes
by the name of the convolution, such as ``downsample.0.0``. Sums of branches, as in residual blocks, belong to no layer.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.networks.layers.conditioning import ConditionalBatchNorm
from ganlab.networks.layers.style import NORMS
from ganlab.networks.statistics import sampling

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
FOLLOWERS = (*NORMS, ConditionalBatchNorm, *ACTIVATIONS, *POOLS, nn.PixelShuffle, nn.Dropout)


@dataclass(frozen=True)
class Layer:
    """One convolutional layer.

    Attributes:
        name: of the convolution among the network's modules.
        end: name of the module whose output the layer's maps are.
        call: which of that module's calls within one pass of the network, from 0 on.
        maps: number of feature maps.
        height: of a map.
        width: of a map.
    """

    name: str
    end: str
    call: int
    maps: int
    height: int
    width: int


def find_layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Return the convolutional layers in the order in which ``network(*inputs)`` passes them; nothing is changed.

    Raises:
        ValueError: there are none.
    """
    found: list[tuple[str, str, int]] = []  # convolution, end, call
    chain: list[Tensor] = []  # what the maps of the latest convolution have been so far
    shapes: list[torch.Size] = []
    calls: Counter[str] = Counter()

    def follow(name: str, module: nn.Module, given: tuple[Any, ...], maps: Tensor) -> None:
        call, calls[name] = calls[name], calls[name] + 1
        if isinstance(module, CONVOLUTIONS):
            found.append((name, name, call))
            shapes.append(maps.shape[1:])
            chain[:] = [maps]
        elif any(given[0] is one for one in chain):
            found[-1], shapes[-1] = (found[-1][0], name, call), maps.shape[1:]
            chain.append(maps)

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if isinstance(module, (*CONVOLUTIONS, *FOLLOWERS)):
                hook = module.register_forward_hook(lambda m, given, out, name=name: follow(name, m, given, out))
                hooks.callback(hook.remove)
        with sampling(network, "running"):
            network(*inputs)
    if not found:
        raise ValueError(f"{type(network).__name__} has no convolutions, and so no feature maps to look at")
    return [Layer(*names, *shape) for names, shape in zip(found, shapes, strict=True)]


def feature_layers(network: nn.Module, *inputs: Tensor) -> list[Layer]:
    """Return a discriminator's layers of feature maps: `find_layers` without a convolution that makes the logit.

    That one has a single map of 1x1, where ``head=convolution`` ends the network.

    Raises:
        ValueError: there are none.
    """
    layers = [one for one in find_layers(network, *inputs) if (one.maps, one.height, one.width) != (1, 1, 1)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no feature maps: its only convolution makes the logit")
    return layers


def pick(layers: list[Layer], name: str) -> Layer:
    """Return the layer of a name.

    Raises:
        ValueError: there is none; the message lists those that are.
    """
    for layer in layers:
        if layer.name == name:
            return layer
    raise ValueError(f"there is no layer {name!r}; layers: {', '.join(layer.name for layer in layers)}")


@contextmanager
def tapped(network: nn.Module, layers: list[Layer], tap: Callable[[Layer, Tensor], Tensor | None]) -> Iterator[None]:
    """Call ``tap`` with each of the layers and its maps (N, maps, height, width) whenever the network runs.

    What it returns goes on in place of the maps, unless it is None.
    """
    calls: Counter[str] = Counter()
    wanted = {(layer.end, layer.call): layer for layer in layers}
    modules = dict(network.named_modules())

    def see(name: str, maps: Tensor) -> Tensor | None:
        call, calls[name] = calls[name], calls[name] + 1
        layer = wanted.get((name, call))
        return None if layer is None else tap(layer, maps)

    with ExitStack() as hooks:
        hooks.callback(network.register_forward_pre_hook(lambda *_: calls.clear()).remove)
        for end in {layer.end for layer in layers}:
            hook = modules[end].register_forward_hook(lambda m, given, out, end=end: see(end, out))
            hooks.callback(hook.remove)
        yield


@contextmanager
def recorded(network: nn.Module, layers: list[Layer]) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that holds, after each pass of the network, the maps of the layers by name."""
    maps: dict[str, Tensor] = {}
    with tapped(network, layers, lambda layer, values: maps.update({layer.name: values})):
        yield maps
