"""The embedded classifier of handwritten digits as a feature network."""

import io
from pathlib import Path

import torch
from torch import Tensor

from ganlab.classifiers.digits import DIGITS_WEIGHTS, NUM_DIGITS, NUM_FEATURES, digits_network
from ganlab.classifiers.network import to_pixels
from ganlab.metrics.extractors.features import ModeClassifier
from ganlab.metrics.extractors.weights import read_weights


class DigitsFeatures(ModeClassifier):
    """The 64 penultimate features of ``train_digits``, for grey images, resized to 32x32 (bilinear, antialiased)."""

    name = "digits"
    num_features, num_classes, num_modes = NUM_FEATURES, NUM_DIGITS, NUM_DIGITS
    channels, size = (1,), (32, 32)
    resize = "bilinear to 32x32, antialiased"

    def __init__(self, weights: Path = DIGITS_WEIGHTS) -> None:
        content = read_weights(weights)
        super().__init__(content)
        self.network = digits_network()
        self.network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        self.requires_grad_(False).eval()

    def extract(self, images: Tensor) -> Tensor:
        return self.network[:-1](to_pixels(images, self.size))

    def probabilities(self, features: Tensor) -> Tensor:
        return self.network[-1](features).softmax(dim=1)

    def predict_modes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = self.classify_features(features)
        assert probabilities is not None
        probability, digit = probabilities.max(dim=1)
        return digit, probability
