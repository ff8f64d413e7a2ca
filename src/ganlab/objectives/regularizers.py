"""Regularisers: terms of the generator's loss that depend on its weights, as penalties are of the discriminator's."""

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, NonNegative, checked


@checked
class Regularizer(nn.Module):
    """A term of a generating player's loss.

    Args:
        weight: of the term.
        interval: steps of the player between two applications; each is ``interval`` times as strong.
    """

    def __init__(self, weight: NonNegative, interval: Count = 1) -> None:
        super().__init__()
        self.weight, self.interval = weight, interval

    def due(self, step: int) -> bool:
        """Whether it is a term of the loss at this step of the player, counted from 0."""
        return step % self.interval == 0

    def forward(self, network: nn.Module) -> Tensor:
        """Return the weighted term for a network, a scalar."""
        return self.weight * self.interval * self.measure(network)

    def measure(self, network: nn.Module) -> Tensor:
        """Return the term for a weight of 1, a scalar."""
        raise NotImplementedError


@checked
class Orthogonal(Regularizer):
    """Orthogonal regularisation: sum over layers of |W W^T * (1 - I)|^2, W flattened to (filters, n).

    Brock et al. 2019 (BigGAN), eq. 3; their code adds half of its gradient, so its strength of 1e-4 is a weight of
    5e-5 here. All weights of two axes or more count, including embeddings.

    Args:
        weight: beta.
        interval: see `Regularizer`.
    """

    def __init__(self, weight: NonNegative = 1e-4, interval: Count = 1) -> None:
        super().__init__(weight, interval)

    def measure(self, network: nn.Module) -> Tensor:
        """Return the sum of the squared products of different filters."""
        total = torch.zeros((), device=next(network.parameters()).device)
        for weight in network.parameters():
            if weight.dim() > 1:
                rows = weight.flatten(1).float()
                products = rows @ rows.T
                total = total + (products - products.diag().diag()).square().sum()
        return total
