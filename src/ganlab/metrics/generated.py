"""Generated images as metrics see them."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ganlab.metrics.extractors.features import Features


@dataclass
class Generated:
    """One batch of generated images; it passes through the feature network at the first use, and only once."""

    images: Tensor  # uint8 (N, C, H, W)
    network: Features | None  # the feature network that the metrics share; None if none needs one
    indices: Tensor  # int64 (N,), the number of each image in the whole sample, 0 to count - 1
    labels: Tensor | None = None  # int64 (N,), the classes that a conditional generator was given
    targets: Tensor | None = None  # uint8 (N, C, H, W), the true image of each output
    masks: Tensor | None = None  # uint8 (N, 1, H, W), above 0 in the hole that was filled

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def features(self) -> Tensor:
        """The network's features, float32 (N, D)."""
        assert self.network is not None, "a metric of features needs a feature network"
        return self.network(self.images)

    @cached_property
    def probabilities(self) -> Tensor:
        """The network's class probabilities (N, K), of the same pass."""
        probabilities = self.network.classify_features(self.features) if self.network is not None else None
        assert probabilities is not None, "a metric of classes needs a feature network that has classes"
        return probabilities
