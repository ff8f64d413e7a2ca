"""Feature networks: what FID and its relatives see instead of pixels."""

import hashlib
import io
import os
import pickle
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from tqdm import tqdm

from ganlab.errors import UserError

DIGITS_WEIGHTS = Path(__file__).with_name("digits.pt")
DOWNLOAD_TIMEOUT = 15  # seconds of silence


class Features(nn.Module):
    """A frozen network that maps uint8 images (N, C, H, W) to float32 features (N, num_features).

    It stays in evaluation mode, records no gradients and ignores autocast, so that a number depends on the images and
    on ``weights_sha256`` alone, not on the precision of the training around it.
    """

    name: str
    num_features: int
    resize: str
    remark: str | None = None  # what a person should know before trusting its numbers

    def __init__(self, weights: bytes) -> None:
        super().__init__()
        self.weights_sha256 = hashlib.sha256(weights).hexdigest()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return float32 features (N, num_features) of uint8 images (N, C, H, W) of any size."""
        with torch.autocast(images.device.type, enabled=False):
            return self.extract(images)

    def extract(self, images: Tensor) -> Tensor:
        """Map images to features; ``forward`` without its precautions."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "Features":
        """Stay in evaluation mode, whatever is asked."""
        return super().train(False)

    def protocol(self) -> dict[str, Any]:
        """Return what has to be equal for two numbers to be comparable."""
        return {"features": self.name, "weights_sha256": self.weights_sha256, "resize": self.resize}


class Classifier(Features):
    """A feature network that also tells which of ``num_modes`` kinds an image is."""

    num_modes: int

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the kind of each uint8 image (N, C, H, W), int64 (N,), and how probable it is, (N,)."""
        raise NotImplementedError


class InceptionFeatures(Features):
    """The 2048 pooled features of TensorFlow's InceptionV3 of 2015, the network of the FID paper (Heusel et al., 2017).

    Grey images are repeated to three channels. The resize to 299x299 is TensorFlow 1's bilinear one without
    antialiasing, as in the paper's code.

    Args:
        weights: a state dict in torch-fidelity's layout. None takes torch hub's cache, or fetches the standard file.

    Raises:
        UserError: the weights cannot be had, or are not in this layout.
    """

    name = "inception"
    num_features = 2048
    resize = "bilinear to 299x299, TensorFlow 1"

    def __init__(self, weights: Path | None = None) -> None:
        file = weights or standard_inception_weights()
        content = _read_weights(file)
        super().__init__(content)
        try:
            # The extractor unpickles freely: it gets the very bytes that have passed the safe loader before.
            torch.load(io.BytesIO(content), weights_only=True)
            self.network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=io.BytesIO(content)
            )
        except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as reason:
            raise UserError(
                f"{file} does not hold InceptionV3 weights in torch-fidelity's layout ({_first_line(reason)}); "
                f"take the standard file: {URL_INCEPTION_V3}"
            ) from reason

    def extract(self, images: Tensor) -> Tensor:
        """Return the pooled features (N, 2048), all 0 or more."""
        if images.shape[1] not in (1, 3):
            raise UserError(f"features=inception sees 1 or 3 channels, not {images.shape[1]}; set data.channels=3")
        return self.network(images.expand(-1, 3, -1, -1))[0]


class DigitsFeatures(Classifier):
    """The 64 penultimate features of a small classifier of grey handwritten digits, trained by ``train_digits``.

    Other sizes than 32x32 are resized (bilinear, antialiased). Colour images are refused.
    """

    name = "digits"
    num_features = 64
    num_modes = 10
    resize = "bilinear to 32x32, antialiased"

    def __init__(self, weights: Path = DIGITS_WEIGHTS) -> None:
        content = _read_weights(weights)
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
        if pixels.shape[2:] != (32, 32):
            pixels = F.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
        return self.network[:-1](pixels)

    def classify(self, images: Tensor) -> Tensor:
        """Return probabilities (N, 10) of the ten digits for uint8 images (N, 1, H, W)."""
        return self.network[-1](self(images)).softmax(dim=1)

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most probable digit (N,) of uint8 images (N, 1, H, W), and its probability (N,)."""
        probability, digit = self.classify(images).max(dim=1)
        return digit, probability


def digits_network() -> nn.Sequential:
    """Build the untrained classifier: (N, 1, 32, 32) in [-1, 1] to logits (N, 10), features before its last layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(64 * 2 * 2, DigitsFeatures.num_features), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(DigitsFeatures.num_features, DigitsFeatures.num_modes))


def standard_inception_weights() -> Path:
    """Return the standard InceptionV3 weights in torch hub's cache, fetched (96 MB) when absent or damaged."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[-1]
    digest = file.stem.rsplit("-", 1)[-1]  # the publisher writes the first digits of the sha256 into the name
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest().startswith(digest):
        return file
    try:
        _download(URL_INCEPTION_V3, file, digest)
    except OSError as reason:
        raise UserError(
            f"the InceptionV3 weights cannot be fetched ({_first_line(reason)}); put {URL_INCEPTION_V3} "
            f"at {file}, or anywhere with features.weights=FILE, or do without: metrics=swd"
        ) from reason
    return file


def _download(url: str, file: Path, digest: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response, part.open("wb") as target:
            size = int(response.headers.get("Content-Length") or 0) or None
            with tqdm.wrapattr(response, "read", total=size, desc=f"fetching {file.name}", disable=None) as source:
                shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if not found.startswith(digest):
            raise OSError(f"sha256 {found[:8]} instead of {digest}: the file is damaged or another one")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _read_weights(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as reason:
        raise UserError(f"no weights at {file} ({reason.strerror}); set features.weights=FILE") from reason


def _first_line(reason: BaseException) -> str:
    return str(reason).strip().partition("\n")[0] or type(reason).__name__
