"""The nearest-neighbour two-sample test (Lopez-Paz and Oquab, 2017; Xu et al., 2018)."""

from torch import Tensor

from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import Sampled
from ganlab.metrics.neighbours import closest, radii, slack


class TwoSample(Sampled):
    """How well the nearest other image tells real from generated ones: 0.5 at best, 1 where they are told apart.

    ``two_sample_<network>`` is the accuracy of a leave-one-out 1-nearest-neighbour classifier on as many real as
    generated images. ``two_sample_real_<network>`` and ``two_sample_fake_<network>`` are those of either kind: real
    low and fake high means generated images close to each other (collapse); both far below 0.5, copies of the sample
    of real images. Equally near neighbours of both kinds count half. As 0.5 is best, it chooses no checkpoint.
    """

    def __init__(self, features: Features) -> None:
        super().__init__(features, ("two_sample", "two_sample_real", "two_sample_fake"))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the accuracies on all, on real and on generated images."""
        count = min(len(real), len(fake))
        real, fake = real[:count], fake[:count]
        rounding = slack(real, fake)
        of_real, of_fake = (
            nearer(radii(one, 1), across.distances, rounding).mean().item()
            for one, across in zip((real, fake), closest(real, fake), strict=True)
        )
        return (of_real + of_fake) / 2, of_real, of_fake


def nearer(first: Tensor, second: Tensor, rounding: float) -> Tensor:
    """Return 1 where the first is less than the second, 0 where it is more, 0.5 where they are equal but for rounding.

    Squared distances (N,); float64 (N,).
    """
    less, equal = first < second, (first - second).abs() <= rounding
    return less.double().where(~equal, first.new_tensor(0.5, dtype=first.dtype))
