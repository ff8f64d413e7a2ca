"""Objectives: what the discriminator and the generator minimise, each a function of (real logits, fake logits).

Logits are real-valued, (N,), without a sigmoid. Both players are given both logits, since relativistic objectives need
them; ``generator_needs_real`` says whether the discriminator has to judge real images in the generator's step as well.
"""

from typing import ClassVar, Protocol

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganlab.objectives.targets import Targets


class Objective(Protocol):
    """A pair of losses.

    Attributes:
        generator_needs_real: whether the generator's loss depends on the real logits.
        relativistic: whether only differences of logits count: then a constant added to all of them changes nothing.
        bounded: whether the discriminator's loss has a lower bound for an unbounded discriminator.
    """

    generator_needs_real: ClassVar[bool]
    relativistic: ClassVar[bool]
    bounded: ClassVar[bool]

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss, a scalar; ``real`` is None unless ``generator_needs_real``."""


class Absolute:
    """An objective that judges an image by itself."""

    generator_needs_real: ClassVar[bool] = False
    relativistic: ClassVar[bool] = False
    bounded: ClassVar[bool] = True


class Minimax(Absolute):
    """The saturating game of Goodfellow et al. 2014, eq. 1: min_G max_D E log D(x) + E log(1 - D(G(z))).

    Args:
        targets: of the discriminator's cross-entropy, None for 1 and 0.
    """

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Binary cross-entropy with the targets, summed over real and fake (no half)."""
        return cross_entropy(real, self.targets.real(real)) + cross_entropy(fake, self.targets.fake(fake))

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E log(1 - D(G(z))), whose gradient vanishes where the discriminator is sure."""
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """The game that DCGAN plays: the generator maximises log D(G(z)) instead (Goodfellow et al. 2014, sec. 3)."""

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
        """Half the squared distances to the targets."""
        real, fake = real - self.targets.real(real), fake - self.targets.fake(fake)
        return 0.5 * (real.square().mean() + fake.square().mean())

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Half the squared distance of the fakes to 1."""
        return 0.5 * (fake - 1).square().mean()


class Hinge(Absolute):
    """The hinge objective (Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Punish real logits below 1 and fake logits above -1."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the negated mean of the fake logits."""
        return -fake.mean()


class Wasserstein(Absolute):
    """The dual of the Wasserstein-1 distance (Arjovsky et al. 2017, eq. 2 and 3).

    It needs a discriminator whose slope is bounded: `WeightClip` (their algorithm 1), a gradient penalty, or spectral
    normalisation. Without, the logits grow without end.
    """

    relativistic = True
    bounded = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the negated difference of the means."""
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the negated mean of the fake logits."""
        return -fake.mean()


class RelativisticAverage:
    """Real images are to look more real than the average fake, and fakes than the average real image.

    RaSGAN of Jolicoeur-Martineau 2019 (eq. 9 and 10 with cross-entropy). The averages are over the images at hand: a
    minibatch split by ``accumulate``, or over several devices, compares within each part.
    """

    generator_needs_real = True
    relativistic = True
    bounded = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Cross-entropy of every logit less the other side's mean, targets 1 for real and 0 for fake."""
        return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The same with the targets exchanged: the generator pushes real logits down as well."""
        assert real is not None
        return self.discriminator(fake, real)


class RelativisticPairing:
    """Each real image is to look more real than the fake that it is paired with: E softplus(-(D(x) - D(G(z)))).

    Jolicoeur-Martineau 2019 (eq. 5 and 6), and the objective of R3GAN (Huang et al. 2024, eq. 2); pairs follow the
    order of the minibatch.
    """

    generator_needs_real = True
    relativistic = True
    bounded = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean softplus of how much more real the fakes look."""
        return softplus(fake - real).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The same with the sides exchanged."""
        assert real is not None
        return softplus(real - fake).mean()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of logits (N,) with targets (N,) in [0, 1]."""
    return (targets * softplus(-logits) + (1 - targets) * softplus(logits)).mean()
