"""Objectives: what the discriminator and the generator minimise, each a function of (real logits, fake logits).

Logits are real-valued, (N,), without a sigmoid. Both players are given both logits, since relativistic objectives need
them; ``generator_needs_real`` says whether the discriminator has to judge real images in the generator's step as well.
"""

from typing import Protocol

from torch import Tensor
from torch.nn.functional import relu, softplus


class Objective(Protocol):
    """A pair of losses."""

    generator_needs_real: bool

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss, a scalar; ``real`` is None unless ``generator_needs_real``."""


class Minimax:
    """The saturating game of Goodfellow et al. 2014, eq. 1: min_G max_D E log D(x) + E log(1 - D(G(z)))."""

    generator_needs_real = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Binary cross-entropy with targets 1 for real and 0 for fake, summed over the two (no half)."""
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E log(1 - D(G(z))), whose gradient vanishes where the discriminator is sure."""
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """The game that DCGAN plays: the generator maximises log D(G(z)) instead (Goodfellow et al. 2014, sec. 3)."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return -E log D(G(z))."""
        return softplus(-fake).mean()


class LeastSquares:
    """Least squares with targets 1 for real and 0 for fake (Mao et al. 2017, eq. 9)."""

    generator_needs_real = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Half the squared distances to the targets."""
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Half the squared distance of the fakes to 1."""
        return 0.5 * (fake - 1).square().mean()


class Hinge:
    """The hinge objective (Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

    generator_needs_real = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Punish real logits below 1 and fake logits above -1."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the negated mean of the fake logits."""
        return -fake.mean()
