"""Penalties on the discriminator, added to its loss.

Those on its gradient compute in float32 whatever the precision of the training step, since they differentiate twice.
Every gradient penalty wants a discriminator that judges each image by itself: batch statistics mix the images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganlab.arguments import Count, NonNegative, Share, checked

Judge = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Judged:
    """A minibatch as the discriminator has judged it.

    Attributes:
        real: images (N, C, H, W), without a graph.
        fake: as many, without a graph.
        real_logits: of them, (N,).
        fake_logits: of them, (N,).
        judge_real: maps other images in the place of the real ones, labelled like them, to logits.
        judge_fake: the same in the place of the fakes.
    """

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    judge_real: Judge
    judge_fake: Judge


@checked
class Penalty(nn.Module):
    """A term of the discriminator's loss, or a bound that is put on it after each of its steps.

    Args:
        weight: of the term.
        interval: steps of the discriminator between two applications; each is ``interval`` times as strong (lazy
            regularisation, Karras et al. 2020, appendix B), so that the average does not depend on it.

    Attributes:
        twice: whether it differentiates the discriminator twice, which a compiled one cannot do.
    """

    twice = True

    def __init__(self, weight: NonNegative, interval: Count = 1) -> None:
        super().__init__()
        self.weight, self.interval = weight, interval

    def forward(self, judged: Judged) -> Tensor:
        """Return the weighted penalty, a scalar."""
        return self.weight * self.interval * self.measure(judged)

    def measure(self, judged: Judged) -> Tensor:
        """Return the penalty for a weight of 1, a scalar."""
        raise NotImplementedError

    def due(self, step: int) -> bool:
        """Tell whether it is a term of the loss at this step of the discriminator, counted from 0."""
        return step % self.interval == 0

    def bound(self, discriminator: nn.Module) -> None:
        """Change the discriminator after a step of it; most penalties do not."""


class R1(Penalty):
    """Squared gradient norm at the real images (Mescheder et al. 2018, eq. 9): weight / 2 * E |grad D(x)|^2."""

    def measure(self, judged: Judged) -> Tensor:
        """Return half the mean of the squared norms at the real images."""
        return squared_gradient(judged.judge_real, judged.real).mean() / 2


class R2(Penalty):
    """Squared gradient norm at the fake images (Mescheder et al. 2018, eq. 10): weight / 2 * E |grad D(G(z))|^2."""

    def measure(self, judged: Judged) -> Tensor:
        """Return half the mean of the squared norms at the fake images."""
        return squared_gradient(judged.judge_fake, judged.fake).mean() / 2


@checked
class GradientPenalty(Penalty):
    """A gradient norm of ``target`` between real and fake images: weight * E (|grad D(x)| - target)^2.

    With target 1 WGAN-GP's (Gulrajani et al. 2017, eq. 3), of weight 10; with target 0 the zero-centred penalty of
    Thanh-Tung et al. 2019 (eq. 8). The images lie at a uniformly drawn place of the line between a real and a fake one;
    where there are labels, they are judged as the real image's class.

    Args:
        weight: lambda.
        interval: see `Penalty`.
        target: norm that the gradient is drawn to.
    """

    def __init__(self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0) -> None:
        super().__init__(weight, interval)
        self.target = target

    def measure(self, judged: Judged) -> Tensor:
        """Return the mean squared distance of the norms from the target."""
        place = torch.rand(len(judged.real), 1, 1, 1, device=judged.real.device)
        return self.distance(judged.judge_real, torch.lerp(judged.real.float(), judged.fake.float(), place))

    def distance(self, judge: Judge, images: Tensor) -> Tensor:
        """Return the mean squared distance of the gradients' norms at ``images`` from the target."""
        squared = squared_gradient(judge, images)
        return (norm(squared) - self.target).square().mean() if self.target else squared.mean()


@checked
class Dragan(GradientPenalty):
    """A gradient norm of ``target`` around the real images (Kodali et al. 2017, DRAGAN; the authors' code).

    The images are real ones with noise: uniform on [0, 1] times ``spread`` standard deviations of the minibatch's
    pixels, times a number of its own for each image, uniform on [0, 1].

    Args:
        weight: lambda, 10 in the paper.
        interval: see `Penalty`.
        target: norm that the gradient is drawn to, 1 in the paper.
        spread: of the noise, 0.5 in the authors' code.
    """

    def __init__(
        self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0, spread: NonNegative = 0.5
    ) -> None:
        super().__init__(weight, interval, target)
        self.spread = spread

    def measure(self, judged: Judged) -> Tensor:
        """Return the mean squared distance of the norms from the target."""
        real = judged.real.float()
        noise = self.spread * real.std() * torch.rand_like(real)
        return self.distance(judged.judge_real, real + torch.rand(len(real), 1, 1, 1, device=real.device) * noise)


@checked
class LeCam(Penalty):
    """Keeps the logits near moving averages of the other side's (Tseng et al. 2021, eq. 4), for little data.

    E (D(x) - a_fake)^2 + E (D(G(z)) - a_real)^2, each where the discriminator is surer than the average (their code
    takes the positive parts). The averages start at 0 and are those of the first rank's images.

    Args:
        weight: lambda, 0.3 at most in the paper.
        interval: see `Penalty`.
        decay: of the averages a step, 0.99 in the paper.
    """

    twice = False
    real_average: Tensor
    fake_average: Tensor

    def __init__(self, weight: NonNegative = 0.3, interval: Count = 1, decay: Share = 0.99) -> None:
        super().__init__(weight, interval)
        self.decay = decay
        self.register_buffer("real_average", torch.zeros(()))
        self.register_buffer("fake_average", torch.zeros(()))

    def measure(self, judged: Judged) -> Tensor:
        """Return the distances, and let the averages follow the logits."""
        with torch.no_grad():
            self.real_average.lerp_(judged.real_logits.mean(), 1 - self.decay)
            self.fake_average.lerp_(judged.fake_logits.mean(), 1 - self.decay)
        above = relu(judged.real_logits - self.fake_average).square().mean()
        return above + relu(self.real_average - judged.fake_logits).square().mean()


@checked
class WeightClip(Penalty):
    """Every weight is cut to [-limit, limit] after each step (Arjovsky et al. 2017, algorithm 1): no term of the loss.

    Args:
        limit: c, 0.01 in the paper.
    """

    twice = False

    def __init__(self, limit: NonNegative = 0.01) -> None:
        super().__init__(0.0)
        self.limit = limit

    def due(self, step: int) -> bool:
        """Never be a term of the loss."""
        return False

    @torch.no_grad()
    def bound(self, discriminator: nn.Module) -> None:
        """Cut all parameters, gains and biases of normalisations included."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)


def squared_gradient(judge: Judge, images: Tensor) -> Tensor:
    """Return |grad of the logit with respect to the image|^2 for each image: (N, C, H, W) -> (N,)."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def norm(squared: Tensor) -> Tensor:
    """Return square roots whose gradient is finite at 0."""
    return (squared + 1e-12).sqrt()
