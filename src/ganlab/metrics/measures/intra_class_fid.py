"""Metrics of class-conditional generators: what was drawn is judged by what was asked for."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Gathered
from ganlab.metrics.reals import Reals


class ByClass(Gathered):
    """Keeps, beside something of every sample, the class that was asked for."""

    asked: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("asked", [], dist_reduce_fx="cat")

    def update(self, batch: Generated) -> None:
        """Take in a batch of generated images.

        Raises:
            UserError: nothing was asked for.
        """
        if batch.labels is None:
            raise UserError(
                f"{self.names[0]} needs a generator that is asked for classes: leave it out of metrics=[...], or train "
                "with a conditional architecture such as architecture=dcgan_conditional"
            )
        super().update(batch)
        self.asked.append(batch.labels)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Exchange samples; a process without any joins with empty tensors."""
        if not self.asked:
            self.asked.append(torch.empty(0, dtype=torch.long, device=self.device))
        super().sync(*args, **kwargs)

    def asked_in_order(self) -> Tensor:
        """Return the classes (count,) in the order of the samples."""
        asked, indices = (
            state if isinstance(state, Tensor) else torch.cat(state) for state in (self.asked, self.indices)
        )
        return asked[indices.argsort()]

    def classes_of(self, reals: Reals) -> np.ndarray:
        """Return the class of each real image, int64 (N,).

        Raises:
            UserError: they have none.
        """
        if reals.classes is None:
            raise UserError(
                f"{self.names[0]} compares images of one class, and {reals.pack.manifest['source']} tells none: leave "
                "it out of metrics=[...], or take data with classes"
            )
        return reals.classes


class IntraClassFID(ByClass):
    """FID of each class by itself, the mean over classes (Miyato and Koyama, 2018); lower is better.

    The generated images of a class, those that were asked to be of it, are compared with all real ones of that class.
    Named after its feature network. As each class has only its share of the samples, take many: a covariance of 2048
    dimensions wants 2048 samples a class. Classes with fewer than two samples or real images are left out.

    Args:
        features: the feature network.
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
        """Remember the statistics of all real images, class by class."""
        self.features.to(reals.device)
        labels, counts = np.unique(self.classes_of(reals), return_counts=True)
        self.real = {int(label): reals.statistics(self.features, int(label)) for label in labels[counts > 1]}
        if reals.count < 2 * len(labels):
            raise UserError(
                f"{self.names[0]} needs two samples of each of {len(labels)} classes: set metrics.count="
                f"{max(100 * len(labels), self.features.num_features * len(labels))}, or {2 * len(labels)} at least"
            )

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Keep the features (n, D)."""
        return batch.features[kept]

    def compute(self) -> dict[str, float]:
        """Return the mean under its full name; nothing on processes that only lend their samples."""
        if not self.real:
            return {}
        rows, asked = self.in_order(), self.asked_in_order()
        distances = []
        for label, real in self.real.items():
            features = rows[asked == label].double()
            if len(features) > 1:
                fake = FeatureStatistics(len(features), features.sum(dim=0), features.T @ features)
                distances.append(frechet_distance(real, fake))
        self.measured = len(distances)
        return {self.names[0]: sum(distances) / len(distances) if distances else float("nan")}

    def fitted(self, count: int) -> int:
        """Return how many of ``count`` images a covariance is fitted to."""
        return count // max(len(self.real), 1)

    def protocol(self) -> dict[str, Any]:
        """Return the feature network, the number of classes and of real images."""
        real = sum(statistics.count for statistics in self.real.values())
        return {**self.features.protocol(), "classes": self.measured, "real": real}
