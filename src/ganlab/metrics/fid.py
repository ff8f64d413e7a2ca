"""Frechet inception distance (Heusel et al., 2017)."""

from typing import Any

import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from ganlab.metrics.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.metrics.reals import Reals


class FID(FrechetInceptionDistance):
    """Frechet distance between the features of all real images and of the generated ones; lower is better.

    It is named after its feature network: ``fid_inception``, ``fid_digits``. Sums are float64 and add over processes;
    the real ones are taken once, by one process, and survive ``reset``.
    """

    needs = Features

    def __init__(self, features: Features) -> None:
        super().__init__(feature=features, reset_real_features=False)
        self.features = features
        self.names = (f"fid_{features.name}",)

    def take_reals(self, reals: Reals) -> None:
        """Remember the statistics of all real images."""
        statistics = reals.statistics(self.features)
        self.real_features_num_samples = torch.tensor(statistics.count)
        self.real_features_sum = statistics.total
        self.real_features_cov_sum = statistics.outer

    def compute(self) -> dict[str, float]:  # type: ignore[override]
        """Return the distance under the metric's full name."""
        real = FeatureStatistics(
            int(self.real_features_num_samples), self.real_features_sum, self.real_features_cov_sum
        )
        fake = FeatureStatistics(
            int(self.fake_features_num_samples), self.fake_features_sum, self.fake_features_cov_sum
        )
        return {self.names[0]: frechet_distance(real, fake)}

    def protocol(self) -> dict[str, Any]:
        """Return the feature network and the number of real images."""
        return {**self.features.protocol(), "real": int(self.real_features_num_samples)}
