"""What the discriminator is told of real and of fake images: 1 and 0, or softer, noisier and sometimes wrong."""

import torch
from torch import Tensor

from ganlab.arguments import Share, checked


@checked
class Targets:
    """Draws a target for every image that the discriminator judges.

    Soft targets are one-sided label smoothing (Salimans et al. 2016, sec. 3.4) and its two-sided form; noisy and
    flipped ones are of the list "How to train a GAN" (Chintala et al. 2016), no. 6.

    Args:
        real: target of real images; smoothing takes less than 1.
        fake: target of fake images.
        noise: half the width of the interval around it that a target is drawn from, uniformly; cut to [0, 1].
        flipped: share of the images that get the other side's target.
    """

    def __init__(self, real: Share = 1.0, fake: Share = 0.0, noise: Share = 0.0, flipped: Share = 0.0) -> None:
        self.real_target, self.fake_target, self.noise, self.flipped = real, fake, noise, flipped

    def real(self, logits: Tensor) -> Tensor:
        """Return targets of real images in the shape of their logits."""
        return self._draw(self.real_target, self.fake_target, logits)

    def fake(self, logits: Tensor) -> Tensor:
        """Return targets of fake images in the shape of their logits."""
        return self._draw(self.fake_target, self.real_target, logits)

    def _draw(self, own: float, other: float, logits: Tensor) -> Tensor:
        targets = torch.full_like(logits, own)
        if self.flipped:
            targets = torch.where(torch.rand_like(logits) < self.flipped, torch.full_like(logits, other), targets)
        if self.noise:
            targets = (targets + self.noise * (2 * torch.rand_like(logits) - 1)).clamp(0, 1)
        return targets
