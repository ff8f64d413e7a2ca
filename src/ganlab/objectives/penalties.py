"""Penalties on the discriminator: terms added to its loss, or bounds on its weights.

Gradient penalties are computed in float32 whatever the precision of the step, since they differentiate twice. They
assume a discriminator that scores each image by itself; batch statistics couple the images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganlab.arguments import Count, NonNegative, Share, checked

Discriminate = Callable[[Tensor], Tensor]  # images (N, C, H, W) to logits (N,)


@dataclass(frozen=True)
class DiscriminatorBatch:
    """A minibatch with the discriminator's logits.

    Attributes:
        real: images (N, C, H, W), without a graph.
        fake: images (N, C, H, W), without a graph.
        real_logits: (N,), of the real images.
        fake_logits: (N,), of the fakes.
        discriminate_real: maps other images, under the condition of the real ones, to logits.
        discriminate_fake: maps other images, under the condition of the fakes, to logits.
    """

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    discriminate_real: Discriminate
    discriminate_fake: Discriminate


@checked
class Penalty(nn.Module):
    """A term of the discriminator's loss, or a bound on its weights after each of its steps.

    Args:
        weight: factor of the term.
        interval: steps of the discriminator between two applications; each is ``interval`` times as strong (lazy
            regularisation, Karras et al. 2020, appendix B), so that the average does not depend on it.

    Attributes:
        twice: whether it differentiates the discriminator twice, which torch.compile does not support.
    """

    twice = True

    def __init__(self, weight: NonNegative, interval: Count = 1) -> None:
        super().__init__()
        self.weight, self.interval = weight, interval

    def forward(self, batch: DiscriminatorBatch) -> Tensor:
        """Return the weighted penalty, a scalar."""
        return self.weight * self.interval * self.measure(batch)

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return the penalty for a weight of 1, a scalar."""
        raise NotImplementedError

    def due(self, step: int) -> bool:
        """Whether the penalty applies at this step of the discriminator, counted from 0."""
        return step % self.interval == 0

    def bound(self, discriminator: nn.Module) -> None:
        """Bound the weights after a step of the discriminator; most penalties do nothing."""


class R1(Penalty):
    """Squared gradient norm at the real images (Mescheder et al. 2018, eq. 9): weight / 2 * E |grad D(x)|^2."""

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return half the mean of the squared norms at the real images."""
        return squared_gradient(batch.discriminate_real, batch.real).mean() / 2


class R2(Penalty):
    """Squared gradient norm at the fake images (Mescheder et al. 2018, eq. 10): weight / 2 * E |grad D(G(z))|^2."""

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return half the mean of the squared norms at the fake images."""
        return squared_gradient(batch.discriminate_fake, batch.fake).mean() / 2


@checked
class GradientPenalty(Penalty):
    """Squared distance of the gradient norm from ``target`` between real and fake images.

    weight * E (|grad D(x)| - target)^2, at uniformly drawn points between a real image and a fake, under the real
    image's condition. Target 1 and weight 10 are WGAN-GP (Gulrajani et al. 2017, eq. 3); target 0 is the zero-centred
    penalty of Thanh-Tung et al. 2019 (eq. 8).

    Args:
        weight: lambda.
        interval: see `Penalty`.
        target: gradient norm.
    """

    def __init__(self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0) -> None:
        super().__init__(weight, interval)
        self.target = target

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return the mean squared distance of the norms from the target."""
        place = torch.rand(len(batch.real), 1, 1, 1, device=batch.real.device)
        return self.distance(batch.discriminate_real, torch.lerp(batch.real.float(), batch.fake.float(), place))

    def distance(self, discriminate: Discriminate, images: Tensor) -> Tensor:
        """Return the mean squared distance of the gradients' norms at ``images`` from the target."""
        squared = squared_gradient(discriminate, images)
        return (norm(squared) - self.target).square().mean() if self.target else squared.mean()


@checked
class Dragan(GradientPenalty):
    """Squared distance of the gradient norm from ``target`` around the real images (DRAGAN, Kodali et al. 2017).

    As in the authors' code, the real images get noise: uniform on [0, 1], times ``spread`` standard deviations of the
    minibatch's pixels, times one uniform number on [0, 1] per image.

    Args:
        weight: lambda, 10 in the paper.
        interval: see `Penalty`.
        target: gradient norm, 1 in the paper.
        spread: scale of the noise, 0.5 in the authors' code.
    """

    def __init__(
        self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0, spread: NonNegative = 0.5
    ) -> None:
        super().__init__(weight, interval, target)
        self.spread = spread

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return the mean squared distance of the norms from the target."""
        real = batch.real.float()
        noise = self.spread * real.std() * torch.rand_like(real)
        return self.distance(batch.discriminate_real, real + torch.rand(len(real), 1, 1, 1, device=real.device) * noise)


@checked
class LeCam(Penalty):
    """Pulls the logits towards moving averages of the other side's (Tseng et al. 2021, eq. 4), for limited data.

    E (D(x) - a_fake)^2 + E (D(G(z)) - a_real)^2, of which the authors' code keeps the positive parts. The averages
    start at 0; with several ranks, those of the first are saved.

    Args:
        weight: lambda, at most 0.3 in the paper.
        interval: see `Penalty`.
        decay: of the averages per step, 0.99 in the paper.
    """

    twice = False
    real_average: Tensor
    fake_average: Tensor

    def __init__(self, weight: NonNegative = 0.3, interval: Count = 1, decay: Share = 0.99) -> None:
        super().__init__(weight, interval)
        self.decay = decay
        self.register_buffer("real_average", torch.zeros(()))
        self.register_buffer("fake_average", torch.zeros(()))

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        """Return the squared distances, and update the averages."""
        with torch.no_grad():
            self.real_average.lerp_(batch.real_logits.mean(), 1 - self.decay)
            self.fake_average.lerp_(batch.fake_logits.mean(), 1 - self.decay)
        above = relu(batch.real_logits - self.fake_average).square().mean()
        return above + relu(self.real_average - batch.fake_logits).square().mean()


@checked
class WeightClip(Penalty):
    """Clips every weight to [-limit, limit] after each step (Arjovsky et al. 2017, algorithm 1); no term of the loss.

    Args:
        limit: c, 0.01 in the paper.
    """

    twice = False

    def __init__(self, limit: NonNegative = 0.01) -> None:
        super().__init__(0.0)
        self.limit = limit

    def due(self, step: int) -> bool:
        """Return False: there is no term."""
        return False

    @torch.no_grad()
    def bound(self, discriminator: nn.Module) -> None:
        """Clip all parameters, including gains and biases of normalisation."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)


def squared_gradient(discriminate: Discriminate, images: Tensor) -> Tensor:
    """Return |grad of the logit with respect to the image|^2 for each image: (N, C, H, W) -> (N,)."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(discriminate(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def norm(squared: Tensor) -> Tensor:
    """Return square roots whose gradient is finite at 0."""
    return (squared + 1e-12).sqrt()
