"""Kernel inception distance (Binkowski et al., 2018)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.arguments import Count, Natural, Several, checked
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import FeatureSetMetric, require_count
from ganlab.metrics.reals import Reals

SUBSET_SIZE = 1000  # as in the paper


@checked
class KID(FeatureSetMetric):
    """Squared maximum mean discrepancy of features under the kernel (x.y / D + 1)^3, unbiased; lower is better.

    The mean over random subsets of both samples. It may be slightly negative for equal distributions, and its
    expectation does not depend on the number of images. Named after its network: ``kid_inception``.

    The draws and the value are torch-fidelity's. The sums are our own, since for small networks torch-fidelity spends
    most of its time on the cubes of all entries of the kernel matrices (benchmarks/metrics_speed.py). Without
    ``subset_size`` a subset has 1000 images, or all where there are fewer.
    """

    higher_is_better = False

    def __init__(self, features: Features, subset_size: Several | None, subsets: Count, seed: Natural) -> None:
        super().__init__(features, ("kid",))
        self.subset_size, self.subsets, self.seed = subset_size, subsets, seed
        self.size = SUBSET_SIZE if subset_size is None else subset_size

    def take_reals(self, reals: Reals) -> None:
        super().take_reals(reals)
        if self.subset_size is not None:
            require_count("kid.subset_size", self.subset_size, 2, reals.sample_count)
        self.size = self.subset_size or min(SUBSET_SIZE, reals.sample_count)

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        self.size = min(self.size, len(fake))
        draws = np.random.RandomState(self.seed)  # torch-fidelity's generator
        distances = []
        for _ in range(self.subsets):
            drawn = [(given, draws.choice(len(given), self.size, replace=False)) for given in (fake, real)]
            distances.append(discrepancy(*(given[torch.from_numpy(rows)].double() for given, rows in drawn)))
        return (sum(distances) / len(distances),)

    def protocol(self) -> dict[str, Any]:
        subsets = {"subset_size": self.size, "subsets": self.subsets, "kid_seed": self.seed}
        return {**super().protocol(), "kernel": "(x.y / dimensions + 1)^3", **subsets}


def discrepancy(first: Tensor, second: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy of two sets of features (N, D) of equal size, float64."""
    count = len(first)
    within = 0.0
    for one in (first, second):
        diagonal = cube(one.square().mean(dim=1).add_(1))
        within += (kernel(one, one).sum() - diagonal.sum()).item()
    return within / (count * (count - 1)) - 2 * kernel(first, second).mean().item()


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return (x.y / D + 1)^3 for all pairs of rows (N, D) and (M, D)."""
    return cube((first @ second.T).div_(first.shape[1]).add_(1))


def cube(values: Tensor) -> Tensor:
    """Return the third power; by products, which are faster than ``pow``."""
    return (values * values).mul_(values)
