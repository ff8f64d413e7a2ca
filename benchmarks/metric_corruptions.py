"""What feature networks see: FID and KID between real images and ever more spoilt ones, as tables for docs/metrics.md.

    python src/prepare.py data=cifar10 packs=P; python src/prepare.py data=cifar10 data.split=test packs=P
    python benchmarks/metric_corruptions.py --train P/cifar10-train-... --test P/cifar10-test-...

The reference are seeded training images; as many others of them show how far apart two samples of one kind are, by
chance alone: smaller steps between strengths mean little. Strength 0 are as many images of the test split as they are;
the others are the same images blurred (Gaussian; deviation in pixels), with noise (Gaussian; deviation in grey levels),
through JPEG (quality), or other test images, of fewer classes. A network is monotone for a corruption if each step
raises the value.

Networks: the pixels, averaged to 8x8, for comparison; the classifier, trained on the training pack, the reference
images among its examples; digits, for grey packs; InceptionV3 with ``--inception FILE``, or with random weights
(Kaiming's) for ``--random`` images, which cost a quarter of a second each on a CPU core; ``--torchvision NAME``.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image, ImageFilter
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ganlab.data.pack import Pack  # noqa: E402
from ganlab.metrics.backbones import BackboneFeatures  # noqa: E402
from ganlab.metrics.choosing import labelled_features  # noqa: E402
from ganlab.metrics.features import DigitsFeatures, Features, InceptionFeatures  # noqa: E402
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance  # noqa: E402
from ganlab.metrics.kid import discrepancy  # noqa: E402

Spoil = Callable[[Image.Image, np.random.Generator], Image.Image]
CLASSES = (0, 1, 3, 5, 8)  # dropped


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
    """Yield corruption, strength and ``count`` images; strength 0 of all corruptions comes first, as ``none``."""
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
    for dropped in CLASSES[1:]:
        left = order[labels[order] >= round(classes * dropped / 10)]
        if len(left) >= count:
            yield "classes dropped", f"{dropped}/10", test.images[left[:count]]


def random_inception() -> InceptionFeatures:
    """Return InceptionV3 with Kaiming's weights; with the usual random ones the features vanish."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.pth"
        loading = FeatureExtractorInceptionV3.load_state_dict
        FeatureExtractorInceptionV3.load_state_dict = lambda self, state: None
        torch.save({}, file)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(file))
        FeatureExtractorInceptionV3.load_state_dict = loading
        torch.manual_seed(0)
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
        torch.save(network.state_dict(), file)
        features = InceptionFeatures(file)
    features.name = "inception, random weights"
    return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Return the Frechet distance of features (N, D), computed where they are: few images span few dimensions."""
    count, dimensions = len(first) + len(second), first.shape[1]
    if count < dimensions:
        axes = torch.linalg.qr(torch.cat([first, second]).T).Q
        first, second = first @ axes, second @ axes
    sums = [FeatureStatistics(len(found), found.sum(dim=0), found.T @ found) for found in (first, second)]
    return frechet_distance(*sums)


def table(features: Features, train: Pack, test: Pack, count: int) -> None:
    """Print values of one network, and which corruptions it orders."""
    start = time.process_time()

    def features_of(images: np.ndarray) -> Tensor:
        return features(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))).double()

    order = np.random.default_rng(0).permutation(len(train))
    real, other = (features_of(train.images[order[start : start + count]]) for start in (0, count))
    values: dict[str, list[tuple[str, float, float]]] = {}
    for corruption, strength, images in variants(test, count):
        found = features_of(images)
        distances = frechet(real, found), discrepancy(real, found)
        values.setdefault(corruption, []).append((strength, *distances))
    ((_, fid, kid),) = values.pop("none")
    print(f"\n### {features.name}: {count} images, {features.num_features} features\n")
    print(
        f"Training against other training images: FID {frechet(real, other):.4g}, KID {discrepancy(real, other):.3g}."
    )
    print(f"Training against test images as they are: FID {fid:.4g}, KID {kid:.3g}.\n")
    print("| corruption | strength: FID | monotone | strength: KID | monotone |\n|---|---|---|---|---|")
    for corruption, steps in values.items():
        cells = []
        for column, first in ((1, fid), (2, kid)):
            row = [step[column] for step in steps]
            rising = all(before < after for before, after in zip([first, *row], row, strict=False))
            shown = ", ".join(f"{step[0]}: {value:.3g}" for step, value in zip(steps, row, strict=True))
            cells += [shown, "yes" if rising else "no"]
        print(f"| {corruption} | {' | '.join(cells)} |")
    print(f"\n({time.process_time() - start:.0f} s of CPU time)", flush=True)


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description="FID and KID of real images, spoilt more and more.")
    parser.add_argument("--train", type=Path, required=True, help="a pack, made by prepare.py")
    parser.add_argument("--test", type=Path, required=True, help="a pack of other images of the same kind")
    parser.add_argument("--count", type=int, default=1000, help="images of each set")
    parser.add_argument("--inception", type=Path, help="a file of InceptionV3 weights")
    parser.add_argument("--random", type=int, default=0, help="images for Inception with random weights; 0: none")
    parser.add_argument("--torchvision", nargs="*", default=[], help="classifiers of torchvision, from its cache")
    arguments = parser.parse_args()
    train, test = Pack.open(arguments.train), Pack.open(arguments.test)
    channels = train.images.shape[3]

    table(PixelFeatures(channels), train, test, arguments.count)
    if channels == 1:
        table(DigitsFeatures(), train, test, arguments.count)
    if train.labels is not None:
        options = yaml.safe_load((ROOT / "conf/features/classifier.yaml").read_text())["classifier"]
        classifier = labelled_features(train, **options)
        print("\nclassifier's accuracy on images held out:", classifier.accuracy)
        table(classifier, train, test, arguments.count)
    if arguments.inception:
        table(InceptionFeatures(arguments.inception), train, test, arguments.count)
    for name in arguments.torchvision:
        table(BackboneFeatures(name), train, test, arguments.count)
    if arguments.random:
        table(random_inception(), train, test, arguments.random)


if __name__ == "__main__":
    main()
