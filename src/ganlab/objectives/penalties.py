"""Penalties on the discriminator's gradient, added to its loss.

A penalty is a function of (discriminator, real images, fake images); it computes in float32 whatever the precision of
the training step, since it differentiates twice.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Judge = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """A term of the discriminator's loss."""

    interval: int

    def __call__(self, judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted penalty, a scalar, for images (N, C, H, W)."""


class R1:
    """Squared gradient norm at the real images (Mescheder et al. 2018, eq. 9): weight / 2 * E |grad D(x)|^2.

    Args:
        weight: gamma.
        interval: apply it at every so many steps of the discriminator, ``interval`` times as strong (lazy).
    """

    def __init__(self, weight: float = 1.0, interval: int = 1) -> None:
        self.weight, self.interval = weight, interval

    def __call__(self, judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
        """Return the penalty for real images (N, C, H, W)."""
        return self.weight / 2 * self.interval * squared_gradient(judge, real).mean()


class R2(R1):
    """Squared gradient norm at the fake images (Mescheder et al. 2018, eq. 10)."""

    def __call__(self, judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
        """Return the penalty for fake images (N, C, H, W)."""
        return super().__call__(judge, fake, real)


def squared_gradient(judge: Judge, images: Tensor) -> Tensor:
    """Return |grad of the logit with respect to the image|^2 for each image: (N, C, H, W) -> (N,)."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)
