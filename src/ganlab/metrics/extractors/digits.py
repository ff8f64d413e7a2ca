"""The embedded classifier of handwritten digits as a feature network."""

import io
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganlab.classifiers.digits import DIGITS_WEIGHTS, NUM_DIGITS, NUM_FEATURES, digits_network
from ganlab.errors import UserError
from ganlab.metrics.extractors.features import ModeClassifier
from ganlab.metrics.extractors.weights import read_weights


class DigitsFeatures(ModeClassifier):
    """The 64 penultimate features of a small classifier of grey handwritten digits, trained by ``train_digits``.

    Images are resized to 32x32 (bilinear, antialiased). Colour images are refused.
    """

    name = "digits"
    num_features = NUM_FEATURES
    num_classes = NUM_DIGITS
    num_modes = NUM_DIGITS
    size = (32, 32)
    resize = "bilinear to 32x32, antialiased"

    def __init__(self, weights: Path = DIGITS_WEIGHTS) -> None:
        content = read_weights(weights)
        super().__init__(content)
        self.network = digits_network()
        self.network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        self.requires_grad_(False).eval()

    def extract(self, images: Tensor) -> Tensor:
        """Return the penultimate layer (N, 64), all 0 or more."""
        if images.shape[1] != 1:
            raise UserError(
                f"features=digits takes grey digits only, not images of {images.shape[1]} channels; "
                "set data.channels=1, or features=inception"
            )
        pixels = images.float() / 127.5 - 1
        if pixels.shape[2:] != self.size:
            pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        return self.network[:-1](pixels)

    def probabilities(self, features: Tensor) -> Tensor:
        """Return probabilities (N, 10) of the ten digits for features (N, 64)."""
        return self.network[-1](features).softmax(dim=1)

    def predict_modes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most probable digit (N,), and its probability (N,)."""
        probabilities = self.classify_features(features)
        assert probabilities is not None
        probability, digit = probabilities.max(dim=1)
        return digit, probability
