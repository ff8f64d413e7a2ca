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
    most of its time on the cubes of all entries of the kernel matrices (benchmarks/metrics_speed.py).

    Args:
        features: the feature network.
        subset_size: images of a subset; None takes 1000, or all where there are fewer.
        subsets: how many are drawn of each sample.
        seed: of the draws.
    """

    higher_is_better = False

    def __init__(self, features: Features, subset_size: Several | None, subsets: Count, seed: Natural) -> None:
        super().__init__(features, ("kid",))
        self.subset_size, self.subsets, self.seed = subset_size, subsets, seed
        self.size = SUBSET_SIZE if subset_size is None else subset_size

    def take_reals(self, reals: Reals) -> None:
        """Remember features of a sample of the real images.

        Raises:
            UserError: ``subset_size`` exceeds the number of images.
        """
        super().take_reals(reals)
        if self.subset_size is not None:
            require_count("kid.subset_size", self.subset_size, 2, reals.sample_count)
        self.size = self.subset_size or min(SUBSET_SIZE, reals.sample_count)

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        self.size = min(self.size, len(fake))
        draws = np.random.RandomState(self.seed)  # torch-fidelity's generator
        distances = []
        for _ in range(self.subsets):
            drawn = [
                torch.from_numpy(draws.choice(len(given), self.size, replace=False)).to(given.device)
                for given in (fake, real)
            ]
            distances.append(discrepancy(fake[drawn[0]].double(), real[drawn[1]].double()))
        return (sum(distances) / len(distances),)

    def protocol(self) -> dict[str, Any]:
        subsets = {"subset_size": self.size, "subsets": self.subsets, "kid_seed": self.seed}
        return {**super().protocol(), "kernel": "(x.y / dimensions + 1)^3", **subsets}


def discrepancy(first: Tensor, second: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy of two sets of features (N, D) of equal size, float64."""
    count = len(first)
    within = sum((kernel(one, one).sum() - kernel_of_itself(one).sum()).item() for one in (first, second))
    return within / (count * (count - 1)) - 2 * kernel(first, second).mean().item()


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return (x.y / D + 1)^3 for all pairs of rows (N, D) and (M, D)."""
    return cube((first @ second.T).div_(first.shape[1]).add_(1))


def kernel_of_itself(features: Tensor) -> Tensor:
    """Return (x.x / D + 1)^3 (N,) of rows (N, D)."""
    return cube(features.square().mean(dim=1).add_(1))


def cube(values: Tensor) -> Tensor:
    """Return the third power; by products, which are faster than ``pow``."""
    return (values * values).mul_(values)
