"""How many of the classes a generator draws, where the feature network is a classifier."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from ganlab.metrics.features import DigitsFeatures
from ganlab.metrics.reals import Reals


class Modes(Metric):
    """Share of the samples that are clearly one digit, and how many different digits are among these.

    ``confident_digits`` in [0, 1]: most probable digit above ``confidence``. ``modes_digits`` in 0..10. Higher is
    better; both say nothing about the variety within a digit, so they choose no checkpoint.
    """

    needs = DigitsFeatures
    higher_is_better = True
    full_state_update = False
    samples: Tensor
    confident: Tensor

    def __init__(self, features: DigitsFeatures, confidence: float = 0.9) -> None:
        super().__init__()
        self.features = features
        self.confidence = confidence
        self.names = (f"confident_{features.name}", f"modes_{features.name}")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("confident", torch.zeros(features.num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def take_reals(self, reals: Reals) -> None:
        """Remember nothing: generated images are judged alone."""

    def update(self, images: Tensor, real: bool) -> None:
        """Classify generated images, uint8 (N, 1, H, W)."""
        if real:
            return
        probability, digit = self.features.classify(images).max(dim=1)
        self.samples += len(images)
        self.confident += digit[probability > self.confidence].bincount(minlength=len(self.confident))

    def compute(self) -> dict[str, float]:
        """Return both values under their full names."""
        values = ((self.confident.sum() / self.samples).item(), (self.confident > 0).sum().item())
        return dict(zip(self.names, values, strict=True))

    def protocol(self) -> dict[str, Any]:
        """Return the classifier and the confidence that counts."""
        return {**self.features.protocol(), "confidence": self.confidence}
