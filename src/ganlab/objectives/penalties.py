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
from ganlab.objectives.regularizers import LossTerm

Discriminate = Callable[[Tensor], Tensor]  # images (N, C, H, W) to logits (N,)


@dataclass(frozen=True)
class DiscriminatorBatch:
    """A minibatch of images (N, C, H, W), without a graph, with their logits (N,)."""

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    discriminate_real: Discriminate  # maps other images to logits, under the condition of the real ones
    discriminate_fake: Discriminate  # the same under that of the fakes


class Penalty(LossTerm):
    """A term of the discriminator's loss, measured on a `DiscriminatorBatch`, or a bound on its weights."""

    twice = True  # whether it differentiates the discriminator twice, which torch.compile does not support

    def bound(self, discriminator: nn.Module) -> None:
        """Bound the weights after a step of the discriminator; most penalties do nothing."""


class R1(Penalty):
    """Squared gradient norm at the real images (Mescheder et al. 2018, eq. 9): weight / 2 * E |grad D(x)|^2."""

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        return squared_gradient(batch.discriminate_real, batch.real).mean() / 2


class R2(Penalty):
    """Squared gradient norm at the fake images (Mescheder et al. 2018, eq. 10): weight / 2 * E |grad D(G(z))|^2."""

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        return squared_gradient(batch.discriminate_fake, batch.fake).mean() / 2


@checked
class GradientPenalty(Penalty):
    """Squared distance of the gradient norm from ``target`` between real and fake images.

    weight * E (|grad D(x)| - target)^2, at uniformly drawn points between a real image and a fake, under the real
    image's condition. Target 1 and weight 10 are WGAN-GP (Gulrajani et al. 2017, eq. 3); target 0 is the zero-centred
    penalty of Thanh-Tung et al. 2019 (eq. 8).
    """

    def __init__(self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0) -> None:
        super().__init__(weight, interval)
        self.target = target

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        place = torch.rand(len(batch.real), 1, 1, 1, device=batch.real.device)
        images = torch.lerp(batch.real.float(), batch.fake.float(), place)
        return self.distance(batch.discriminate_real, images)

    def distance(self, discriminate: Discriminate, images: Tensor) -> Tensor:
        squared = squared_gradient(discriminate, images)
        if self.target == 0:
            return squared.mean()
        return ((squared + 1e-12).sqrt() - self.target).square().mean()  # a root with a finite gradient at 0


@checked
class Dragan(GradientPenalty):
    """Squared distance of the gradient norm from ``target`` around the real images (DRAGAN, Kodali et al. 2017).

    As in the authors' code, the real images get noise: uniform on [0, 1], times ``spread`` standard deviations of the
    minibatch's pixels, times one uniform number on [0, 1] per image. The defaults are the paper's and the code's.
    """

    def __init__(
        self, weight: NonNegative = 10.0, interval: Count = 1, target: NonNegative = 1.0, spread: NonNegative = 0.5
    ) -> None:
        super().__init__(weight, interval, target)
        self.spread = spread

    def measure(self, batch: DiscriminatorBatch) -> Tensor:
        real = batch.real.float()
        noise = self.spread * real.std() * torch.rand_like(real)
        return self.distance(batch.discriminate_real, real + torch.rand(len(real), 1, 1, 1, device=real.device) * noise)


@checked
class LeCam(Penalty):
    """Pulls the logits towards moving averages of the other side's (Tseng et al. 2021, eq. 4), for limited data.

    E (D(x) - a_fake)^2 + E (D(G(z)) - a_real)^2, of which the authors' code keeps the positive parts. The averages
    start at 0; with several ranks, those of the first are saved. The paper has a ``weight`` of at most 0.3.
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
        with torch.no_grad():
            self.real_average.lerp_(batch.real_logits.mean(), 1 - self.decay)
            self.fake_average.lerp_(batch.fake_logits.mean(), 1 - self.decay)
        above = relu(batch.real_logits - self.fake_average).square().mean()
        return above + relu(self.real_average - batch.fake_logits).square().mean()


@checked
class WeightClip(Penalty):
    """Clips every weight to [-limit, limit] after each step (Arjovsky et al. 2017, algorithm 1); no loss term."""

    twice = False

    def __init__(self, limit: NonNegative = 0.01) -> None:
        super().__init__(0.0)
        self.limit = limit

    def due(self, step: int) -> bool:
        return False

    @torch.no_grad()
    def bound(self, discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():  # including gains and biases of normalisation
            parameter.clamp_(-self.limit, self.limit)


def squared_gradient(discriminate: Discriminate, images: Tensor) -> Tensor:
    """Return |grad of the logit with respect to the image|^2 for each image: (N, C, H, W) -> (N,)."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(discriminate(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)
