"""Feature networks: what FID and its relatives see instead of pixels."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.metrics.extractors.precision import full_precision


class Features(nn.Module):
    """A frozen network that maps uint8 images (N, C, H, W) to float32 features (N, num_features).

    It stays in evaluation mode, records no gradients, ignores autocast and computes in full float32, so that a number
    depends on the images and on ``protocol()`` alone, not on the training around it. Images pass in sub-batches of
    ``batch_size``: how many a caller gives at once costs no memory. The same images in the same batches give the same
    bits; in other batches, features that differ in float32's last digit, since convolutions and matrix products sum in
    an order that depends on the batch.

    Attributes:
        name: stands in the names of metrics.
        num_features: of an image.
        num_classes: of the classifier's head on top of the features, 0 where there is none.
        resize: how images come to the network's size.
        size: that size, height and width; None where it takes images as they come, or of its data's shape.
        colour: whether it sees colour images only.
        remark: what a person should know before trusting its numbers.
        input: how it sees the images of a run, once ``meet`` was told what these are.
        batch_size: images of one pass.
    """

    name: str
    num_features: int
    num_classes: int = 0
    resize: str
    size: tuple[int, int] | None = None
    colour: bool = False
    remark: str | None = None
    input: str | None = None
    batch_size: int = 50

    def __init__(self, weights: bytes) -> None:
        super().__init__()
        self.weights_sha256 = hashlib.sha256(weights).hexdigest()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return float32 features (N, num_features) of uint8 images (N, C, H, W) of any size."""
        with full_precision(images.device):
            return torch.cat([self.extract(part) for part in images.split(self.batch_size)])

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features (N, num_features) and class probabilities (N, num_classes) or None, of a single pass."""
        features = self(images)
        return features, self.classify_features(features)

    @torch.no_grad()
    def classify_features(self, features: Tensor) -> Tensor | None:
        """Return class probabilities (N, num_classes) of features (N, num_features); None where it has no classes."""
        if not self.num_classes:
            return None
        with full_precision(features.device):
            return self.probabilities(features)

    def classify(self, images: Tensor) -> Tensor:
        """Return class probabilities (N, num_classes) of uint8 images (N, C, H, W).

        Raises:
            UserError: the network has no classes.
        """
        _, probabilities = self.features_and_probabilities(images)
        if probabilities is None:
            raise UserError(f"features={self.name} tells no classes; set features=inception, digits or resnet50")
        return probabilities

    def extract(self, images: Tensor) -> Tensor:
        """Map a sub-batch to features; ``forward`` without its precautions."""
        raise NotImplementedError

    def probabilities(self, features: Tensor) -> Tensor:
        """Return class probabilities (N, num_classes); ``classify_features`` without its precautions."""
        raise NotImplementedError

    def meet(self, channels: int, height: int, width: int) -> None:
        """Record what the images of a run are and what becomes of them; ``UserError`` where it cannot judge them."""
        colour = {1: "grey", 3: "colour"}.get(channels, f"of {channels} channels")
        repeated = ", repeated to 3 channels" if channels == 1 and self.colour else ""
        stretched = self.size is not None and height * self.size[1] != width * self.size[0]
        aspect = ", each side resized by itself" if stretched else ""
        self.input = f"{width}x{height} {colour}{repeated}{aspect}"

    def train(self, mode: bool = True) -> "Features":
        """Stay in evaluation mode, whatever is asked."""
        return super().train(False)

    def protocol(self) -> dict[str, Any]:
        """Return what has to be equal for two numbers to be comparable."""
        seen = {} if self.input is None else {"input": self.input}
        return {"features": self.name, "weights_sha256": self.weights_sha256, "resize": self.resize, **seen}


class ColourFeatures(Features):
    """A network of colour images, to which grey ones are shown with their channel thrice."""

    colour = True

    def meet(self, channels: int, height: int, width: int) -> None:
        """Record what becomes of images; refuse 2, 4 and more channels."""
        self._refuse(channels)
        super().meet(channels, height, width)

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 features (N, num_features) of uint8 images (N, 1 or 3, H, W) of any size."""
        self._refuse(images.shape[1])
        return super().forward(images.expand(-1, 3, -1, -1))

    def _refuse(self, channels: int) -> None:
        if channels not in (1, 3):
            raise UserError(f"features={self.name} sees 1 or 3 channels, not {channels}; set data.channels=3")


class Classifier(Features):
    """A feature network that also tells which of ``num_modes`` kinds an image is."""

    num_modes: int

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the kind of each uint8 image (N, C, H, W), int64 (N,), and how probable it is, (N,)."""
        return self.judge_features(self(images))

    def judge_features(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what ``judge`` does, of features (N, num_features)."""
        raise NotImplementedError
