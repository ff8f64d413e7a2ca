"""Mode coverage: how many modes of the data a generator reaches, counted by a classifier."""

from typing import Any

import torch
from torch import Tensor

from ganlab.arguments import Share, checked
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.features import Features, ModeClassifier
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Metric
from ganlab.metrics.reals import Reals


@checked
class Modes(Metric):
    """How many modes occur among the samples, and how evenly the samples are spread over them.

    With the digit network, which is trained to be unsure, only samples that are clearly one digit count:
    ``confident_digits`` in [0, 1] is the share whose most probable digit exceeds ``confidence``, and ``modes_digits``
    in 0..10 the number of digits among them.

    With a classifier of the data every sample counts as its most probable mode, a combination of factors, as for
    stacked MNIST (Metz et al., 2017, section 3.3; Lin et al., 2018, from 25,600 samples):

    - ``modes_classifier``: the number of modes that occur.
    - ``modes_share_classifier`` in [0, 1]: the share reached of the modes that the classifier finds in all real images.
    - ``reverse_kl_classifier``: KL divergence, in nats, of the samples' distribution over modes from that of the real
      images; 0 or more, lower is better. The papers take the uniform distribution for the real one; that of 128,000
      stacks is nearly uniform.
    - ``confident_classifier`` in [0, 1]: the share of samples whose counted factors are all above ``confidence``.

    The first three depend on the number of samples: as many real images would show ``expected_modes`` (in the protocol)
    and a divergence of about (modes - 1) / (2 x samples). No value sees variety within a mode, so none chooses a
    checkpoint.
    """

    needs = ModeClassifier
    counts: Tensor
    confident_counts: Tensor

    def __init__(self, features: ModeClassifier, confidence: Share = 0.9) -> None:
        super().__init__()
        self.features, self.confidence = features, confidence
        self.by_labels = isinstance(features, ClassifierFeatures)
        self.real_counts: Tensor | None = None
        values = ("modes", "modes_share", "reverse_kl", "confident") if self.by_labels else ("confident", "modes")
        self.names = tuple(f"{value}_{features.name}" for value in values)
        for state in ("counts", "confident_counts"):
            self.add_state(state, torch.zeros(features.num_modes, dtype=torch.long), dist_reduce_fx="sum")

    @classmethod
    def fits(cls, features: Features | None) -> bool:
        return isinstance(features, ModeClassifier) and features.num_modes > 1

    def take_reals(self, reals: Reals) -> None:
        if isinstance(self.features, ClassifierFeatures):
            self.real_counts = reals.modes(self.features.to(reals.device))
            self.sample_count = reals.count

    def update(self, batch: Generated) -> None:
        mode, probability = self.features.predict_modes(batch.features)
        self.counts += mode.bincount(minlength=len(self.counts))
        self.confident_counts += mode[probability > self.confidence].bincount(minlength=len(self.counts))

    def compute(self) -> dict[str, float]:
        confident = (self.confident_counts.sum() / self.counts.sum()).item()
        if not self.by_labels:
            return dict(zip(self.names, (confident, (self.confident_counts > 0).sum().item()), strict=True))
        if self.real_counts is None:
            return {}
        counts = self.counts.cpu()
        reached = counts > 0
        share = (reached & (self.real_counts > 0)).sum().item() / (self.real_counts > 0).sum().item()
        divergence = reverse_kl(counts, self.real_counts)
        return dict(zip(self.names, (reached.sum().item(), share, divergence, confident), strict=True))

    def protocol(self) -> dict[str, Any]:
        protocol = {**self.features.protocol(), "confidence": self.confidence}
        if isinstance(self.features, ClassifierFeatures):
            protocol |= {"factors": self.features.counted, "combinations": self.features.num_modes}
        if self.real_counts is not None:
            protocol |= {"real": int(self.real_counts.sum()), "real_modes": int((self.real_counts > 0).sum())}
            protocol["expected_modes"] = round(expected_modes(self.real_counts, self.sample_count), 1)
        return protocol


def reverse_kl(fake: Tensor, real: Tensor) -> float:
    """Return KL(fake || real) in nats of two vectors of counts (modes,); NaN without samples."""
    p = fake.double() / fake.sum()
    q = real.double().clamp(min=0.5)  # a stray sample of a mode without real images does not make it infinite
    return torch.special.xlogy(p, p * q.sum() / q).sum().item()


def expected_modes(real: Tensor, count: int) -> float:
    """Return the expected number of modes among ``count`` draws from a distribution given by counts (modes,)."""
    shares = real.double() / real.sum()
    return (1 - (1 - shares) ** count).sum().item()
