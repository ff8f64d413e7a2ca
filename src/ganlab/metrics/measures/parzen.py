"""Parzen window log-likelihood (Breuleux et al., 2011; Goodfellow et al., 2014, section 5)."""

from math import log, pi
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.metrics.metric import PerSampleMetric
from ganlab.metrics.neighbours import squared_distances, tiles
from ganlab.metrics.reals import Reals

NARROWEST, WIDEST = 0.1, 1.0  # standard deviations tried, for pixels in [0, 1] (authors' code)


@checked
class Parzen(PerSampleMetric):
    """Mean log-likelihood of real images, in nats, under a Gaussian window around each generated one; untrustworthy.

    Pixels lie in [0, 1]. Real images are held-out ones if there are any. ``validation`` of them, at most half, select
    the window's standard deviation among ``deviations`` values, evenly on a logarithmic scale from 0.1 to 1 (10 in the
    authors' code); the rest is evaluated. For comparison with papers of 2014 only: in so many dimensions it does not
    reflect sample quality (Theis et al., 2016); k-means centres score above real images. No library offers it.
    """

    wants_held_out = True
    names = ("parzen",)
    row_dtype = torch.uint8

    def __init__(self, deviations: Count, validation: Count) -> None:
        super().__init__()
        self.deviations = np.geomspace(NARROWEST, WIDEST, deviations).tolist()
        self.validation, self.part = validation, 0
        self.real: Tensor | None = None
        self.held_out = False
        self.deviation: float | None = None

    def take_reals(self, reals: Reals) -> None:
        self.held_out = reals.held_out is not None
        self.real = torch.cat([images.cpu() for images in (reals.held_out or reals).sample()])
        self.part = min(self.validation, len(self.real) // 2)

    def compute(self) -> dict[str, float]:
        if self.real is None:
            return {}
        fake = self.in_order()
        real, fake = (images.to(fake.device).flatten(1) / 255 for images in (self.real, fake))
        validation, test = real.split([self.part, len(real) - self.part])
        best = log_likelihood(validation, fake, self.deviations).mean(dim=1).argmax()
        self.deviation = self.deviations[best]
        return {"parzen": log_likelihood(test, fake, [self.deviation]).mean().item()}

    def protocol(self) -> dict[str, Any]:
        return {
            "real": 0 if self.real is None else len(self.real) - self.part,
            "validation": self.part,
            "real_images": "held out" if self.held_out else "training images: nothing was held out",
            "deviation": self.deviation,
            "pixels": "0 to 1",
            "caution": "untrustworthy in high dimensions (Theis et al., 2016)",
        }


def log_likelihood(points: Tensor, centres: Tensor, deviations: list[float]) -> Tensor:
    """Return log densities (S, N), float64, of points (N, D) under mixtures of Gaussians around centres (M, D)."""
    found = points.new_full((len(deviations), len(points)), -torch.inf, dtype=torch.float64)
    for rows, first in tiles(points):
        for _, second in tiles(centres):
            distances = squared_distances(first, second)
            for row, deviation in zip(found, deviations, strict=True):
                row[rows] = torch.logaddexp(row[rows], (distances / (-2 * deviation**2)).logsumexp(dim=1))
    norms = [points.shape[1] / 2 * log(2 * pi * deviation**2) + log(len(centres)) for deviation in deviations]
    return found - found.new_tensor(norms)[:, None]
