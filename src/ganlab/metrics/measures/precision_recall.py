"""Precision, recall, density and coverage: the overlap of k-NN manifolds of real and generated features."""

from typing import Any

from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import FeatureSetMetric, require_count
from ganlab.metrics.neighbours import overlap
from ganlab.metrics.reals import Reals


@checked
class ManifoldMetric(FeatureSetMetric):
    """Base class of the k-NN manifold metrics: balls around features that reach to their k-th nearest neighbour.

    Higher is better, but each of the four is one half of the picture, so none chooses a checkpoint. ``neighbours`` is
    k: 3 in the paper of precision and recall, 5 in that of density and coverage. Metrics of equal k share one
    computation, see `ganlab.metrics.neighbours`.
    """

    value: str

    def __init__(self, features: Features, neighbours: Count) -> None:
        super().__init__(features, (self.value,))
        self.neighbours = neighbours

    def take_reals(self, reals: Reals) -> None:
        super().take_reals(reals)
        require_count(f"{self.value}.neighbours", self.neighbours, 1, reals.sample_count - 1)

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "neighbours": self.neighbours}


class Precision(ManifoldMetric):
    """Share of generated images within a ball around a real one (Kynkaanniemi et al., 2019): fidelity, at best 1.

    The paper uses VGG-16, so its numbers are not ``precision_inception``.
    """

    value = "precision"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        return ((overlap(real, fake, self.neighbours, True).holders > 0).double().mean().item(),)


class Recall(ManifoldMetric):
    """Share of real images within a ball around a generated one (Kynkaanniemi et al., 2019): diversity, at best 1."""

    value = "recall"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        reached = overlap(real, fake, self.neighbours, True).reached
        assert reached is not None
        return (reached.double().mean().item(),)


class Density(ManifoldMetric):
    """Number of balls around real images that hold a generated one, divided by k (Naeem et al., 2020).

    Like precision, but robust to real outliers. About 1 for equal distributions; it may be higher.
    """

    value = "density"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        return (overlap(real, fake, self.neighbours, False).holders.double().mean().item() / self.neighbours,)


class Coverage(ManifoldMetric):
    """Share of real images whose ball holds a generated one (Naeem et al., 2020): recall with balls around real images.

    At best 1; about 1 - (1/2)^k for equal distributions and sizes.
    """

    value = "coverage"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        return (overlap(real, fake, self.neighbours, False).covered.double().mean().item(),)
