"""Inception score (Salimans et al., 2016)."""

from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

from ganlab.arguments import Count, Natural, checked
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Gathered, enough
from ganlab.metrics.reals import Reals


@checked
class InceptionScore(Gathered):
    """exp(E KL(p(class | image) || p(class))), the mean over splits of the samples; higher is better.

    By the classes of the feature network, and named after it: ``is_inception`` is the paper's, with ImageNet's classes
    (1008 outputs in the TensorFlow network), ``is_digits`` goes up to 10. It looks at no real image, hence chooses no
    checkpoint, and sees no lack of variety within a class. Sums are torch-fidelity's, in float64.

    Args:
        features: a feature network that tells classes.
        splits: parts of the samples, each scored by itself (10 in the paper, of 5,000 samples each).
        seed: of the shuffle before splitting.
    """

    needs = Features
    needs_classes = True
    higher_is_better = True

    def __init__(self, features: Features, splits: Count, seed: Natural) -> None:
        super().__init__()
        self.features, self.splits, self.seed = features, splits, seed
        self.names = (f"is_{features.name}",)

    def take_reals(self, reals: Reals) -> None:
        """Look at no real image; refuse more splits than there are samples."""
        enough("is.splits", self.splits, 1, reals.count)

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Keep the probabilities (n, K)."""
        return batch.probabilities[kept]

    def compute(self) -> dict[str, float]:
        """Return the score under its full name; nothing on processes without samples."""
        if self.shape is None:
            return {}
        logits = self.in_order().double().clamp(min=torch.finfo(torch.float32).tiny).log().cpu()
        return {self.names[0]: isc_features_to_metric(logits, self.splits, True, self.seed)[KEY_METRIC_ISC_MEAN]}

    def protocol(self) -> dict[str, Any]:
        """Return the network, its number of classes and the splits."""
        classes = {} if self.shape is None else {"classes": self.shape[0]}
        return {**self.features.protocol(), **classes, "splits": self.splits, "is_seed": self.seed}
