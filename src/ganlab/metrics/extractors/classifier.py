"""A classifier trained on the data's own labels as a feature network."""

import io
from math import prod
from typing import Any

import torch
from torch import Tensor

from ganlab.classifiers.network import ImageClassifier
from ganlab.metrics.extractors.features import ModeClassifier

MOST_CLASSES = 10_000  # probabilities of an image, at most


class ClassifierFeatures(ModeClassifier):
    """Penultimate features, 0 or more, of ``trained_classifier``; concatenated if it classifies channels separately."""

    name = "classifier"

    def __init__(self, weights: bytes) -> None:
        super().__init__(weights)
        known: dict[str, Any] = torch.load(io.BytesIO(weights), weights_only=True)
        self.factors: dict[str, int] = known["factors"]  # number of values by name
        self.accuracy: dict[str, float] = known["accuracy"]  # on ``held_out`` examples, by factor
        self.held_out: int = known["held_out"]
        self.channelwise: bool = known["channelwise"]
        self.channels = (len(self.factors) if self.channelwise else known["shape"][0],)
        self.count([])
        self.network = ImageClassifier(known["shape"], known["heads"], known["width"])
        self.network.load_state_dict(known["state"])
        self.num_features = self.network.num_features * (len(self.factors) if self.channelwise else 1)
        rows, columns = self.network.size
        self.resize = f"bilinear to {columns}x{rows}, antialiased, where they differ"
        self.requires_grad_(False).eval()

    def count(self, factors: list[str]) -> None:
        """Count the combinations of these factors as modes; none before the first call."""
        self.counted = factors
        self.num_modes = prod(self.factors[name] for name in factors)
        classes = self.num_modes if factors else prod(self.factors.values()) if len(self.factors) == 1 else 0
        self.num_classes = classes if classes <= MOST_CLASSES else 0

    def extract(self, images: Tensor) -> Tensor:
        if self.channelwise:
            return self.network(images.flatten(end_dim=1)[:, None]).view(len(images), -1)
        return self.network(images)

    def by_factor(self, features: Tensor) -> dict[str, Tensor]:
        """Return probabilities (N, values) by factor for features (N, num_features)."""
        if self.channelwise:
            parts = features.view(len(features), len(self.factors), -1).unbind(dim=1)
            answers = [self.network.logits(part)[0] for part in parts]
        else:
            answers = self.network.logits(features)
        return {name: answer.softmax(dim=1) for name, answer in zip(self.factors, answers, strict=True)}

    def probabilities(self, features: Tensor) -> Tensor:
        """Return those of a single factor's values, or of the counted ones' combinations, taken as independent."""
        answers = self.by_factor(features)
        joint = torch.ones(len(features), 1, device=features.device)
        for name in self.counted or list(self.factors):
            joint = (joint[:, :, None] * answers[name][:, None, :]).flatten(1)
        return joint

    @torch.no_grad()
    def predict_modes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most probable combination (N,) of the counted factors, and the least of their probabilities (N,).

        The first factor is the most significant digit of a combination's number.
        """
        answers = self.by_factor(features)
        mode = torch.zeros(len(features), dtype=torch.long, device=features.device)
        certain = torch.ones(len(features), device=features.device)
        for name in self.counted:
            probability, value = answers[name].max(dim=1)
            mode = mode * self.factors[name] + value
            certain = torch.minimum(certain, probability)
        return mode, certain

    def protocol(self) -> dict[str, Any]:
        rounded = {name: round(share, 4) for name, share in self.accuracy.items()}
        return {**super().protocol(), "accuracy": rounded, "held_out": self.held_out}
