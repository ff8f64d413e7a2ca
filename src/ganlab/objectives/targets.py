"""Targets of the discriminator's loss: 1 and 0, or smoothed, noisy and flipped."""

import torch
from torch import Tensor

from ganlab.arguments import Share, checked


@checked
class Targets:
    """Draws a target for every logit.

    Smoothing is one-sided (Salimans et al. 2016, sec. 3.4) or two-sided; noisy and flipped targets are tip 6 of "How to
    train a GAN" (Chintala et al. 2016). ``noise`` is half the width of the uniform noise on the targets, which are
    clamped to [0, 1]; ``flipped`` is the share of the images that get the other side's target.
    """

    def __init__(self, real: Share = 1.0, fake: Share = 0.0, noise: Share = 0.0, flipped: Share = 0.0) -> None:
        self.real_target, self.fake_target, self.noise, self.flipped = real, fake, noise, flipped

    def real(self, logits: Tensor) -> Tensor:
        """Draw targets of real images, in the shape of their logits."""
        return self._draw(self.real_target, self.fake_target, logits)

    def fake(self, logits: Tensor) -> Tensor:
        """Draw targets of fake images, in the shape of their logits."""
        return self._draw(self.fake_target, self.real_target, logits)

    def _draw(self, own: float, other: float, logits: Tensor) -> Tensor:
        targets = torch.full_like(logits, own)
        if self.flipped:
            targets = torch.where(torch.rand_like(logits) < self.flipped, torch.full_like(logits, other), targets)
        if self.noise:
            targets = (targets + self.noise * (2 * torch.rand_like(logits) - 1)).clamp(0, 1)
        return targets
