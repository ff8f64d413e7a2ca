"""Inception score (Salimans et al., 2016)."""

from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

from ganlab.arguments import Count, Natural, checked
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import PerSampleMetric, require_count
from ganlab.metrics.reals import Reals


@checked
class InceptionScore(PerSampleMetric):
    """exp(E KL(p(class | image) || p(class))), the mean over splits of the samples; higher is better.

    Uses the classes of the feature network and is named after it: ``is_inception`` is the paper's, with the 1008
    outputs of TensorFlow's network; ``is_digits`` is at most 10. It ignores the real images and variety within a class,
    so it chooses no checkpoint. Computed by torch-fidelity in float64, which shuffles the samples by ``seed``; each of
    the ``splits`` is scored separately (10 in the paper, of 5,000 samples each).
    """

    needs = Features

    def __init__(self, features: Features, splits: Count, seed: Natural) -> None:
        super().__init__()
        self.features, self.splits, self.seed = features, splits, seed
        self.names = (f"is_{features.name}",)

    @classmethod
    def fits(cls, features: Features | None) -> bool:
        return features is not None and features.num_classes > 1

    def take_reals(self, reals: Reals) -> None:
        require_count("is.splits", self.splits, 1, reals.count)

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        return batch.probabilities[kept]

    def compute(self) -> dict[str, float]:
        if self.shape is None:
            return {}
        logits = self.in_order().double().clamp(min=torch.finfo(torch.float32).tiny).log().cpu()
        return {self.names[0]: isc_features_to_metric(logits, self.splits, True, self.seed)[KEY_METRIC_ISC_MEAN]}

    def protocol(self) -> dict[str, Any]:
        classes = {} if self.shape is None else {"classes": self.shape[0]}
        return {**self.features.protocol(), **classes, "splits": self.splits, "is_seed": self.seed}
