from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.fid import FID
from ganlab.metrics.reals import Reals


def distance(network: Any, reals: Reals, fake: Tensor, batch_size: int = 100) -> float:
    metric = FID(network)
    metric.take_reals(reals)
    for images in fake.split(batch_size):
        metric.update(Generated(images, network, torch.arange(len(images))))
    return metric.compute()["fid_pixels"]


@pytest.fixture
def reals(pack_of: Callable[[np.ndarray], Any], noise: Callable[..., np.ndarray]) -> Reals:
    return Reals(pack_of(noise(80, 4, 4, 1)), 80, 32, 0, torch.device("cpu"))


def test_same_images_have_almost_no_distance(reals: Reals, pixels: type) -> None:
    assert abs(distance(pixels(16), reals, torch.cat(list(reals.sample())))) < 1e-3


def test_equals_torchmetrics_on_the_same_images(reals: Reals, pixels: type) -> None:
    fake = torch.randint(0, 128, (90, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    theirs = FrechetInceptionDistance(feature=pixels(16))
    theirs.update(torch.cat(list(reals.sample())), real=True)
    theirs.update(fake, real=False)
    expected = theirs.compute().item()
    assert distance(pixels(16), reals, fake) == pytest.approx(expected, rel=1e-6)
    assert distance(pixels(16), reals, fake, batch_size=7) == pytest.approx(expected, rel=1e-6)


def test_every_grey_code_arrives_as_it_is(pixels: type) -> None:
    network = pixels(1)
    metric = FID(network)
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    metric.update(Generated(images, network, torch.arange(256)))
    assert metric.total.item() == 255 * 128
    assert metric.outer.item() == sum(code**2 for code in range(256))
    assert metric.total.dtype == torch.float64


def test_a_process_without_reals_lends_its_samples(pixels: type) -> None:
    network = pixels(4)
    metric = FID(network)
    metric.update(Generated(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), network, torch.arange(3)))
    assert metric.compute() == {}
