from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_prc import calculate_precision_recall_full

from ganlab.errors import UserError
from ganlab.metrics.measures.precision_recall import Coverage, Density, Precision, Recall
from ganlab.metrics.reals import Reals

LINE = torch.arange(5.0)[:, None]  # real images at 0, 1, 2, 3, 4; with k = 1 each ball has radius 1


def values(real: Tensor, fake: Tensor, pixels: type, k: int = 1) -> dict[str, float]:
    metrics = [kind(pixels(real.shape[1]), k) for kind in (Precision, Recall, Density, Coverage)]
    return {metric.value: metric.compare(real, fake)[0] for metric in metrics}


@pytest.mark.parametrize(
    ("fake", "precision", "recall", "density", "coverage"),
    [
        # copies: the ends lie in 2 balls, the others in 3
        ([0.0, 1, 2, 3, 4], 1, 1, 13 / 5, 1),
        # far away, all of them, at equal distances
        ([100.0, 101, 102], 0, 0, 0, 0),
        # one real and one stray; their balls of radius 7.5 hold everything
        ([2.0, 9.5], 0.5, 1, 3 / 2, 3 / 5),
        # all in one place: balls without size, at a real one
        ([2.0, 2, 2], 1, 1 / 5, 3, 3 / 5),
        # between real ones: in two balls each
        ([0.5, 1.5], 1, 3 / 5, 2, 3 / 5),
    ],
)
def test_sets_made_by_hand(
    fake: list[float], precision: float, recall: float, density: float, coverage: float, pixels: type
) -> None:
    expected = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    assert values(LINE, torch.tensor(fake)[:, None], pixels) == pytest.approx(expected)


def test_one_mode_of_two_is_precise_and_recalls_half(pixels: type) -> None:
    rng = torch.Generator().manual_seed(0)
    modes = 20 * torch.randint(2, (400, 1), generator=rng) + torch.randn(400, 8, generator=rng)
    found = values(modes, torch.randn(300, 8, generator=rng), pixels, k=5)
    assert found["precision"] > 0.9
    assert found["density"] > 0.8
    assert found["recall"] == pytest.approx(0.5, abs=0.1)
    assert found["coverage"] == pytest.approx(0.5, abs=0.1)


def test_equal_distributions_have_density_1_and_the_coverage_of_the_paper(pixels: type) -> None:
    rng = torch.Generator().manual_seed(0)
    found = values(torch.randn(800, 16, generator=rng), torch.randn(800, 16, generator=rng), pixels, k=5)
    assert found["density"] == pytest.approx(1, abs=0.1)
    assert found["coverage"] == pytest.approx(1 - 0.5**5, abs=0.02)


def test_is_torch_fidelitys_number(pixels: type) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(120, 5, generator=rng), 0.7 * torch.randn(90, 5, generator=rng) + 0.3
    found = values(real, fake, pixels, k=3)
    assert (found["precision"], found["recall"]) == pytest.approx(calculate_precision_recall_full(fake, real), abs=1e-7)
    assert 0.1 < found["recall"] < found["precision"] < 1


def test_more_neighbours_than_images_are_refused(
    pixels: type, pack_of: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    reals = Reals(pack_of(noise(30, 2, 2, 3)), 5, 4, 0, torch.device("cpu"))
    Coverage(pixels(12), 4).take_reals(reals)
    with pytest.raises(UserError, match="metrics.precision.neighbours=5 does not fit 4 images; set it to 1 up to 4"):
        Precision(pixels(12), 5).take_reals(reals)
