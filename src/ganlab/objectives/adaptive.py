"""Adaptive discriminator augmentation (ADA, Karras et al. 2020)."""

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
    """Applies each transform with probability p, which follows the discriminator's overfitting.

    "Training generative adversarial networks with limited data", sec. 3 and app. B: order, distributions and control
    are the paper's. Differences: a Lanczos filter replaces the sym6 wavelets, without the anti-aliasing filter
    (`ganlab.objectives.resampling`), and image-space filtering and corruptions are omitted, as in the paper's own
    recommended set. Images of other than three channels get brightness, contrast and luma flip per channel. Quarter
    turns of images that are not square show a part of them.

    ``signal`` is ``sign``, E sign(D(real)), or ``ranking``, 2 P(D(real) > D(fake)) - 1 over all pairs, for objectives
    whose logits are not positive for real and negative for fake: relativistic, Wasserstein, least squares.
    """

    p: Tensor
    total: Tensor
    counted: Tensor

    def __init__(
        self,
        *,
        blit: bool,  # pixel blitting: flips, quarter turns, shifts by whole pixels
        geometry: bool,  # scaling, rotation, anisotropic scaling, shifts by fractions of a pixel
        colour: bool,  # brightness, contrast, luma flip, hue rotation, saturation
        start: Share,  # initial p
        limit: Share,  # largest p; above 0.8 augmentations leak into the samples (paper, sec. 2.2)
        target: Annotated[float, Within(-1, 1)],  # value of the signal that p is moved to reach
        signal: Literal["sign", "ranking"],
        speed: Count,  # images seen in which p can rise from 0 to 1
        interval: Count,  # images seen between two updates of p, over which the signal is averaged
    ) -> None:
        super().__init__()
        if not (blit or geometry or colour):
            raise ValueError("blit, geometry and colour are all false: leave one of them true")
        if start > limit:
            raise ValueError(f"start={start} lies above limit={limit}: type a smaller start")
        self.blit, self.geometry, self.colour = blit, geometry, colour
        self.limit, self.target, self.signal, self.speed, self.interval = limit, target, signal, speed, interval
        self.register_buffer("p", torch.tensor(start, dtype=torch.float32))
        self.register_buffer("total", torch.zeros(()))  # signal, summed over images since the last update of p
        self.register_buffer("counted", torch.zeros((), dtype=torch.int64))  # number of these images

    def transform(self, images: Tensor) -> Tensor:
        if self.blit or self.geometry:
            images = resample(images, self.placements(images))
        return recolour(images, self.colourings(images)) if self.colour else images

    def placements(self, images: Tensor) -> Tensor:
        """Draw matrices (N, 3, 3) from pixels of the result to where they are read, see `resample`.

        These are the inverses of the paper's transforms, in reverse order; each draw is as likely as its inverse.
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
            either = 1 - (1 - self.p).sqrt()  # so that at least one of the two rotations has probability p
            first, second = (self.sometimes(uniform(one, pi), 0, either) for _ in range(2))
            squeeze = self.sometimes(log_normal(one, 0.2), 1)
            shift = self.sometimes(torch.randn_like(size) * 0.125 * size, 0)
            matrices = matrices @ scaling(scale, scale) @ rotation(first.cos(), first.sin())
            matrices = matrices @ scaling(squeeze, 1 / squeeze) @ rotation(second.cos(), second.sin())
            matrices = matrices @ translation(*shift)
        return matrices

    def colourings(self, images: Tensor) -> Tensor:
        """Draw colour transforms: matrices (N, 4, 4)."""
        one = images.new_ones(len(images))
        matrices = brightening(self.sometimes(torch.randn_like(one) * 0.2, 0))
        contrast = self.sometimes(log_normal(one, 0.5), 1)
        matrices = stretching(contrast, contrast) @ matrices
        matrices = stretching(self.sometimes(1 - 2 * torch.randint_like(one, 2), 1), one) @ matrices
        matrices = hue_rotation(self.sometimes(uniform(one, pi), 0)) @ matrices
        return stretching(one, self.sometimes(log_normal(one, 1.0), 1)) @ matrices

    def sometimes(self, drawn: Tensor, neutral: float, probability: Tensor | None = None) -> Tensor:
        """Keep the value drawn for each image (..., N) with a probability, by default p; else take ``neutral``."""
        draws = torch.rand(drawn.shape[-1], device=drawn.device)
        return torch.where(draws < (self.p if probability is None else probability), drawn, neutral)

    @torch.no_grad()
    def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
        logits = real_logits if self.signal == "sign" else real_logits[:, None] - fake_logits
        signal = logits.sign().float().mean()
        if distributed.is_available() and distributed.is_initialized():  # p must be equal on all ranks
            distributed.all_reduce(signal)
            signal /= distributed.get_world_size()
        self.total += signal * images
        self.counted += images
        due = self.counted >= self.interval
        step = (self.total / self.counted - self.target).sign() * self.counted / self.speed
        self.p.copy_(torch.where(due, (self.p + step).clamp(0, self.limit), self.p))
        self.total.masked_fill_(due, 0)
        self.counted.masked_fill_(due, 0)

    def observed(self) -> dict[str, Tensor]:
        return {"augment/p": self.p.clone()}


def uniform(like: Tensor, bound: float) -> Tensor:
    """Draw uniformly between -bound and bound."""
    return torch.empty_like(like).uniform_(-bound, bound)


def log_normal(like: Tensor, deviation: float) -> Tensor:
    """Draw factors whose base-2 logarithm is N(0, deviation^2)."""
    return torch.empty_like(like).log_normal_(0, deviation * log(2))
