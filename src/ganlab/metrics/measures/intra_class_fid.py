"""Intra-class FID (Miyato and Koyama, 2018)."""

from typing import Any

import numpy as np

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.metrics.metric import PerClassMetric
from ganlab.metrics.reals import Reals


class IntraClassFID(PerClassMetric):
    """FID of each class separately, averaged over the classes; lower is better.

    Compares the images generated for a class with all real ones of that class. Named after its feature network. A class
    gets only its share of the samples, so take many: a covariance of 2048 dimensions needs 2048 samples a class.
    Classes with fewer than two samples or real images are left out.
    """

    needs = Features
    higher_is_better = False

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.names = (f"intra_class_fid_{features.name}",)
        self.real: dict[int, FeatureStatistics] = {}
        self.measured = 0

    def take_reals(self, reals: Reals) -> None:
        self.features.to(reals.device)
        labels, counts = np.unique(self.classes_of(reals), return_counts=True)
        self.real = {int(label): reals.statistics(self.features, int(label)) for label in labels[counts > 1]}
        if reals.count < 2 * len(labels):
            raise UserError(
                f"{self.names[0]} needs two samples of each of {len(labels)} classes: set metrics.count="
                f"{max(100 * len(labels), self.features.num_features * len(labels))}, or {2 * len(labels)} at least"
            )

    def compute(self) -> dict[str, float]:
        if not self.real:
            return {}
        rows, labels = self.in_order(), self.labels_in_order()
        distances = []
        for label, real in self.real.items():
            features = rows[labels == label].double()
            if len(features) > 1:
                fake = FeatureStatistics(len(features), features.sum(dim=0), features.T @ features)
                distances.append(frechet_distance(real, fake))
        self.measured = len(distances)
        return {self.names[0]: sum(distances) / len(distances) if distances else float("nan")}

    def fitted(self, count: int) -> int:
        return count // max(len(self.real), 1)

    def protocol(self) -> dict[str, Any]:
        real = sum(statistics.count for statistics in self.real.values())
        return {**self.features.protocol(), "classes": self.measured, "real": real}
