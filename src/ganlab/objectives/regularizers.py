"""Regularisers: terms of the generator's loss that depend on its weights, as penalties are of the discriminator's."""

from typing import Any

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, NonNegative, checked


@checked
class LossTerm(nn.Module):
    """A term of a player's loss, applied every ``interval`` steps of the player, ``interval`` times as strong.

    So its average does not depend on the interval (lazy regularisation, Karras et al. 2020, appendix B).
    """

    def __init__(self, weight: NonNegative, interval: Count = 1) -> None:
        super().__init__()
        self.weight, self.interval = weight, interval

    def forward(self, subject: Any) -> Tensor:
        return self.weight * self.interval * self.measure(subject)

    def measure(self, subject: Any) -> Tensor:
        """Return the term for a weight of 1, a scalar."""
        raise NotImplementedError

    def due(self, step: int) -> bool:
        """Whether it is a term of the loss at this step of the player, counted from 0."""
        return step % self.interval == 0


class Regularizer(LossTerm):
    """A term of a generating player's loss, measured on a network."""


@checked
class Orthogonal(Regularizer):
    """Orthogonal regularisation: sum over layers of |W W^T * (1 - I)|^2, W flattened to (filters, n).

    Brock et al. 2019 (BigGAN), eq. 3; their code adds half of its gradient, so its strength of 1e-4 is a ``weight`` of
    5e-5 here. All weights of two axes or more count, including embeddings.
    """

    def __init__(self, weight: NonNegative = 1e-4, interval: Count = 1) -> None:
        super().__init__(weight, interval)

    def measure(self, network: nn.Module) -> Tensor:
        total = torch.zeros((), device=next(network.parameters()).device)
        for weight in network.parameters():
            if weight.dim() > 1:
                rows = weight.flatten(1).float()
                products = rows @ rows.T
                total = total + (products - products.diag().diag()).square().sum()
        return total
