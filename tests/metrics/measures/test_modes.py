from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.classifiers.digits import digits
from ganlab.classifiers.training import Training, trained_classifier
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.modes import Modes, expected_modes, reverse_kl
from ganlab.metrics.reals import Reals


def generated(metric: Modes, images: torch.Tensor) -> Generated:
    return Generated(images, metric.features, torch.arange(len(images)))


def test_counts_the_digits_that_are_drawn() -> None:
    images, labels = digits()
    metric = Modes(DigitsFeatures())
    metric.update(generated(metric, images[labels < 7][:300]))
    values = metric.compute()
    assert values["modes_digits"] == 7
    assert values["confident_digits"] > 0.95


def test_noise_and_plain_grey_are_no_digits() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (200, 1, 32, 32), dtype=torch.uint8, generator=generator)
    metric = Modes(DigitsFeatures())
    metric.update(generated(metric, noise))
    metric.update(generated(metric, torch.full((50, 1, 32, 32), 127, dtype=torch.uint8)))
    metric.update(generated(metric, torch.zeros(50, 1, 32, 32, dtype=torch.uint8)))
    assert metric.compute() == {"confident_digits": 0.0, "modes_digits": 0}


@pytest.mark.parametrize(
    ("fake", "real", "expected"),
    [
        ([2, 2], [1, 3], 0.5 * log(2) + 0.5 * log(2 / 3)),
        ([4, 0], [5, 5], log(2)),  # one of two modes
        ([0, 0, 7], [1, 1, 2], log(2)),
        ([1, 1], [4, 0], 0.5 * log(4.5 / 8) + 0.5 * log(4.5)),  # what no real image shows counts as half an image
        ([3, 5, 0], [30, 50, 0], log(80.5 / 80)),  # equal, but for that half image
    ],
)
def test_reverse_kl_by_hand(fake: list[int], real: list[int], expected: float) -> None:
    assert reverse_kl(torch.tensor(fake), torch.tensor(real)) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=8), st.randoms())
def test_reverse_kl_is_a_divergence(counts: list[int], random: Any) -> None:
    real, other = torch.tensor(counts), torch.tensor(random.sample(counts, len(counts)))
    assert reverse_kl(real, real) == pytest.approx(0, abs=1e-12)
    assert reverse_kl(3 * real, real) == pytest.approx(0, abs=1e-12)
    assert reverse_kl(other, real) >= -1e-12


def test_expected_modes_by_hand() -> None:
    assert expected_modes(torch.tensor([1, 1]), 2) == pytest.approx(1.5)
    assert expected_modes(torch.tensor([3, 1, 0]), 1) == pytest.approx(1)
    assert expected_modes(torch.ones(1000), 25_600) == pytest.approx(1000, abs=0.01)


class Told(ClassifierFeatures):
    """Reads mode and probability off two pixels."""

    weights_sha256 = "0" * 64
    resize = "none"

    def __init__(self, num_modes: int) -> None:
        torch.nn.Module.__init__(self)
        self.num_modes, self.counted = num_modes, ["mode"]
        self.accuracy, self.held_out = {"mode": 1.0}, 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0].float()

    def predict_modes(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return features[:, 0].long(), features[:, 1] / 100


def told(modes: list[int], probability: int = 100) -> np.ndarray:
    images = np.zeros((len(modes), 1, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = modes, probability
    return images


def as_batch(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def test_classifier_counts_every_sample_and_compares_with_the_reals(pack_of: Callable[[np.ndarray], Any]) -> None:
    metric = Modes(Told(5))
    metric.take_reals(Reals(pack_of(told([0, 0, 1, 1, 2, 2, 3, 3])), 4, 3, 0, torch.device("cpu")))
    samples = np.concatenate([told([0, 0, 1]), told([4], probability=50)])
    metric.update(generated(metric, as_batch(samples)))
    values = metric.compute()
    assert values["modes_classifier"] == 3
    assert values["modes_share_classifier"] == 0.5  # 0 and 1 of 0 to 3; mode 4 is none of the reals'
    assert values["confident_classifier"] == 0.75
    p, q = (0.5, 0.25, 0.25), (2 / 8.5, 2 / 8.5, 0.5 / 8.5)
    assert values["reverse_kl_classifier"] == pytest.approx(sum(a * log(a / b) for a, b in zip(p, q, strict=True)))
    record = metric.protocol()
    assert (record["real"], record["real_modes"], record["combinations"], record["factors"]) == (8, 4, 5, ["mode"])
    assert record["expected_modes"] == round(4 * (1 - 0.75**4), 1)
    metric.reset()
    for image in samples[[3, 1, 0, 2]]:  # neither order nor batches matter
        metric.update(generated(metric, as_batch(image[None])))
    assert metric.compute() == values


def test_a_process_without_reals_lends_its_samples() -> None:
    metric = Modes(Told(5))
    metric.update(generated(metric, as_batch(told([0, 1]))))
    assert metric.compute() == {}


def test_reals_against_themselves(bars: Callable[..., Any], tmp_path: Any) -> None:
    pack = bars(200)
    features = ClassifierFeatures(trained_classifier(pack, Training(1_000, 50, 1e-2, 4, 0)))
    features.count(["row", "column"])
    metric = Modes(features)
    reals = Reals(pack, 1_000, 64, 0, torch.device("cpu"))
    metric.take_reals(reals)
    for images in reals.sample():
        metric.update(generated(metric, images))
    values = metric.compute()
    assert (values["modes_classifier"], values["modes_share_classifier"]) == (6, 1)
    assert values["reverse_kl_classifier"] == pytest.approx(0, abs=1e-9)
    (file,) = tmp_path.glob("modes-classifier-*.npz")
    written = file.stat().st_mtime_ns
    metric.take_reals(reals)
    assert file.stat().st_mtime_ns == written
    features.count(["row"])  # other modes are counted anew
    assert reals.modes(features).shape == (3,)
