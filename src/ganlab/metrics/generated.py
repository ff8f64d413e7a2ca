"""Generated images as all metrics see them: a batch, and once for all of them what the feature network makes of it."""

from torch import Tensor

from ganlab.metrics.extractors.features import Features


class Generated:
    """One batch of generated images; the feature network passes over it at the first use and only once.

    Args:
        images: uint8 (N, C, H, W).
        network: the feature network that the metrics share, None where none needs one.
        indices: int64 (N,), the number of each image in the whole sample, 0 to count - 1. What is computed in their
            order depends neither on batches nor on processes.
        labels: int64 (N,), the classes that were asked of a conditional generator; None without classes.
    """

    def __init__(self, images: Tensor, network: Features | None, indices: Tensor, labels: Tensor | None = None) -> None:
        self.images, self.network, self.indices, self.labels = images, network, indices, labels
        self._features: Tensor | None = None
        self._probabilities: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def features(self) -> Tensor:
        """The network's features, float32 (N, D)."""
        if self._features is None:
            assert self.network is not None, "a metric that looks at features needs a network"
            self._features = self.network(self.images)
        return self._features

    @property
    def probabilities(self) -> Tensor:
        """The probabilities (N, K) of the network's classes, of the same pass; only where it has them."""
        features = self.features
        if self._probabilities is None and self.network is not None:
            self._probabilities = self.network.classify_features(features)
        assert self._probabilities is not None, "a metric that looks at classes needs a network that has them"
        return self._probabilities
