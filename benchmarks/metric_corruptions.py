"""Sensitivity of feature networks: FID and KID of real images against corrupted ones, as tables for docs/metrics.md.

    python src/prepare.py data=cifar10 packs=P; python src/prepare.py data=cifar10 data.split=test packs=P
    python benchmarks/metric_corruptions.py --train P/cifar10-train-... --test P/cifar10-test-...
    python benchmarks/metric_corruptions.py --train ... --test ... --networks swd digits inception:200 resnet50:200

The reference are seeded training images; as many others of them show how far apart two samples of one kind are, by
chance alone: smaller steps between strengths mean little. Strength 0 is the same number of unchanged test images;
the others are the same images blurred (Gaussian; deviation in pixels), with noise (Gaussian; deviation in grey levels),
through JPEG (quality), or other test images, of fewer classes. A value is monotone for a corruption if it rises with
every step, from strength 0 on.

Networks, each with ``:COUNT`` images or those of ``--count``: ``inception`` and torchvision's classifiers, such as
``resnet50``, by ``--weights NAME=FILE``, else with seeded random weights (Kaiming's), and named so; ``classifier``,
trained on the training pack, the reference images among its examples; ``digits``, which is shown colour images in grey.
For comparison, without a network: ``swd``, and ``pixels``, averaged to 8x8. A ``torchscript`` network is a file that
the user brings.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image, ImageFilter
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchvision import models

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ganlab.data.packs.pack import Pack  # noqa: E402
from ganlab.metrics.extractors.backbones import BackboneFeatures  # noqa: E402
from ganlab.metrics.extractors.choosing import classifier_features  # noqa: E402
from ganlab.metrics.extractors.digits import DigitsFeatures  # noqa: E402
from ganlab.metrics.extractors.features import Features  # noqa: E402
from ganlab.metrics.extractors.inception import InceptionFeatures  # noqa: E402
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance  # noqa: E402
from ganlab.metrics.generated import Generated  # noqa: E402
from ganlab.metrics.measures.kid import discrepancy  # noqa: E402
from ganlab.metrics.measures.swd import SWD  # noqa: E402

Spoil = Callable[[Image.Image, np.random.Generator], Image.Image]
Values = dict[str, float]  # by metric
Compare = Callable[[np.ndarray], Values]  # of uint8 images (N, H, W, C) with the reference
CLASSES = (1, 3, 5, 8)  # of ten, dropped
NETWORKS = ("pixels", "swd", "digits", "classifier", "inception:200", "resnet50:200", "vgg16:100")


class PixelFeatures(Features):
    """The pixels of an 8x8 image, 0 to 1."""

    name = "pixels 8x8"
    resize = "area to 8x8"

    def __init__(self, channels: int) -> None:
        super().__init__(b"")
        self.num_features = 64 * channels

    def extract(self, images: Tensor) -> Tensor:
        """Return pixels (N, 64 C)."""
        return F.adaptive_avg_pool2d(images.float() / 255, 8).flatten(1)


def blurred(deviation: float) -> Spoil:
    """Return a Gaussian blur, as Pillow approximates it."""
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(deviation))


def noisy(deviation: float) -> Spoil:
    """Return Gaussian noise, rounded and clipped to bytes."""

    def spoil(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        pixels = np.asarray(image, np.float32)
        return Image.fromarray((pixels + rng.normal(0, deviation, pixels.shape)).round().clip(0, 255).astype(np.uint8))

    return spoil


def compressed(quality: int) -> Spoil:
    """Return a way through a JPEG file."""

    def spoil(image: Image.Image, _: np.random.Generator) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return spoil


SPOILERS: dict[str, dict[str, Spoil]] = {
    "blur": {str(d): blurred(d) for d in (0.5, 1, 2, 4)},
    "noise": {str(d): noisy(d) for d in (5, 10, 20, 40)},
    "JPEG": {str(q): compressed(q) for q in (75, 40, 15, 5)},
}


def spoilt(images: np.ndarray, spoil: Spoil) -> np.ndarray:
    """Apply a corruption to uint8 images (N, H, W, C), by the same random numbers at every strength."""
    rng = np.random.default_rng(0)
    grey = images.shape[3] == 1
    done = [np.asarray(spoil(Image.fromarray(image[..., 0] if grey else image), rng)) for image in images]
    return np.stack(done).reshape(images.shape)


def variants(test: Pack, count: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield corruption, strength and ``count`` images; those as they are come first, as ``none``."""
    order = np.random.default_rng(0).permutation(len(test))
    images = test.images[order[:count]]
    yield "none", "0", images
    for corruption, strengths in SPOILERS.items():
        for strength, spoil in strengths.items():
            yield corruption, strength, spoilt(images, spoil)
    labels = test.labels
    if labels is None or labels.ndim > 1:
        return
    classes = int(labels.max()) + 1
    for dropped in CLASSES:
        left = order[labels[order] >= round(classes * dropped / 10)]
        if len(left) >= count:
            yield "classes dropped", f"{dropped}/10", test.images[left[:count]]


def random_inception(file: Path) -> Features:
    """Return InceptionV3 with Kaiming's weights, kept in ``file``; with the usual random ones the features vanish."""
    torch.save({}, file)
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None):
        network = FeatureExtractorInceptionV3("random", ["2048"], str(file))
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    torch.save(network.state_dict(), file)
    return InceptionFeatures(file)


def random_backbone(name: str, file: Path) -> Features:
    """Return a classifier of torchvision with the weights that its training would begin with, kept in ``file``."""
    torch.manual_seed(0)
    torch.save(models.get_model(name, weights=None).state_dict(), file)
    return BackboneFeatures(name, file)


def build(name: str, weights: Path | None, train: Pack) -> Features:
    """Return a network, named after its weights."""
    if name == "pixels":
        return PixelFeatures(train.images.shape[3])
    if name == "digits":
        features: Features = DigitsFeatures()
        if train.images.shape[3] == 3:
            features.name = "digits, in grey"
        return features
    if name == "classifier":
        options = yaml.safe_load((ROOT / "conf/features/classifier.yaml").read_text())["classifier"]
        classifier = classifier_features(train, **options)
        accuracy = ", ".join(f"{share:.0%}" for share in classifier.accuracy.values())
        classifier.name = f"classifier ({accuracy} of held-out images right)"
        return classifier
    if weights:
        return InceptionFeatures(weights) if name == "inception" else BackboneFeatures(name, weights)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.pth"
        features = random_inception(file) if name == "inception" else random_backbone(name, file)
    features.name += ", random weights"
    return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Return the Frechet distance of features (N, D), computed where they are: few images span few dimensions."""
    count, dimensions = len(first) + len(second), first.shape[1]
    if count < dimensions:
        axes = torch.linalg.qr(torch.cat([first, second]).T).Q
        first, second = first @ axes, second @ axes
    sums = [FeatureStatistics(len(found), found.sum(dim=0), found.T @ found) for found in (first, second)]
    return frechet_distance(*sums)


def as_tensor(images: np.ndarray) -> Tensor:
    """Return images (N, H, W, C) as (N, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def by_features(features: Features, reference: np.ndarray) -> Compare:
    """Return a comparison by FID and KID."""
    in_grey = isinstance(features, DigitsFeatures) and reference.shape[3] == 3

    def features_of(images: np.ndarray) -> Tensor:
        if in_grey:
            images = np.stack([np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in images])
        return features(as_tensor(images)).double()

    def compare(images: np.ndarray) -> Values:
        found = features_of(images)
        return {"FID": frechet(real, found), "KID": discrepancy(real, found)}

    real = features_of(reference)
    return compare


def by_patches(reference: np.ndarray) -> Compare:
    """Return a comparison by SWD."""
    metric = SWD(**{key: value for key, value in swd_values().items() if key != "_target_"})
    metric.take_reals(SimpleNamespace(sample=lambda: as_tensor(reference).split(100)))  # type: ignore[arg-type]

    def compare(images: np.ndarray) -> Values:
        metric.reset()
        metric.update(Generated(as_tensor(images), None, torch.arange(len(images))))
        return {"SWD": metric.compute()["swd"]}

    return compare


def swd_values() -> dict[str, Any]:
    """Return the metric's usual values."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "conf/metrics/swd.yaml").read_text())["swd"]
    return values


def study(
    title: str, size: str, comparing: Callable[[np.ndarray], Compare], train: Pack, test: Pack, count: int
) -> dict[str, str]:
    """Print the values of one network; returns, by corruption, which of them are monotone."""
    start = time.process_time()
    order = np.random.default_rng(0).permutation(len(train))
    compare = comparing(train.images[order[:count]])
    other = compare(train.images[order[count : 2 * count]])
    steps: dict[str, list[tuple[str, Values]]] = {}
    for corruption, strength, images in variants(test, count):
        print(f"{title}: {corruption} {strength}", file=sys.stderr, flush=True)
        steps.setdefault(corruption, []).append((strength, compare(images)))
    ((_, unchanged),) = steps.pop("none")
    print(f"\n### {title}: {count:,} images{size}\n")
    for what, values in (("other training images", other), ("unchanged test images", unchanged)):
        print(f"Training against {what}: {', '.join(f'{name} {value:.4g}' for name, value in values.items())}.")
    columns = " | ".join(f"strength: {name} | monotone" for name in unchanged)
    print(f"\n| corruption | {columns} |\n|{'---|' * (1 + 2 * len(unchanged))}")
    verdicts = {}
    for corruption, taken in steps.items():
        cells, monotone = [], []
        for name, first in unchanged.items():
            rising = [values[name] for _, values in taken]
            ordered = all(before < after for before, after in zip([first, *rising], rising, strict=False))
            monotone += [name] if ordered else []
            cells += [
                ", ".join(f"{strength}: {values[name]:.3g}" for strength, values in taken),
                "yes" if ordered else "no",
            ]
        print(f"| {corruption} | {' | '.join(cells)} |")
        verdicts[corruption] = ", ".join(monotone) or "no"
    seconds = time.process_time() - start
    print(f"\n{seconds:.0f} s of CPU time, {seconds / (count * (2 + sum(map(len, steps.values())))):.3f} an image.")
    sys.stdout.flush()
    return verdicts


def main() -> None:
    """Print a table for each network, and one of them all."""
    parser = argparse.ArgumentParser(description="FID and KID of real images against ever more corrupted ones.")
    parser.add_argument("--train", type=Path, required=True, help="a pack, made by prepare.py")
    parser.add_argument("--test", type=Path, required=True, help="a pack of other images of the same kind")
    parser.add_argument("--count", type=int, default=1000, help="images of each set")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME[:COUNT]", help=" ".join(NETWORKS))
    parser.add_argument("--weights", nargs="*", default=[], metavar="NAME=FILE", help="of inception or torchvision's")
    arguments = parser.parse_args()
    train, test = Pack.open(arguments.train), Pack.open(arguments.test)
    weights = {name: Path(file) for name, _, file in (given.partition("=") for given in arguments.weights)}
    verdicts = {}
    for given in arguments.networks:
        name, _, own = given.partition(":")
        count = int(own or arguments.count)
        if 2 * count > len(train) or count > len(test):
            parser.error(f"{name}: {count} images of the test pack and twice as many for training are not there")
        if name == "swd":
            verdicts["swd, no network"] = study("swd, no network", "", by_patches, train, test, count)
            continue
        features = build(name, weights.get(name), train)
        size = f", {features.num_features} features"
        verdicts[features.name] = study(features.name, size, partial(by_features, features), train, test, count)
    corruptions = dict.fromkeys(corruption for found in verdicts.values() for corruption in found)
    print("\n### Monotone metrics by network and corruption\n")
    print(f"| network | {' | '.join(corruptions)} |\n|{'---|' * (1 + len(corruptions))}")
    for network, found in verdicts.items():
        print(f"| {network} | {' | '.join(found.get(corruption, '') for corruption in corruptions)} |")


if __name__ == "__main__":
    main()
