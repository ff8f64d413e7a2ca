from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.fid import FID
from ganlab.metrics.measures.intra_class_fid import IntraClassFID
from ganlab.metrics.reals import Reals

LABELS = np.arange(90) % 3


def classes(top: int, seed: int) -> np.ndarray:
    """Draw noise (90, 2, 2, 1) that is brighter in each of three classes."""
    draws = np.random.default_rng(seed).integers(0, top, (90, 2, 2, 1))
    return (draws + 60 * LABELS[:, None, None, None]).astype(np.uint8)


def batches(images: np.ndarray, labels: np.ndarray | None, network: Any, size: int) -> list[Generated]:
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    asked: Any = [None] * 90 if labels is None else torch.from_numpy(labels).split(size)
    indices: tuple[Tensor, ...] = torch.arange(90).split(size)
    return [Generated(pixels[i], network, i, labels) for i, labels in zip(indices, asked, strict=False)]


@pytest.fixture
def reals(labelled: Callable[..., Any]) -> Reals:
    return Reals(labelled(classes(50, 0), LABELS), 90, 32, 0, torch.device("cpu"))


def test_is_the_mean_of_each_class_by_itself(reals: Reals, pixels: type) -> None:
    network, fake = pixels(4), classes(30, 1)
    metric = IntraClassFID(network)
    metric.take_reals(reals)
    for batch in batches(fake, LABELS, network, 90):
        metric.update(batch)
    value = metric.compute()["intra_class_fid_pixels"]
    expected = []
    for label in range(3):
        alone = FID(network)
        alone.real = reals.statistics(network, label)
        alone.update(batches(fake[label::3].repeat(3, axis=0), LABELS, network, 90)[0])
        expected.append(alone.compute()["fid_pixels"])
    assert value == pytest.approx(np.mean(expected), rel=0.05)  # the covariance of thrice the same is smaller by 2 %
    assert (metric.protocol()["classes"], metric.protocol()["real"], metric.fitted(90)) == (3, 90, 30)
    metric.reset()
    for batch in reversed(batches(fake, LABELS, network, 7)):
        metric.update(batch)
    assert metric.compute()["intra_class_fid_pixels"] == pytest.approx(value, rel=1e-9)


def test_sees_classes_that_are_exchanged(reals: Reals, pixels: type) -> None:
    network, values = pixels(4), []
    for asked in (LABELS, (LABELS + 1) % 3):
        metric = IntraClassFID(network)
        metric.take_reals(reals)
        for batch in batches(classes(50, 1), asked, network, 30):
            metric.update(batch)
        values.append(metric.compute()["intra_class_fid_pixels"])
    assert values[1] > 100 * values[0]


def test_needs_classes_on_both_sides(
    reals: Reals, pixels: type, pack_of: Callable[..., Any], labelled: Callable[..., Any]
) -> None:
    network = pixels(4)
    metric = IntraClassFID(network)
    with pytest.raises(UserError, match="intra_class_fid_pixels needs a conditional generator"):
        metric.update(batches(classes(50, 1), None, network, 90)[0])
    with pytest.raises(UserError, match="and arrays has no classes: leave it out"):
        metric.take_reals(Reals(pack_of(classes(50, 0)), 90, 32, 0, torch.device("cpu")))
    with pytest.raises(UserError, match="two samples of each of 3 classes: set metrics.count=300, or 6 at least"):
        metric.take_reals(Reals(labelled(classes(50, 0), LABELS), 5, 32, 0, torch.device("cpu")))
