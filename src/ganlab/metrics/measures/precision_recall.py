"""How far real and generated images overlap: precision, recall, density and coverage, by balls around features."""

from typing import Any

from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import Sampled, enough
from ganlab.metrics.neighbours import overlap
from ganlab.metrics.reals import Reals


@checked
class Balls(Sampled):
    """A value of how balls around features, each reaching to its k-th nearest other, hold those of the other set.

    Higher is better, but each of the four tells one half of the truth, so they choose no checkpoint. Own code, see
    `ganlab.metrics.neighbours`: distances are found once for all of them that share ``neighbours``.

    Args:
        features: the feature network.
        neighbours: k, at least 1; 3 in the paper of precision and recall, 5 in that of density and coverage.
    """

    higher_is_better = True
    value: str

    def __init__(self, features: Features, neighbours: Count) -> None:
        super().__init__(features, (self.value,))
        self.neighbours = neighbours

    def take_reals(self, reals: Reals) -> None:
        """Remember features of a sample of the real images.

        Raises:
            UserError: ``neighbours`` is not less than the number of images.
        """
        super().take_reals(reals)
        enough(f"{self.value}.neighbours", self.neighbours, 1, reals.sample_count - 1)

    def protocol(self) -> dict[str, Any]:
        """Return the network and the number of neighbours."""
        return {**super().protocol(), "neighbours": self.neighbours}


class Precision(Balls):
    """The share of generated images within a ball around a real one (Kynkaanniemi et al., 2019): are they realistic?

    1 at best. ``precision_inception`` is not the paper's number, which sees the features of VGG-16.
    """

    value = "precision"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the share."""
        return ((overlap(real, fake, self.neighbours, True).holders > 0).double().mean().item(),)


class Recall(Balls):
    """The share of real images within a ball around a generated one (Kynkaanniemi et al., 2019): is everything there?

    1 at best.
    """

    value = "recall"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the share."""
        reached = overlap(real, fake, self.neighbours, True).reached
        assert reached is not None
        return (reached.double().mean().item(),)


class Density(Balls):
    """In how many balls around real images a generated one lies, of k (Naeem et al., 2020).

    As precision, but one real outlier cannot lift it. Its expectation is 1 for equal distributions; it may be higher.
    """

    value = "density"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the mean number, divided by k."""
        return (overlap(real, fake, self.neighbours, False).holders.double().mean().item() / self.neighbours,)


class Coverage(Balls):
    """The share of real images whose ball holds a generated one (Naeem et al., 2020): as recall, by real balls alone.

    1 at best; 1 - (1/2)^k or so is expected for equal distributions and numbers.
    """

    value = "coverage"

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the share."""
        return (overlap(real, fake, self.neighbours, False).covered.double().mean().item(),)
