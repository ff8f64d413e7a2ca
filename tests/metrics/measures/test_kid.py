from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from ganlab.errors import UserError
from ganlab.metrics.measures.kid import KID, discrepancy
from ganlab.metrics.reals import Reals


def draw(count: int, mean: float = 0.0, seed: int = 0) -> Tensor:
    return mean + torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    first, second = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[1.0], [2.0]]).double()
    # k(0, 1) = 1, k(1, 2) = 27; across: 1, 1, 8, 27
    assert discrepancy(first, second) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


@pytest.mark.parametrize(("real", "fake", "size"), [(60, 50, 20), (40, 40, 40)])
def test_is_torch_fidelitys_number(pixels: type, real: int, fake: int, size: int) -> None:
    reals, fakes = draw(real), draw(fake, 0.3, seed=1)
    metric = KID(pixels(16), size, subsets=7, seed=5)
    expected = kid_features_to_metric(
        fakes.double(), reals.double(), kid_subsets=7, kid_subset_size=size, rng_seed=5, verbose=False
    )
    assert metric.compare(reals, fakes)[0] == pytest.approx(expected[KEY_METRIC_KID_MEAN], rel=1e-10)


def test_is_about_0_for_equal_distributions_and_grows_with_their_distance(pixels: type) -> None:
    metric = KID(pixels(16), 200, subsets=20, seed=0)
    values = [metric.compare(draw(500), draw(500, mean, seed=1))[0] for mean in (0, 0.2, 0.4)]
    assert abs(values[0]) < 0.02 < 0.1 < values[1] < values[2]


def test_takes_a_thousand_or_all_unless_told(
    pixels: type, pack_of: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    for asked, count, used in ((None, 30, 30), (None, 5000, 1000), (7, 30, 7)):
        metric = KID(pixels(12), asked, subsets=2, seed=0)
        reals = Reals(pack_of(noise(1500, 2, 2, 3)), count, 500, 0, torch.device("cpu"))
        metric.take_reals(reals)
        assert metric.protocol()["subset_size"] == used
    with pytest.raises(UserError, match="metrics.kid.subset_size=31 does not fit 30 images"):
        KID(pixels(12), 31, 2, 0).take_reals(Reals(reals.pack, 30, 500, 0, torch.device("cpu")))
    with pytest.raises(ValueError, match="^subsets=0(.0)? must be"):
        KID(pixels(12), None, 0, 0)
