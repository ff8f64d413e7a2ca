"""Feature networks: what FID and its relatives see instead of pixels."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from ganlab.errors import UserError
from ganlab.metrics.exactness import full_precision
from ganlab.metrics.resizing import DESCRIPTIONS, RESIZES
from ganlab.metrics.weights import first_line, published_weights, read_weights

DIGITS_WEIGHTS = Path(__file__).with_name("digits.pt")


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


class InceptionFeatures(ColourFeatures):
    """The 2048 pooled features of TensorFlow's InceptionV3 of 2015, the network of the FID paper (Heusel et al., 2017).

    Its 1008 classes are those of the Inception score; as in the score's code (Salimans et al., 2016), and in
    torch-fidelity, the last layer's bias is left out.

    Args:
        weights: a state dict in torch-fidelity's layout. None takes torch hub's cache, or fetches the standard file.
        resize: to 299x299, ``torch_fidelity`` (TensorFlow 1's bilinear one without antialiasing, as in the FID paper's
            code) or ``clean`` (clean-fid's bicubic one).

    Raises:
        UserError: the weights cannot be had, or are not in this layout.
    """

    name = "inception"
    num_features = 2048
    num_classes = 1008
    size = (299, 299)

    def __init__(self, weights: Path | None = None, resize: str = "torch_fidelity") -> None:
        if resize not in RESIZES:
            raise UserError(f"features.resize={resize} does not exist; choose {' or '.join(RESIZES)}")
        file = weights or standard_inception_weights()
        content = read_weights(file)
        super().__init__(content)
        self.resized, self.resize = RESIZES[resize], f"{DESCRIPTIONS[resize]}, to 299x299"
        try:
            # The extractor unpickles freely: it gets the very bytes that have passed the safe loader before.
            torch.load(io.BytesIO(content), weights_only=True)
            self.network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=io.BytesIO(content)
            )
        except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as reason:
            raise UserError(
                f"{file} does not hold InceptionV3 weights in torch-fidelity's layout ({first_line(reason)}); "
                f"take the standard file: {URL_INCEPTION_V3}"
            ) from reason
        self.network.to(memory_format=torch.channels_last)  # a third faster on the CPU

    def extract(self, images: Tensor) -> Tensor:
        """Return the pooled features (N, 2048), all 0 or more."""
        maps = (self.resized(images, self.size) - 128) / 128
        for (
            name,
            layer,
        ) in self.network.named_children():  # in the order of its own forward, which knows one resize only
            if name != "fc":
                maps = layer(maps)
        return maps.flatten(1)

    def probabilities(self, features: Tensor) -> Tensor:
        """Return probabilities (N, 1008) for features (N, 2048)."""
        return (features @ self.network.fc.weight.T).softmax(dim=1)


def standard_inception_weights() -> Path:
    """Return the standard InceptionV3 weights in torch hub's cache, fetched (96 MB) when absent or damaged."""
    return published_weights(URL_INCEPTION_V3)


class DigitsFeatures(Classifier):
    """The 64 penultimate features of a small classifier of grey handwritten digits, trained by ``train_digits``.

    Other sizes than 32x32 are resized (bilinear, antialiased). Colour images are refused.
    """

    name = "digits"
    num_features = 64
    num_classes = 10
    num_modes = 10
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
                f"features=digits judges grey digits only, not images of {images.shape[1]} channels; "
                "set data.channels=1, or features=inception"
            )
        pixels = images.float() / 127.5 - 1
        if pixels.shape[2:] != self.size:
            pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        return self.network[:-1](pixels)

    def probabilities(self, features: Tensor) -> Tensor:
        """Return probabilities (N, 10) of the ten digits for features (N, 64)."""
        return self.network[-1](features).softmax(dim=1)

    def judge_features(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most probable digit (N,), and its probability (N,)."""
        probabilities = self.classify_features(features)
        assert probabilities is not None
        probability, digit = probabilities.max(dim=1)
        return digit, probability


def digits_network() -> nn.Sequential:
    """Build the untrained classifier: (N, 1, 32, 32) in [-1, 1] to logits (N, 10), features before its last layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(64 * 2 * 2, DigitsFeatures.num_features), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(DigitsFeatures.num_features, DigitsFeatures.num_modes))
