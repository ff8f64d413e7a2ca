"""Base classes of the feature networks."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.metrics.extractors.precision import full_precision

COLOUR = (1, 3)  # channels


class Features(nn.Module):
    """A frozen network that maps uint8 images (N, C, H, W) to float32 features (N, num_features).

    It stays in evaluation mode, records no gradients, ignores autocast and computes in full float32, so that a value
    depends on the images and on ``protocol()`` alone, not on the training around it. It splits images into passes of
    ``batch_size``. The same images in the same passes give the same bits; in other passes features differ in float32's
    last digit, since the order of sums depends on the batch.
    """

    name: str  # part of the names of metrics
    num_features: int
    num_classes: int = 0  # outputs of the classifier on top of the features, 0 for none
    resize: str  # how images are resized to ``size``
    size: tuple[int, int] | None = None  # height and width of the network's input; None for any
    channels: tuple[int, ...] | None = None  # numbers of channels that it takes; None for any
    remark: str | None = None  # a caution to print before its first value
    input: str | None = None  # how it sees the images of a run, after ``bind``
    batch_size: int = 50  # images of one pass

    def __init__(self, weights: bytes) -> None:
        super().__init__()
        self.weights_sha256 = hashlib.sha256(weights).hexdigest()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return float32 features (N, num_features) of uint8 images (N, C, H, W) of any size."""
        self._require_channels(images.shape[1])
        with full_precision(images.device):
            return torch.cat([self.extract(part) for part in images.split(self.batch_size)])

    @torch.no_grad()
    def classify_features(self, features: Tensor) -> Tensor | None:
        """Return class probabilities (N, num_classes) of features (N, num_features); None without classes."""
        if not self.num_classes:
            return None
        with full_precision(features.device):
            return self.probabilities(features)

    def classify(self, images: Tensor) -> Tensor:
        """Return class probabilities (N, num_classes) of uint8 images (N, C, H, W); ``UserError`` without classes."""
        probabilities = self.classify_features(self(images))
        if probabilities is None:
            raise UserError(f"features={self.name} has no classes; set features=inception, digits or resnet50")
        return probabilities

    def extract(self, images: Tensor) -> Tensor:
        """Map the images of one pass to features; called by ``forward``."""
        raise NotImplementedError

    def probabilities(self, features: Tensor) -> Tensor:
        """Return class probabilities (N, num_classes); called by ``classify_features``."""
        raise NotImplementedError

    def bind(self, channels: int, height: int, width: int) -> None:
        """Record the images of a run and how they are converted; ``UserError`` if the network cannot take them."""
        self._require_channels(channels)
        colour = {1: "grey", 3: "colour"}.get(channels, f"of {channels} channels")
        repeated = ", repeated to 3 channels" if channels == 1 and self.channels == COLOUR else ""
        stretched = self.size is not None and height * self.size[1] != width * self.size[0]
        aspect = ", each side resized by itself" if stretched else ""
        self.input = f"{width}x{height} {colour}{repeated}{aspect}"

    def train(self, mode: bool = True) -> "Features":
        return super().train(False)

    def protocol(self) -> dict[str, Any]:
        """Return what must be equal for two values to be comparable."""
        seen = {} if self.input is None else {"input": self.input}
        return {"features": self.name, "weights_sha256": self.weights_sha256, "resize": self.resize, **seen}

    def _require_channels(self, channels: int) -> None:
        if self.channels is not None and channels not in self.channels:
            wanted = " or ".join(map(str, self.channels)) + " channel" + "s" * (self.channels != (1,))
            raise UserError(
                f"features={self.name} takes {wanted}, not {channels}; set data.channels={self.channels[-1]}, "
                "or features=auto"
            )


class ColourFeatures(Features):
    """A network of colour images; the channel of grey ones is repeated."""

    channels = COLOUR

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)


class ModeClassifier(Features):
    """A feature network that also classifies images into ``num_modes`` modes."""

    num_modes: int

    def predict_modes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mode of each of the features (N, num_features), int64 (N,), and its probability (N,)."""
        raise NotImplementedError
