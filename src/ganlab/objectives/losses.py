"""Objectives: what the discriminator and the generator minimise, each a function of (real logits, fake logits).

Logits are real-valued, (N,), without a sigmoid. Both players get both logits, since relativistic objectives need them;
``generator_needs_real`` asks for logits of real images in the generator's step as well.
"""

from typing import ClassVar, Protocol

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganlab.objectives.targets import Targets


class Objective(Protocol):
    """A pair of losses.

    Attributes:
        generator_needs_real: whether the generator's loss depends on the real logits.
        bounded: whether the discriminator's loss has a lower bound when its logits have none.
    """

    generator_needs_real: ClassVar[bool]
    bounded: ClassVar[bool]

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss, a scalar; ``real`` is None unless ``generator_needs_real``."""


class Absolute:
    """An objective that scores each image by itself."""

    generator_needs_real: ClassVar[bool] = False
    bounded: ClassVar[bool] = True


class Minimax(Absolute):
    """The saturating game of Goodfellow et al. 2014, eq. 1: min_G max_D E log D(x) + E log(1 - D(G(z))).

    Args:
        targets: of the discriminator's cross-entropy, None for 1 and 0.
    """

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the binary cross-entropy with the targets, summed over real and fake (no half)."""
        return cross_entropy(real, self.targets.real(real)) + cross_entropy(fake, self.targets.fake(fake))

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return E log(1 - D(G(z))), whose gradient vanishes where the discriminator is confident."""
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """DCGAN's objective: the generator maximises log D(G(z)) instead (Goodfellow et al. 2014, sec. 3)."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return -E log D(G(z))."""
        return softplus(-fake).mean()


class LeastSquares(Absolute):
    """Least squares with targets 1 for real and 0 for fake (Mao et al. 2017, eq. 9).

    Args:
        targets: of the discriminator, None for 1 and 0.
    """

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return half the mean squared distances to the targets."""
        real, fake = real - self.targets.real(real), fake - self.targets.fake(fake)
        return 0.5 * (real.square().mean() + fake.square().mean())

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return half the mean squared distance of the fakes to 1."""
        return 0.5 * (fake - 1).square().mean()


class Hinge(Absolute):
    """The hinge objective (Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Penalise real logits below 1 and fake logits above -1."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the negated mean of the fake logits."""
        return -fake.mean()


class Wasserstein(Absolute):
    """The dual of the Wasserstein-1 distance (Arjovsky et al. 2017, eq. 2 and 3).

    It needs a Lipschitz discriminator: `WeightClip` (their algorithm 1), a gradient penalty, or spectral normalisation.
    Otherwise the logits diverge.
    """

    bounded = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the negated difference of the means."""
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the negated mean of the fake logits."""
        return -fake.mean()


class RelativisticAverage:
    """RaSGAN (Jolicoeur-Martineau 2019, eq. 9 and 10 with cross-entropy): logits relative to the other side's mean.

    The mean is over the images of one forward pass: a minibatch split by ``accumulate`` or over devices compares
    within each part.
    """

    generator_needs_real = True
    bounded = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the cross-entropy of each logit minus the other side's mean, targets 1 for real and 0 for fake."""
        return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the same with the targets exchanged: the generator pushes real logits down as well."""
        assert real is not None
        return self.discriminator(fake, real)


class RelativisticPairing:
    """Each real image against the fake at its place in the minibatch: E softplus(-(D(x) - D(G(z)))).

    RSGAN (Jolicoeur-Martineau 2019, eq. 5 and 6), and the objective of R3GAN (Huang et al. 2024, eq. 2).
    """

    generator_needs_real = True
    bounded = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean softplus of D(G(z)) - D(x)."""
        return softplus(fake - real).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the same with the sides exchanged."""
        assert real is not None
        return softplus(real - fake).mean()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of logits (N,) with targets (N,) in [0, 1]."""
    return (targets * softplus(-logits) + (1 - targets) * softplus(logits)).mean()
