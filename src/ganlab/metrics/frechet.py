"""The Frechet distance between two Gaussians fitted to features."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganlab.metrics.extractors.features import Features


@dataclass(frozen=True)
class FeatureStatistics:
    """Sums of features from which mean and covariance follow, float64; those of batches and processes simply add."""

    count: int
    total: Tensor  # sum of features (D,)
    outer: Tensor  # sum of their outer products (D, D)

    @classmethod
    def of(cls, features: Features, batches: Iterable[Tensor]) -> "FeatureStatistics":
        """Sum up uint8 images, given in batches (N, C, H, W)."""
        count = 0
        total = torch.zeros(features.num_features, dtype=torch.float64)
        outer = torch.zeros(features.num_features, features.num_features, dtype=torch.float64)
        for images in batches:
            seen = features(images).double()
            total, outer = total.to(seen.device), outer.to(seen.device)
            count += len(images)
            total += seen.sum(dim=0)
            outer += seen.T @ seen
        return cls(count, total.cpu(), outer.cpu())

    def to(self, device: torch.device) -> "FeatureStatistics":
        return FeatureStatistics(self.count, self.total.to(device), self.outer.to(device))

    def __sub__(self, part: "FeatureStatistics") -> "FeatureStatistics":
        """Remove the images of ``part``."""
        return FeatureStatistics(self.count - part.count, self.total - part.total, self.outer - part.outer)

    @property
    def mean(self) -> Tensor:
        """The mean feature (D,)."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance (D, D)."""
        return (self.outer - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """Return |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al., 2017, eq. 6); 0 for equal ones.

    It is computed on the device of the second: 2048 features are worth a GPU.
    """
    if min(first.count, second.count) < 2:
        raise ValueError(f"a covariance needs two images or more, not {first.count} and {second.count}")
    first = first.to(second.outer.device)
    covariance1, covariance2 = first.covariance, second.covariance
    # S1 S2 has the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2): 5x faster, and real even if a rank is missing.
    values, vectors = torch.linalg.eigh(covariance1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    eigenvalues = torch.linalg.eigvalsh(root @ covariance2 @ root)
    traces = covariance1.trace() + covariance2.trace() - 2 * eigenvalues.clamp(min=0).sqrt().sum()
    return ((first.mean - second.mean).square().sum() + traces).item()
