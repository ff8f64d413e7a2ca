"""Letting the discriminator see the whole minibatch: one image's variety is not to be had from that image alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class StandardDeviation(nn.Module):
    """One more feature map: how much the images of a group differ (Karras et al. 2018, sec. 3).

    The standard deviation over the group of every feature, averaged to one number a group; a rest of the minibatch
    that fills no group is a smaller one. Groups are of neighbouring images.

    Args:
        maps: of the features.
        side: of the feature maps.
        group: images in a group, 4 in the authors' code.
    """

    def __init__(self, maps: int, side: int, group: int = 4) -> None:
        super().__init__()
        self.group, self.maps = group, maps + 1

    def forward(self, features: Tensor) -> Tensor:
        """Append the map: (N, maps, side, side) -> (N, maps + 1, side, side)."""
        parts = [self.spread(part).expand(len(part), 1, *features.shape[2:]) for part in features.split(self.group)]
        return torch.cat([features, torch.cat(parts)], dim=1)

    def spread(self, group: Tensor) -> Tensor:
        """Return the mean standard deviation (1, 1, 1, 1) of a group."""
        variance = group.float().var(0, unbiased=False)
        return (variance + 1e-8).sqrt().mean().to(group.dtype).view(1, 1, 1, 1)


class Discrimination(nn.Module):
    """``kernels`` more feature maps: how close each image is to all others (Salimans et al. 2016, sec. 3.2).

    A linear layer without bias maps an image's features to ``kernels`` vectors of length ``length``; for each, the
    closeness is the sum over the other images of exp(-L1 distance).

    Args:
        maps: of the features.
        side: of the feature maps.
        kernels: B in the paper, 100 in the authors' code.
        length: C in the paper, 5 in the authors' code.
    """

    def __init__(self, maps: int, side: int, kernels: int = 100, length: int = 5) -> None:
        super().__init__()
        self.length, self.maps = length, maps + kernels
        self.projection = nn.Linear(maps * side**2, kernels * length, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Append the maps: (N, maps, side, side) -> (N, maps + kernels, side, side)."""
        vectors = self.projection(features.flatten(1)).float().unflatten(1, (-1, self.length))
        distances = (vectors[:, None] - vectors[None]).abs().sum(3)
        closeness = (-distances).exp().sum(1) - 1  # an image is at distance 0 of itself
        maps = closeness.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return torch.cat([features, maps], dim=1)


class Alone(nn.Identity):
    """Every image by itself: features (N, maps, side, side) as they are."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__()
        self.maps = maps


MINIBATCHES: dict[str, Callable[[int, int], Any]] = {
    "none": Alone,
    "standard_deviation": StandardDeviation,
    "discrimination": Discrimination,
}
