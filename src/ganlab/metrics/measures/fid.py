"""Frechet inception distance (Heusel et al., 2017)."""

from typing import Any

import torch
from torch import Tensor

from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Metric
from ganlab.metrics.reals import Reals


class FID(Metric):
    """Frechet distance between the features of all real images and those of the generated ones; lower is better.

    Unlike torchmetrics' class it shares one pass through the network with all other metrics.
    """

    needs = Features
    higher_is_better = False
    count: Tensor
    total: Tensor
    outer: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.names = (f"fid_{features.name}",)
        self.real: FeatureStatistics | None = None
        size = features.num_features
        for state, shape in (("total", (size,)), ("outer", (size, size))):
            self.add_state(state, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def take_reals(self, reals: Reals) -> None:
        self.real = reals.statistics(self.features.to(reals.device))

    def update(self, batch: Generated) -> None:
        features = batch.features.double()
        self.count += len(features)
        self.total += features.sum(dim=0)
        self.outer += features.T @ features

    def compute(self) -> dict[str, float]:
        fake = FeatureStatistics(int(self.count), self.total, self.outer)
        return {} if self.real is None else {self.names[0]: frechet_distance(self.real, fake)}

    def fitted(self, count: int) -> int:
        return count

    def protocol(self) -> dict[str, Any]:
        return {**self.features.protocol(), **({"real": self.real.count} if self.real else {})}
