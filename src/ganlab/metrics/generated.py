"""Generated images as metrics see them."""

from torch import Tensor

from ganlab.metrics.extractors.features import Features


class Generated:
    """One batch of generated images; it passes through the feature network at the first use, and only once.

    Args:
        images: uint8 (N, C, H, W).
        network: the feature network that the metrics share; None if none needs one.
        indices: int64 (N,), the number of each image in the whole sample, 0 to count - 1.
        labels: int64 (N,), the classes that a conditional generator was given; None without classes.
        targets: uint8 (N, C, H, W), the true image of each output; None where there is none.
        masks: uint8 (N, 1, H, W), above 0 in the hole that was filled; None without one.
    """

    def __init__(
        self,
        images: Tensor,
        network: Features | None,
        indices: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> None:
        self.images, self.network, self.indices, self.labels = images, network, indices, labels
        self.targets, self.masks = targets, masks
        self._features: Tensor | None = None
        self._probabilities: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def features(self) -> Tensor:
        """The network's features, float32 (N, D)."""
        if self._features is None:
            assert self.network is not None, "a metric of features needs a feature network"
            self._features = self.network(self.images)
        return self._features

    @property
    def probabilities(self) -> Tensor:
        """The network's class probabilities (N, K), of the same pass."""
        features = self.features
        if self._probabilities is None and self.network is not None:
            self._probabilities = self.network.classify_features(features)
        assert self._probabilities is not None, "a metric of classes needs a feature network that has classes"
        return self._probabilities
