"""Metrics speed: all metrics together beside the making of what they look at, as a ratio; of one run, on the CPU.

    python benchmarks/metrics_speed.py                          10,000 samples, some minutes
    python benchmarks/metrics_speed.py --count 2000 --threads 2

What is made are 32x32 colour images, by the paper's DCGAN, and their features, by Inception (2048): the time of the
fastest of a few batches, times the number of samples. Random weights take as long as trained ones.

The metrics are fid, kid, is, precision, recall, density, coverage and swd, with their usual values. They see seeded
noise with as many features, real and generated, of slightly different distributions; SWD sees noise of 32x32 pixels.
FID sums up the real images as well, which happens once for a pack. The distances that several metrics share are
counted for the first one. Below one means that the metrics take less than what they look at. Of networks that are much
smaller than Inception, such as digits, it says nothing.

KID is also timed beside torch-fidelity's, on a tenth of the subsets.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402

from ganlab.metrics.extractors.inception import InceptionFeatures  # noqa: E402
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance  # noqa: E402
from ganlab.metrics.generated import Generated  # noqa: E402
from ganlab.metrics.measures.inception_score import InceptionScore  # noqa: E402
from ganlab.metrics.measures.kid import KID  # noqa: E402
from ganlab.metrics.measures.precision_recall import Coverage, Density, Precision, Recall  # noqa: E402
from ganlab.metrics.measures.swd import SWD  # noqa: E402
from ganlab.networks.dcgan import Generator  # noqa: E402

CLASSES, SIDE, BATCH = 1008, 32, 50
GENERATED = 100  # samples of a batch, as in training


def seconds(action: Callable[[], Any]) -> float:
    """Return the CPU time of something; that of other programs does not count."""
    start = time.process_time()
    action()
    return time.process_time() - start


def random_inception(folder: Path) -> InceptionFeatures:
    """Return Inception with random weights."""
    torch.save({}, folder / "empty.pth")
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None):
        network = FeatureExtractorInceptionV3("random", ["2048"], str(folder / "empty.pth"))
    torch.save(network.state_dict(), folder / "random.pth")
    return InceptionFeatures(folder / "random.pth")


def generation(passes: int) -> float:
    """Return seconds that the generator takes for one image of 32x32, the fastest of some batches."""
    generator = Generator(image_size=SIDE, channels=3)
    latents = generator.draw_latents(GENERATED, torch.Generator().manual_seed(0))
    generator(latents)  # warm
    return min(seconds(lambda: generator(latents)) for _ in range(passes)) / GENERATED


def extraction(passes: int) -> float:
    """Return seconds that Inception takes for one image of 32x32, the fastest of some batches."""
    with tempfile.TemporaryDirectory() as folder:
        network = random_inception(Path(folder))
    images = torch.randint(0, 256, (BATCH // 5, 3, SIDE, SIDE), dtype=torch.uint8)
    network(images)  # warm
    return min(seconds(lambda: network(images)) for _ in range(passes)) / len(images)


def statistics(features: Tensor) -> FeatureStatistics:
    """Sum up features in batches, as FID does."""
    parts = [part.double() for part in features.split(BATCH)]
    outer = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64)
    for part in parts:
        outer += part.T @ part
    return FeatureStatistics(len(features), features.double().sum(dim=0), outer)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="samples, real and generated alike")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--passes", type=int, default=2, help="batches that are generated, and seen by Inception")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    count, size = arguments.count, arguments.dimensions

    real, fake = torch.rand(count, size), torch.rand(count, size) ** 1.1
    images = torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8)
    probabilities = torch.randn(count, CLASSES).softmax(dim=1)
    network: Any = SimpleNamespace(name="noise", protocol=dict)
    taken: dict[str, float] = {}

    kid = KID(network, None, subsets=100, seed=0)
    taken["kid"] = seconds(lambda: kid.compare(real, fake))
    for kind, k in ((Precision, 3), (Recall, 3), (Density, 5), (Coverage, 5)):
        metric = kind(network, k)
        taken[metric.value] = seconds(lambda metric=metric: metric.compare(real, fake))
    score = InceptionScore(network, splits=10, seed=0)
    score.update(SimpleNamespace(indices=torch.arange(count), probabilities=probabilities))
    taken["is"] = seconds(score.compute)
    taken["fid"] = seconds(lambda: frechet_distance(statistics(real), statistics(fake)))
    swd = SWD(patches=32)
    swd.take_reals(SimpleNamespace(sample=lambda: images.flip(0).split(BATCH)))  # type: ignore[arg-type]

    def slice_all() -> None:
        for start, part in enumerate(images.split(BATCH)):
            swd.update(Generated(part, None, torch.arange(start * BATCH, start * BATCH + len(part))))
        swd.compute()

    taken["swd"] = seconds(slice_all)
    made = {"generation": generation(arguments.passes) * count, "features": extraction(arguments.passes) * count}
    metrics, making = sum(taken.values()), sum(made.values())
    print(f"shares of the time that {count:,} samples of {SIDE}x{SIDE} and their {size} Inception features take:")
    for name, value in (*made.items(), *taken.items()):
        print(f"  {name:10} {value / making:7.2%}")
    print(
        f"all metrics: generation and features = {metrics / making:.3f}, {'less' if metrics < making else 'NOT LESS'}"
    )

    sizes = {"kid_subsets": 10, "kid_subset_size": min(1000, count), "rng_seed": 0, "verbose": False}
    for dimensions in (64, size):
        pair = real[:, :dimensions].double(), fake[:, :dimensions].double()
        theirs = seconds(lambda pair=pair: kid_features_to_metric(*pair, **sizes))
        ours = seconds(lambda pair=pair: KID(network, None, subsets=10, seed=0).compare(*pair))
        print(f"kid of {dimensions} features: torch-fidelity takes {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    main()
