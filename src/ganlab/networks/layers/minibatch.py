"""Minibatch layers: statistics of the whole minibatch as further channels of the discriminator."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class StandardDeviation(nn.Module):
    """Minibatch standard deviation as one more channel (Karras et al. 2018, sec. 3).

    That of every feature over ``group`` consecutive images (4 in the authors' code; the last group may be smaller),
    averaged to one number per group.
    """

    def __init__(self, channels: int, side: int, group: int = 4) -> None:
        super().__init__()
        self.group, self.channels = group, channels + 1

    def forward(self, features: Tensor) -> Tensor:
        """Append the channel: (N, channels, side, side) -> (N, channels + 1, side, side)."""
        parts = []
        for group in features.split(self.group):
            deviation = (group.float().var(0, unbiased=False) + 1e-8).sqrt().mean().to(group.dtype)
            parts.append(deviation.expand(len(group), 1, *features.shape[2:]))
        return torch.cat([features, torch.cat(parts)], dim=1)


class Discrimination(nn.Module):
    """Minibatch discrimination: each image's closeness to all others as ``kernels`` channels (Salimans et al. 2016).

    Sec. 3.2: a linear layer without bias maps the features of an image to ``kernels`` vectors of size ``length``; for
    each, the closeness is the sum over the other images of exp(-L1 distance). The defaults are the authors' code's.
    """

    def __init__(self, channels: int, side: int, kernels: int = 100, length: int = 5) -> None:
        super().__init__()
        self.length, self.channels = length, channels + kernels
        self.projection = nn.Linear(channels * side**2, kernels * length, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Append the channels: (N, channels, side, side) -> (N, channels + kernels, side, side)."""
        vectors = self.projection(features.flatten(1)).float().unflatten(1, (-1, self.length))
        distances = (vectors[:, None] - vectors[None]).abs().sum(3)
        closeness = (-distances).exp().sum(1) - 1  # without the image's distance of 0 to itself
        appended = closeness.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return torch.cat([features, appended], dim=1)


class NoMinibatchLayer(nn.Identity):
    """No minibatch statistics: (N, channels, side, side) unchanged."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.channels = channels


MINIBATCHES: dict[str, Callable[[int, int], Any]] = {
    "none": NoMinibatchLayer,
    "standard_deviation": StandardDeviation,
    "discrimination": Discrimination,
}
