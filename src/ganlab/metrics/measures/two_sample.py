"""The nearest-neighbour two-sample test (Lopez-Paz and Oquab, 2017; Xu et al., 2018)."""

from torch import Tensor

from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import FeatureSetMetric
from ganlab.metrics.neighbours import closest, radii, rounding_error


class TwoSample(FeatureSetMetric):
    """Leave-one-out accuracy of a 1-nearest-neighbour classifier of real against generated images: 0.5 at best.

    On as many real as generated images; 1 means that the two are separable. ``two_sample_real_<network>`` and
    ``two_sample_fake_<network>`` are its accuracies on either kind: low on real and high on generated images means
    collapse, both far below 0.5 copies of the real images. Ties count half. As 0.5 is best, it chooses no checkpoint.
    """

    def __init__(self, features: Features) -> None:
        super().__init__(features, ("two_sample", "two_sample_real", "two_sample_fake"))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        count = min(len(real), len(fake))
        real, fake = real[:count], fake[:count]
        rounding = rounding_error(real, fake)
        of_real, of_fake = (
            nearer(radii(one, 1), across.distances, rounding).mean().item()
            for one, across in zip((real, fake), closest(real, fake), strict=True)
        )
        return (of_real + of_fake) / 2, of_real, of_fake


def nearer(first: Tensor, second: Tensor, rounding: float) -> Tensor:
    """Return, float64 (N,): 1 where ``first`` is less, 0 where it is more, 0.5 where equal up to ``rounding``."""
    less, equal = first < second, (first - second).abs() <= rounding
    return less.double().where(~equal, first.new_tensor(0.5, dtype=first.dtype))
