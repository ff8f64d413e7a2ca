"""How many of the kinds of images a generator draws, where the feature network is a classifier."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from ganlab.arguments import Share, checked
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.features import Classifier
from ganlab.metrics.generated import Generated
from ganlab.metrics.reals import Reals


@checked
class Modes(Metric):
    """How many different modes are among the samples, and how evenly they are spread over them.

    With the digit network, which is taught doubt, only samples that are clearly one digit count: ``confident_digits``
    in [0, 1] is their share, most probable digit above ``confidence``, and ``modes_digits`` in 0..10 the number of
    digits among them.

    With a classifier of the data every sample counts as the mode that is most probable, a combination of factors, as
    the modes of stacked MNIST are counted (Metz et al., 2017, section 3.3; Lin et al., 2018, from 25,600 samples):
    ``modes_classifier`` is the number of different ones; ``modes_share_classifier`` in [0, 1] the share that is reached
    of those that the classifier sees among all real images; ``reverse_kl_classifier`` the divergence, in nats, of the
    samples' distribution from the real images', both by the classifier, 0 or more and lower is better (the papers take
    the uniform distribution for the real one; 128,000 stacks are nearly that). Both depend on the number of samples:
    even the real images would show less than all in a sample, see ``expected_modes`` in the protocol, and would have a
    divergence of about (modes - 1) / (2 x samples). ``confident_classifier`` in [0, 1] is the share of samples of which
    every counted factor is told with more than ``confidence``.

    Neither says anything about the variety within a mode, so they choose no checkpoint.
    """

    needs = Classifier
    higher_is_better = True
    full_state_update = False
    counts: Tensor
    confident_counts: Tensor

    def __init__(self, features: Classifier, confidence: Share = 0.9) -> None:
        super().__init__()
        self.features = features
        self.confidence = confidence
        self.by_labels = isinstance(features, ClassifierFeatures)
        self.real_counts: Tensor | None = None
        values = ("modes", "modes_share", "reverse_kl", "confident") if self.by_labels else ("confident", "modes")
        self.names = tuple(f"{value}_{features.name}" for value in values)
        for state in ("counts", "confident_counts"):
            self.add_state(state, torch.zeros(features.num_modes, dtype=torch.long), dist_reduce_fx="sum")

    def take_reals(self, reals: Reals) -> None:
        """Remember how often each mode is among all real images, where these are of modes that labels name."""
        if isinstance(self.features, ClassifierFeatures):
            self.real_counts = reals.modes(self.features.to(reals.device))
            self.sample_count = reals.count

    def update(self, batch: Generated) -> None:
        """Classify generated images."""
        mode, probability = self.features.judge_features(batch.features)
        self.counts += mode.bincount(minlength=len(self.counts))
        self.confident_counts += mode[probability > self.confidence].bincount(minlength=len(self.counts))

    def compute(self) -> dict[str, float]:
        """Return the values under their full names; nothing on processes that only lend their samples."""
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
        """Return the network and the confidence that counts; of a classifier of labels, what real images show."""
        protocol = {**self.features.protocol(), "confidence": self.confidence}
        if isinstance(self.features, ClassifierFeatures):
            protocol |= {"factors": self.features.counted, "combinations": self.features.num_modes}
        if self.real_counts is not None:
            protocol |= {
                "real": int(self.real_counts.sum()),
                "real_modes": int((self.real_counts > 0).sum()),
                "expected_modes": round(expected_modes(self.real_counts, self.sample_count), 1),
            }
        return protocol


def reverse_kl(fake: Tensor, real: Tensor) -> float:
    """Return KL(fake || real) in nats of two vectors of counts (modes,); NaN without samples.

    What no real image shows counts as half an image, so that a stray sample does not make it infinite.
    """
    p = fake.double() / fake.sum()
    q = real.double().clamp(min=0.5)
    return torch.special.xlogy(p, p * q.sum() / q).sum().item()


def expected_modes(real: Tensor, count: int) -> float:
    """Return how many different modes ``count`` draws from a distribution, given by counts, show on average."""
    shares = real.double() / real.sum()
    return (1 - (1 - shares) ** count).sum().item()
