from collections.abc import Callable
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.inception_score import InceptionScore
from ganlab.metrics.reals import Reals


class Told(torch.nn.Module):
    """Classes that are told for each image: the value of its only pixel is its class, of four; 255: all alike."""

    name, num_classes = "told", 4

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).float()

    def classify_features(self, features: Tensor) -> Tensor:
        certain = torch.nn.functional.one_hot(features[:, 0].long() % 4, 4).float()
        return torch.where(features == 255, 0.25, certain)

    def protocol(self) -> dict[str, Any]:
        return {"features": self.name}


def score(*classes: int, splits: int = 1) -> float:
    network: Any = Told()
    metric = InceptionScore(network, splits, seed=0)
    images = torch.tensor(classes, dtype=torch.uint8).view(-1, 1, 1, 1)
    metric.update(Generated(images, network, torch.arange(len(images))))
    values = metric.compute()
    assert metric.protocol() == {"features": "told", "classes": 4, "splits": splits, "is_seed": 0}
    return values["is_told"]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([0, 1, 2, 3], 4),
        ([2, 2, 2], 1),
        ([255, 255], 1),
        ([0, 0, 1, 1], 2),
        ([0, 0, 0, 1], exp(-0.75 * log(0.75) - 0.25 * log(0.25))),
    ],
)
def test_by_hand(classes: list[int], expected: float) -> None:
    assert score(*classes) == pytest.approx(expected, rel=1e-6)


def test_splits_are_averaged() -> None:
    assert score(*[1] * 6, splits=3) == pytest.approx(1)
    # two splits of two: equal ones score 1, different ones 2
    assert score(0, 1, 0, 1, splits=2) == pytest.approx(1) or score(0, 1, 0, 1, splits=2) == pytest.approx(2)


def test_more_splits_than_samples_are_refused(pack_of: Callable[..., Any], noise: Callable[..., np.ndarray]) -> None:
    network: Any = Told()
    reals = Reals(pack_of(noise(8, 2, 2, 1)), 4, 4, 0, torch.device("cpu"))
    with pytest.raises(UserError, match="metrics.is.splits=5 does not fit 4 images"):
        InceptionScore(network, 5, 0).take_reals(reals)
