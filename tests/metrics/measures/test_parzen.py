from collections.abc import Callable
from math import exp, log, pi
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.parzen import Parzen, log_likelihood
from ganlab.metrics.reals import Reals


def test_one_window_in_closed_form() -> None:
    found = log_likelihood(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(1, 2), [1.0, 2.0])
    expected = [[-log(2 * pi) - 25 / 2, -log(2 * pi)], [-log(8 * pi) - 25 / 8, -log(8 * pi)]]
    assert torch.allclose(found, torch.tensor(expected).double())


def test_several_windows_are_a_mixture_whatever_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = log((exp(-0.5) + exp(-2) + 1) / 3) - log(2 * pi) / 2
    for tile in (1, 2, 5):
        monkeypatch.setattr("ganlab.metrics.neighbours.TILE", tile)
        found = log_likelihood(torch.zeros(1, 1), torch.tensor([[1.0], [-2.0], [0.0]]), [1.0])
        assert found.item() == pytest.approx(expected, rel=1e-12)
    far = log_likelihood(torch.full((1, 1000), 1e3), torch.zeros(2, 1000), [0.1])
    assert far.item() == pytest.approx(-5e10 - 500 * log(2 * pi * 0.01), rel=1e-12)


def test_a_gaussians_entropy_is_found(pack_of: Callable[..., Any]) -> None:
    """Grey noise of deviation 0.25: wide windows blur it, narrow ones leave holes, the right one is near the truth."""
    rng = np.random.default_rng(0)
    images = (128 + 64 * rng.standard_normal((5000, 1, 2, 1))).clip(0, 255).astype(np.uint8)
    metric = Parzen(deviations=10, validation=500)
    metric.take_reals(Reals(pack_of(images[:1500]), 1500, 500, 0, torch.device("cpu")))
    fakes = torch.from_numpy(images[1500:].transpose(0, 3, 1, 2).copy())
    metric.update(Generated(fakes, None, torch.arange(len(fakes))))
    value, protocol = metric.compute()["parzen"], metric.protocol()
    assert value == pytest.approx(-(log(2 * pi * 0.25**2) + 1), abs=0.12)  # minus the entropy of two pixels
    assert (protocol["real"], protocol["validation"], protocol["deviation"]) == (1000, 500, 0.1)
    assert "untrustworthy" in protocol["caution"]
    assert "nothing was held out" in protocol["real_images"]


def test_held_out_images_are_judged_where_there_are_some(
    pack_of: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    pack, others = pack_of(noise(40, 2, 2, 1)), pack_of(noise(10, 2, 2, 1, seed=1))
    held_out = Reals(others, 30, 8, 0, torch.device("cpu"))
    metric = Parzen(deviations=3, validation=1000)
    metric.take_reals(Reals(pack, 30, 8, 0, torch.device("cpu"), held_out))
    assert {"real": 5, "validation": 5, "real_images": "held out"}.items() <= metric.protocol().items()
    with pytest.raises(ValueError, match="^deviations=0(.0)? must be"):
        Parzen(0, 10)
