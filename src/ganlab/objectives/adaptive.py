"""Augmentation as strong as it takes to keep the discriminator from overfitting (Karras et al. 2020)."""

from math import log, pi
from typing import Annotated, Literal

import torch
from torch import Tensor, distributed

from ganlab.arguments import Count, Share, Within, checked
from ganlab.objectives.augmentations import Augmentation
from ganlab.objectives.matrices import (
    brightening,
    hue_rotation,
    identity,
    recolour,
    rotation,
    scaling,
    stretching,
    translation,
)
from ganlab.objectives.resampling import resample


@checked
class Adaptive(Augmentation):
    """Transforms that happen each with probability p, which follows how sure the discriminator is of real images.

    Adaptive discriminator augmentation (ADA) of Karras et al. 2020, "Training generative adversarial networks with
    limited data", sec. 3 and app. B, written from the paper: order, distributions and control are its own. A
    Lanczos filter stands in for its sym6 wavelets, without the one against aliasing (`ganlab.objectives.resampling`),
    and image-space filters and corruptions, which its recipe leaves out, are not there.

    Of other than three channels, each sees the brightness, contrast and luma flip of a grey image. Of an image that is
    not square, quarter turns show a part.

    Args:
        blit: transforms that move whole pixels: mirror images, quarter turns, shifts.
        geometry: scaling, rotation, squeezing, shifts by parts of a pixel.
        colour: brightness, contrast, luma flip, hue rotation, saturation.
        start: p at the beginning.
        limit: largest p; above 0.8 augmentation begins to show in the samples (paper, sec. 2.2).
        target: of the signal.
        signal: ``sign``, E sign(D(real)); or ``ranking``, 2 P(D(real) > D(fake)) - 1 over all pairs, for objectives
            whose logits are not positive for real and negative for fake: relativistic, Wasserstein, least squares.
        speed: images seen in which p can go from 0 to 1.
        interval: images seen between two changes of p, over which the signal is averaged.

    Attributes:
        p: the probability, a scalar.

    Raises:
        ValueError: no family of transforms is chosen, or p starts above its limit.
    """

    p: Tensor
    total: Tensor
    judged: Tensor

    def __init__(
        self,
        *,
        blit: bool,
        geometry: bool,
        colour: bool,
        start: Share,
        limit: Share,
        target: Annotated[float, Within(-1, 1)],
        signal: Literal["sign", "ranking"],
        speed: Count,
        interval: Count,
    ) -> None:
        super().__init__()
        if not (blit or geometry or colour):
            raise ValueError("blit, geometry and colour are all false: leave one of them true")
        if start > limit:
            raise ValueError(f"start={start} lies above limit={limit}: type a smaller start")
        self.blit, self.geometry, self.colour = blit, geometry, colour
        self.limit, self.target, self.signal, self.speed, self.interval = limit, target, signal, speed, interval
        self.register_buffer("p", torch.tensor(start, dtype=torch.float32))
        self.register_buffer("total", torch.zeros(()))  # of the signal since p last changed, each image's
        self.register_buffer("judged", torch.zeros((), dtype=torch.int64))  # images since then

    def transform(self, images: Tensor) -> Tensor:
        """Return transformed images."""
        if self.blit or self.geometry:
            images = resample(images, self.placements(images))
        return recolour(images, self.colourings(images)) if self.colour else images

    def placements(self, images: Tensor) -> Tensor:
        """Draw where the pixels of the results are read, see `resample`: matrices (N, 3, 3).

        They are the inverses of the paper's transforms, the last of those first; draws are as likely as their inverses.
        """
        count, _, height, width = images.shape
        one = images.new_ones(count)
        size = torch.stack([one * width, one * height])
        matrices = identity(count, 3, images)
        if self.blit:
            mirror = self.sometimes(1 - 2 * torch.randint_like(one, 2), 1)
            turn = self.sometimes(torch.randint_like(one, 4), 0) * (pi / 2)
            shift = self.sometimes((uniform(size, 0.125) * size).round(), 0)
            matrices = matrices @ scaling(mirror, one) @ rotation(turn.cos().round(), turn.sin().round())
            matrices = matrices @ translation(*shift)
        if self.geometry:
            scale = self.sometimes(log_normal(one, 0.2), 1)
            either = 1 - (1 - self.p).sqrt()  # so that one rotation or the other happens with probability p
            first, second = (self.sometimes(uniform(one, pi), 0, either) for _ in range(2))
            squeeze = self.sometimes(log_normal(one, 0.2), 1)
            shift = self.sometimes(torch.randn_like(size) * 0.125 * size, 0)
            matrices = matrices @ scaling(scale, scale) @ rotation(first.cos(), first.sin())
            matrices = matrices @ scaling(squeeze, 1 / squeeze) @ rotation(second.cos(), second.sin())
            matrices = matrices @ translation(*shift)
        return matrices

    def colourings(self, images: Tensor) -> Tensor:
        """Draw maps of colours: matrices (N, 4, 4)."""
        one = images.new_ones(len(images))
        matrices = brightening(self.sometimes(torch.randn_like(one) * 0.2, 0))
        contrast = self.sometimes(log_normal(one, 0.5), 1)
        matrices = stretching(contrast, contrast) @ matrices
        matrices = stretching(self.sometimes(1 - 2 * torch.randint_like(one, 2), 1), one) @ matrices
        matrices = hue_rotation(self.sometimes(uniform(one, pi), 0)) @ matrices
        return stretching(one, self.sometimes(log_normal(one, 1.0), 1)) @ matrices

    def sometimes(self, drawn: Tensor, neutral: float, probability: Tensor | None = None) -> Tensor:
        """Keep what was drawn for each image (..., N) with a probability, of p or as given; else take ``neutral``."""
        draws = torch.rand(drawn.shape[-1], device=drawn.device)
        return torch.where(draws < (self.p if probability is None else probability), drawn, neutral)

    @torch.no_grad()
    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        """Move p towards where the signal is on target, once the signal is known of ``interval`` images."""
        judged = real_logits if self.signal == "sign" else real_logits[:, None] - fake_logits
        signal = judged.sign().float().mean()
        if distributed.is_available() and distributed.is_initialized():  # p has to be the same on all ranks
            distributed.all_reduce(signal)
            signal /= distributed.get_world_size()
        self.total += signal * images
        self.judged += images
        due = self.judged >= self.interval
        step = (self.total / self.judged - self.target).sign() * self.judged / self.speed
        self.p.copy_(torch.where(due, (self.p + step).clamp(0, self.limit), self.p))
        self.total.masked_fill_(due, 0)
        self.judged.masked_fill_(due, 0)

    def observed(self) -> dict[str, Tensor]:
        """Return p."""
        return {"augment/p": self.p.clone()}


def uniform(like: Tensor, bound: float) -> Tensor:
    """Draw uniformly between -bound and bound."""
    return torch.empty_like(like).uniform_(-bound, bound)


def log_normal(like: Tensor, deviation: float) -> Tensor:
    """Draw factors around 1 whose logarithm to base 2 has a standard deviation."""
    return torch.empty_like(like).log_normal_(0, deviation * log(2))
