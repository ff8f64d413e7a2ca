from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.inception_score import InceptionScore
from ganlab.metrics.measures.kid import KID
from ganlab.metrics.measures.memorisation import Memorisation
from ganlab.metrics.measures.ms_ssim import MSSSIM
from ganlab.metrics.measures.parzen import Parzen
from ganlab.metrics.measures.precision_recall import Coverage, Density, Precision, Recall
from ganlab.metrics.measures.two_sample import TwoSample
from ganlab.metrics.metric import require_count
from ganlab.metrics.reals import Reals


class Shades(torch.nn.Module):
    """Features: the pixels; classes: how bright, how dark."""

    name, num_features, resize, weights_sha256, has_classes = "shades", 768, "none", "0", True
    num_classes = 2

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).float()

    def classify_features(self, features: Tensor) -> Tensor:
        return torch.stack([features[:, :9].mean(dim=1), 255 - features[:, 9:18].mean(dim=1)], 1) / 510

    def protocol(self) -> dict[str, Any]:
        return {"features": self.name}


def every() -> list[Any]:
    network: Any = Shades()
    balls = [kind(network, 3) for kind in (Precision, Recall, Density, Coverage)]
    kid, score = KID(network, 10, 5, 0), InceptionScore(network, 2, 0)
    return [kid, score, *balls, TwoSample(network), MSSSIM(8), Parzen(4, 8), Memorisation(network)]


def reals_of(pack: Any) -> Reals:
    return Reals(pack, 30, 8, 0, torch.device("cpu"))


def show(metric: Any, images: Tensor, start: int) -> None:
    metric.update(Generated(images, getattr(metric, "features", None), torch.arange(start, start + len(images))))


@pytest.fixture
def fakes(noise: Callable[..., np.ndarray]) -> Tensor:
    return torch.from_numpy(noise(30, 3, 16, 16, seed=1) // 2 + 40)


class Ranks:
    """Two processes in two threads, that exchange tensors as gloo does: of equal kind and number of dimensions."""

    def __init__(self) -> None:
        self.given: list[Any] = [None, None]
        self.barrier = Barrier(2, timeout=60)

    def gather(self, rank: int, tensor: Tensor) -> list[Tensor]:
        self.given[rank] = tensor
        self.barrier.wait()
        gathered = list(self.given)
        self.barrier.wait()
        first, second = gathered
        assert (first.dtype, first.dim()) == (second.dtype, second.dim())
        return gathered

    def measure(self, rank: int, reals: Reals, batches: dict[int, Tensor]) -> dict[str, float]:
        values: dict[str, float] = {}
        for metric in every():
            metric.distributed_available_fn = lambda: True
            metric.dist_sync_fn = lambda tensor, group: self.gather(rank, tensor)
            if rank == 0:
                metric.take_reals(reals)
            values |= measure(metric, batches)
        return values


def measure(metric: Any, batches: dict[int, Tensor]) -> dict[str, float]:
    for start, images in batches.items():
        show(metric, images, start)
    values = metric.compute()
    if values and (picture := metric.picture()) is not None:
        values = values | {"picture": picture.sum().item()}
    return values


@pytest.mark.filterwarnings("ignore:The ``compute`` method")  # where a process has no samples
def test_neither_batches_nor_their_order_nor_processes_change_a_value(
    pack_of: Callable[..., Any], noise: Callable[..., np.ndarray], fakes: Tensor
) -> None:
    reals, found = reals_of(pack_of(noise(40, 16, 16, 3))), []
    batches = {start: fakes[start : start + 7] for start in (21, 0, 28, 14, 7)}
    for given in ({0: fakes}, batches):
        values: dict[str, float] = {}
        for metric in every():
            metric.take_reals(reals)
            values |= measure(metric, given)
            metric.reset()
            assert measure(metric, given).items() <= values.items()
        found.append(values)
    assert len(found[0]) == 13
    assert found[0] == found[1]
    odd = {start: images for start, images in batches.items() if start % 2}
    even = {start: images for start, images in batches.items() if not start % 2}
    for dealt in ((even, odd), (odd, even), ({0: fakes}, {})):  # at last none at all for the second
        ranks = Ranks()
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(ranks.measure, (0, 1), (reals, reals), dealt)
        assert first == found[0]
        assert second.items() <= found[0].items()
        assert "kid_shades" not in second


def test_values_are_named_after_their_network_and_state_how_they_were_made(
    pack_of: Callable[..., Any], noise: Callable[..., np.ndarray], fakes: Tensor
) -> None:
    pack = pack_of(noise(40, 16, 16, 3))
    names = []
    for metric in every():
        metric.take_reals(reals_of(pack))
        show(metric, fakes, 0)
        values = metric.compute()
        assert tuple(values) == metric.names
        names += metric.names
        protocol = metric.protocol()
        assert ("features" in protocol) == any(name.endswith("_shades") for name in metric.names)
        if "real" in protocol:
            assert protocol["real"] == (22 if metric.names == ("parzen",) else 30)
    assert names == [
        *("kid_shades", "is_shades", "precision_shades", "recall_shades", "density_shades", "coverage_shades"),
        *("two_sample_shades", "two_sample_real_shades", "two_sample_fake_shades", "ms_ssim", "parzen"),
        "memorisation_shades",
    ]


def test_values_that_do_not_fit_are_refused() -> None:
    require_count("kid.subset_size", 20, 2, 20)
    with pytest.raises(UserError, match=r"metrics.kid.subset_size=30 does not fit 20 images; set it to 2 up to 20"):
        require_count("kid.subset_size", 30, 2, 20)
