"""Objectives: what the discriminator and the generator minimise, each a function of (real logits, fake logits).

Logits are real-valued, (N,), without a sigmoid. Both players get both logits, since relativistic objectives need them.
"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganlab.arguments import checked
from ganlab.objectives.targets import Targets


class Objective:
    """A pair of losses."""

    generator_needs_real: ClassVar[bool] = False  # whether the generator's loss depends on the real logits
    bounded: ClassVar[bool] = True  # whether the discriminator's loss has a lower bound when its logits have none
    factor: ClassVar[float] = 1.0  # in front of the sums of means over images

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""
        raise NotImplementedError

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss, a scalar; ``real`` is None unless ``generator_needs_real``."""
        raise NotImplementedError


@checked
class Minimax(Objective):
    """The saturating game of Goodfellow et al. 2014, eq. 1: min_G max_D E log D(x) + E log(1 - D(G(z))).

    The discriminator's cross-entropy is summed over real and fake, not halved; its ``targets`` are 1 and 0 for None.
    The generator's gradient vanishes where the discriminator is confident.
    """

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return cross_entropy(real, self.targets.real(real)) + cross_entropy(fake, self.targets.fake(fake))

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """DCGAN's objective: the generator maximises E log D(G(z)) instead (Goodfellow et al. 2014, sec. 3)."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()


@checked
class LeastSquares(Objective):
    """Least squares (Mao et al. 2017, eq. 9); the discriminator's ``targets`` are 1 and 0 for None."""

    factor = 0.5

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = real - self.targets.real(real), fake - self.targets.fake(fake)
        return self.factor * (real.square().mean() + fake.square().mean())

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return self.factor * (fake - 1).square().mean()


class Hinge(Objective):
    """The hinge objective (Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()


class Wasserstein(Objective):
    """The dual of the Wasserstein-1 distance (Arjovsky et al. 2017, eq. 2 and 3).

    It needs a Lipschitz discriminator: `WeightClip` (their algorithm 1), a gradient penalty, or spectral normalisation.
    Otherwise the logits diverge.
    """

    bounded = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()


class RelativisticAverage(Objective):
    """RaSGAN (Jolicoeur-Martineau 2019, eq. 9 and 10 with cross-entropy): logits relative to the other side's mean.

    The mean is over the images of one forward pass: a minibatch split by ``accumulate`` or over devices compares
    within each part. The generator exchanges the sides, so it pushes real logits down as well.
    """

    generator_needs_real = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return self.discriminator(fake, real)


class RelativisticPairing(Objective):
    """Each real image against the fake at its place in the minibatch: E softplus(-(D(x) - D(G(z)))).

    RSGAN (Jolicoeur-Martineau 2019, eq. 5 and 6), and the objective of R3GAN (Huang et al. 2024, eq. 2).
    """

    generator_needs_real = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return self.discriminator(fake, real)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of logits (N,) with targets (N,) in [0, 1]."""
    return (targets * softplus(-logits) + (1 - targets) * softplus(logits)).mean()
